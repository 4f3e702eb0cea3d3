"""How a store is shown: its consumers, dead letters and watchers, and pictures of its last 24 hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_green_notify.consume.lag import Lag
from airflow_green_notify.page.chart import Chart, highest, stacked
from airflow_green_notify.page.day import STEP, DayOfDrains, step_of
from airflow_green_notify.page.figures import (
    HOUR,
    MOST_DEAD_LETTERS,
    DeadLetters,
    Figures,
    Kinds,
    Told,
    hours_until,
)
from airflow_green_notify.page.kept import Worked
from airflow_green_notify.page.places import Place
from airflow_green_notify.page.watchers import WatcherView, watcher_view
from airflow_green_notify.page.wording import ago, count, moment, words
from airflow_green_notify.printable import NAME, REASON
from airflow_green_notify.progress import span

BEING_READ = "Being read…"
_OLD = timedelta(minutes=2)
_STORED = "stored notifications"
_NO_WATCHERS = "No watcher reports into this store. A doorbell does if it is given the store (report_to)."
_ONE_EACH = "Each watcher that reports into this store watches one instance, and is shown with that."
_NO_TYPES = "A store of files tells how many notifications were stored, not of which type."


@dataclass(frozen=True)
class ConsumerView:
    """How far behind a consumer is."""

    name: str
    behind: str
    position: str
    changed: str
    page: str


@dataclass(frozen=True)
class StoreView:
    """A store as the page shows it; ``error`` says why it can't be read, and what to do."""

    name: str
    as_of: str
    errors: Sequence[str]
    is_readable: bool
    is_under_way: bool
    consumers: Sequence[ConsumerView]
    no_consumers: str
    dead_letters: str
    has_dead_letters: bool
    watchers: Sequence[WatcherView]
    no_watchers: str
    charts: Sequence[Chart]


def unread(place: Place) -> StoreView:
    """Return how something is shown that is no store."""
    return StoreView(words(place.name), "", [words(place.error)], False, False, (), "", "", False, (), "", ())


def store_view(place: Place, figures: Figures, sees_all: bool, now: datetime, number: int) -> StoreView:
    """Return how a store is shown.

    :param sees_all: Whether the user may read all connections: then watchers of several are shown, too, which
        may name any of them.
    :param number: Tells the stores of the page apart.
    """
    parts: list[Worked[Told[Any]] | None] = [*figures]
    errors = dict.fromkeys(part.value.error for part in parts if part and part.value.error)
    read = [part.at for part in parts if part and not part.value.error]
    is_readable = bool(read) or any(part is None for part in parts)
    reports = _value(figures.reports)
    watchers = [each for each in reports or () if each.kind == "watcher"]
    of_fleets = [each for each in watchers if not each.conn_id and sees_all]
    lags, letters = _value(figures.lags), _value(figures.dead_letters)
    consumers = [_consumer(each, now) for each in lags or ()]
    return StoreView(
        words(place.name),
        f"read {ago(min(read), now)}" if read else "",
        [*errors],
        is_readable,
        any(part is None for part in parts) or _is_old(figures.drains, now),
        consumers,
        _empty(figures.lags, "Nobody reads on behind a position: the store has no consumers."),
        _dead_letters(letters, now) if letters else _empty(figures.dead_letters, ""),
        bool(letters and letters.number),
        [watcher_view(each, now) for each in of_fleets],
        _empty(figures.reports, _ONE_EACH if watchers else _NO_WATCHERS),
        [*_charts(figures, now, number)] if is_readable else [],
    )


def _is_old(part: Worked[Told[Any]] | None, now: datetime) -> bool:
    """Tell whether what was read is of a time when somebody looked at the page last."""
    return part is not None and now - part.at > _OLD


def _value(part: Worked[Told[Any]] | None) -> Any:
    return part.value.value if part else None


def _empty(part: Worked[Told[Any]] | None, nothing: str) -> str:
    """Return what to say where there is nothing to show."""
    if part is None:
        return BEING_READ
    return "It can't be read; see above." if part.value.error else nothing


def _consumer(lag: Lag, now: datetime) -> ConsumerView:
    consumer = lag.consumer
    _, position, behind, page, reader, _ = lag.cells()
    work = "" if page == "-" else f"{page}, by {words(reader, REASON)}"
    changed = f"{ago(consumer.changed_at, now)} ({moment(consumer.changed_at)})"
    return ConsumerView(words(consumer.name, NAME), behind, position, changed, work or "none open")


def _dead_letters(letters: DeadLetters, now: datetime) -> str:
    if not letters.number or letters.oldest is None:
        return "No dead letters."
    number = (
        f"More than {MOST_DEAD_LETTERS:,}" if letters.number > MOST_DEAD_LETTERS else count(letters.number)
    )
    noun = "dead letter" if letters.number == 1 else "dead letters"
    return (
        f"{number} {noun}; the oldest was received {ago(letters.oldest, now)} ({moment(letters.oldest)}). "
        "See why with airflow green-api dead-letters, mend that, and replay or drop them."
    )


def _charts(figures: Figures, now: datetime, number: int) -> Iterator[Chart]:
    drains: DayOfDrains | None = _value(figures.drains)
    kinds: Kinds | None = _value(figures.kinds)
    is_counted = figures.kinds is not None
    title = "Notifications an hour, by type"
    hours = hours_until(now)
    if kinds is not None:
        by_hour = {hour: kinds.get(hour, {}) for hour in hours}
        yield stacked(f"kinds-{number}", title, "Nothing was received within 24 hours.", by_hour, HOUR)
    elif is_counted and drains is not None:
        stored = {hour: {_STORED: _stored(drains, hour)} for hour in hours}
        nothing = f"No drain stored anything within 24 hours. {_NO_TYPES}"
        chart = stacked(f"kinds-{number}", "Notifications an hour", nothing, stored, HOUR)
        yield Chart(**{**vars(chart), "text": f"{chart.text} {_NO_TYPES}"} if chart.bars else vars(chart))
    else:
        yield Chart(f"kinds-{number}", title, _empty(figures.kinds, ""))
    nothing = _empty(figures.drains, "No drain ended within 24 hours.")
    bins = drains.bins if drains else {}
    steps = [step_of(now) - each * STEP for each in range(95, -1, -1)]
    took = {step: bins[step].longest if step in bins else None for step in steps}
    yield highest(f"took-{number}", "Longest drain", nothing, took, STEP, span)
    nothing = _empty(figures.drains, "No drain told how long a notification had waited.")
    oldest = {step: bins[step].oldest if step in bins else None for step in steps}
    yield highest(
        f"oldest-{number}", "Longest wait in the queue, as drains saw it", nothing, oldest, STEP, span
    )


def _stored(drains: DayOfDrains, hour: datetime) -> int:
    quarters: list[timedelta] = [STEP * each for each in range(4)]
    return sum(drains.bins[hour + each].stored for each in quarters if hour + each in drains.bins)
