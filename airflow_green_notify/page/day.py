"""What the drains into a store came to within the last 24 hours, in little memory.

A fleet of 200 that drains each minute writes 288,000 records a day. They are read once, and added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_green_notify.stores.drain_record import DrainRecord

DAY = timedelta(hours=24)
STEP = timedelta(minutes=15)
KEPT = 3
"""How many of the last drains of an instance are kept."""

OVERLAP = timedelta(minutes=5)
"""How much is read twice: a drain writes its record a while after it ended."""

Instance = tuple[str, str]
"""The ids of a connection and of its instance."""


@dataclass(frozen=True)
class Bin:
    """What the drains came to that ended within a quarter of an hour.

    :param longest: Seconds that the longest took.
    :param oldest: Age in seconds of the notification that had waited longest; ``None`` if none can tell.
    """

    drains: int = 0
    stored: int = 0
    longest: float = 0.0
    oldest: float | None = None

    def with_one_more(self, record: DrainRecord) -> Bin:
        """Return what it is with another drain."""
        ages = [age for age in (self.oldest, record.oldest_age) if age is not None]
        took = (record.ended_at - record.began_at).total_seconds()
        return Bin(
            self.drains + 1, self.stored + record.stored, max(self.longest, took), max(ages, default=None)
        )


@dataclass(frozen=True)
class OtherConsumers:
    """Signs of another consumer in the last drain that saw any."""

    signs: int
    at: datetime


@dataclass(frozen=True)
class DayOfDrains:
    """What the drains of the last 24 hours came to.

    :param bins: By the beginning of each quarter of an hour in which a drain ended.
    :param last: The last drains of each instance, the newest first.
    """

    bins: Mapping[datetime, Bin]
    last: Mapping[Instance, tuple[DrainRecord, ...]]
    others: Mapping[Instance, OtherConsumers]


class Day:
    """Adds records up as they are read."""

    def __init__(self) -> None:
        self._of = DayOfDrains({}, {}, {})
        self._known: dict[str, datetime] = {}
        """Ids of what may be read again, with the times of their ends."""
        self._latest: datetime | None = None

    def read_from(self, now: datetime) -> datetime:
        """Return from when on records are to be read."""
        begin = now - DAY
        return begin if self._latest is None else max(begin, self._latest - OVERLAP)

    def add(self, records: Iterable[DrainRecord], now: datetime) -> DayOfDrains:
        """Add those that are new, let go of what is older than a day, and return what it comes to."""
        bins, last, others = dict(self._of.bins), dict(self._of.last), dict(self._of.others)
        for record in records:
            if record.id in self._known:
                continue
            self._known[record.id] = record.ended_at
            latest = min(record.ended_at, now)  # a clock that is ahead hides no later drain
            self._latest = max(self._latest or latest, latest)
            start = step_of(record.ended_at)
            bins[start] = bins.get(start, Bin()).with_one_more(record)
            instance = (record.conn_id, record.instance_id)
            last[instance] = _newest((record, *last.get(instance, ())))
            if record.other_consumers:
                others[instance] = OtherConsumers(record.other_consumers, record.ended_at)
        begin = now - DAY
        if self._latest is not None:
            again = self._latest - OVERLAP
            self._known = {id: ended for id, ended in self._known.items() if ended >= again}
        self._of = replace(
            self._of,
            bins={start: each for start, each in bins.items() if start >= begin - STEP},
            last={instance: drains for instance, drains in last.items() if drains[0].ended_at >= begin},
            others={instance: each for instance, each in others.items() if each.at >= begin},
        )
        return self._of


def step_of(moment: datetime) -> datetime:
    """Return the beginning of the quarter of an hour in which a time lies."""
    seconds = STEP.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _newest(records: tuple[DrainRecord, ...]) -> tuple[DrainRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.ended_at, reverse=True)[:KEPT])
