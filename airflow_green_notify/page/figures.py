"""What is read of one store, part by part: one that is slow or fails keeps no other from being shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from airflow_green_notify.consume.lag import Lag, lags
from airflow_green_notify.errors import GreenApiError, NotificationStoreError
from airflow_green_notify.files.place import is_missing
from airflow_green_notify.page.day import DAY, Day, DayOfDrains
from airflow_green_notify.page.kept import Kept, Threads, Worked
from airflow_green_notify.page.places import Place
from airflow_green_notify.page.wording import words
from airflow_green_notify.printable import TEXT

if TYPE_CHECKING:
    from airflow_green_notify.stores.report import Report
    from airflow_green_notify.stores.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

OFTEN, SELDOM = 5.0, 60.0
"""Seconds for which what was read is shown to all: of what is cheap to read, and of what isn't."""

MOST_DEAD_LETTERS = 1000
"""Dead letters that are counted one by one."""

HOUR = timedelta(hours=1)
_SETTLED_AFTER = timedelta(minutes=10)
"""How long after its end an hour is counted for the last time."""


@dataclass(frozen=True)
class Told(Generic[T]):
    """What was read, or why it can't be."""

    value: T | None = None
    error: str = ""


@dataclass(frozen=True)
class DeadLetters:
    """What was given up.

    :param number: No more than :data:`MOST_DEAD_LETTERS` and one.
    :param oldest: When the first of them was received.
    """

    number: int
    oldest: datetime | None


Kinds = dict[datetime, dict[str, int]]
"""From the beginning of an hour to how many notifications of which type were received in it."""


class Figures(NamedTuple):
    """The parts as they were last read; ``None`` for one that is being read for the first time."""

    drains: Worked[Told[DayOfDrains]] | None
    reports: Worked[Told[list[Report]]] | None
    lags: Worked[Told[list[Lag]]] | None
    dead_letters: Worked[Told[DeadLetters]] | None
    kinds: Worked[Told[Kinds | None]] | None

    def conn_ids(self) -> set[str]:
        """Return the connections of which drains, watchers and examinations tell."""
        drains = self.drains.value.value if self.drains else None
        reports = self.reports.value.value if self.reports else None
        of_drains = {conn_id for conn_id, _ in (*drains.last, *drains.others)} if drains else set()
        return of_drains | {each.conn_id for each in reports or () if each.conn_id}


class StoreReader:
    """Reads a store, and remembers what doesn't change any more."""

    def __init__(self, place: Place, store: Store) -> None:
        self.place = place
        self._store = store
        threads = Threads(len(Figures._fields))  # of its own: one that hangs holds no other up
        self._day = Day()
        self._has_begun = False
        self._settled: Kinds = {}

        def kept(read: Callable[[], T], span: float) -> Kept[Told[T]]:
            return Kept(lambda: self._told(read), span, threads)

        self.parts: tuple[Kept[Any], ...] = (
            kept(self._read_drains, OFTEN),
            kept(self._store.reports, OFTEN),
            kept(lambda: lags(self._store), OFTEN),
            kept(self._read_dead_letters, SELDOM),
            kept(self._read_kinds, OFTEN),
        )

    def figures(self, until: float) -> Figures:
        """Return what was read last, and have read anew what is old; nothing before :meth:`begin`.

        :param until: When to wait no longer, by ``time.monotonic()``.
        """
        if not self._has_begun:
            return Figures(*(None for _ in self.parts))
        self.begin()
        return Figures(*(part.get(until) for part in self.parts))

    def begin(self) -> None:
        """Have all parts read that are old, side by side."""
        self._has_begun = True
        for part in self.parts:
            part.get(0.0)

    def _told(self, read: Callable[[], T]) -> Told[T]:
        try:
            self._check_is_there()
            return Told(read())
        except GreenApiError as error:
            return Told(error=words(error, TEXT))
        except Exception as error:
            log.warning("The store %s can't be read", words(self.place.name), exc_info=True)
            return Told(error=words(f"{type(error).__name__}: {error}", TEXT))

    def _check_is_there(self) -> None:
        """Look whether a folder is there: to read from it would make it."""
        from airflow_green_notify.stores import ObjectStorageStore

        if isinstance(self._store, ObjectStorageStore) and is_missing(self._store.path):
            raise NotificationStoreError(
                f"There is no folder {self._store.path} where the API server runs. The first drain makes it; "
                "it must lie on a disk that workers and API server share."
            )

    def _read_drains(self) -> DayOfDrains:
        now = datetime.now(UTC)
        return self._day.add(self._store.drains(self._day.read_from(now)), now)

    def _read_dead_letters(self) -> DeadLetters:
        with closing(self._store.dead_letters()) as letters:
            found = [each.notification.received_at for each in islice(letters.all(), MOST_DEAD_LETTERS + 1)]
        return DeadLetters(len(found), min(found, default=None))

    def _read_kinds(self) -> Kinds | None:
        """Count what is not settled yet; ``None`` for a store that can't be counted by types."""
        from airflow_green_notify.stores import SqlStore

        if not isinstance(self._store, SqlStore):
            return None
        now = datetime.now(UTC)
        hours = hours_until(now)
        self._settled = {hour: self._settled[hour] for hour in hours if hour in self._settled}
        open_hours = [hour for hour in hours if hour not in self._settled]
        counted = self._store.counts_by_type([*open_hours, open_hours[-1] + HOUR])
        kinds = dict(zip(open_hours, counted, strict=True))
        self._settled |= {hour: of for hour, of in kinds.items() if hour + HOUR + _SETTLED_AFTER <= now}
        return self._settled | kinds


def hours_until(now: datetime) -> list[datetime]:
    """Return the beginnings of the last 24 hours, the one under way included."""
    last = now.replace(minute=0, second=0, microsecond=0)
    return [last - (DAY - HOUR) + number * HOUR for number in range(24)]
