"""What a wait on a store wants, and how it is found: the oldest that matches, and nothing passed by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from airflow_green_notify.filters import Matching, NotificationFilter, Verdict, judge, signs_of
from airflow_green_notify.stores.dead_letter import as_received

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.stream import StoredStream

W = TypeVar("W", bound="Waiting")

AT_ONCE = 500
"""Entries that are in memory at once."""

CLOCKS_DIFFER = timedelta(seconds=5)
"""How far the clock that a run's start is told by may be ahead of a reader's."""

_MOST_OPTIONAL = 5
_SLOW = re.compile(r"\)[*+{]|\\\d|\(\?P=")
"""A group that repeats, or what stands for a group."""


@runtime_checkable
class OpenEntries(Protocol):
    """A stream in which entries get their positions only when their batch is closed."""

    def open_entries(self) -> Iterable[Entry]:
        """Yield what lies in batches that are still open, in any order."""
        ...


class Found(NamedTuple):
    """A notification that is wanted.

    :param after: A position behind which it lies, and before which nothing is that was not looked at.
    """

    notification: Notification
    after: int


@dataclass(frozen=True)
class Wanted:
    """What is waited for.

    :param since: Nothing that was received before.
    """

    matching: Matching
    since: datetime

    def is_met_by(self, notification: Notification) -> bool:
        """Judge a notification. Who is who is known as far as it shows that itself.

        :raises RuntimeError: The filter failed on it.
        """
        if notification.received_at < self.since:
            return False
        verdict = judge(self.matching, notification)
        if verdict is Verdict.ERROR:
            raise RuntimeError(
                f"The filter failed on {notification!r}, see the log. An error is never a miss: as long as "
                "it fails on that, nothing behind it is found."
            )
        return verdict is Verdict.MATCH


def first_found(stream: StoredStream, wanted: Wanted, after: int) -> tuple[Found | None, int]:
    """Look for the oldest that is wanted behind a position, and return up to where was looked.

    What lies in open batches is looked at each time, after all that has a position: if a batch is closed
    meanwhile, the next look finds it among those.
    """
    is_last = False
    while not is_last:
        page = stream.read(after, AT_ONCE)
        is_last = len(page) < AT_ONCE
        for position, entry in page:
            if wanted.is_met_by(notification := received(entry)):
                return Found(notification, after), after
            after = position
    for notification in in_open_batches(stream):
        if wanted.is_met_by(notification):
            return Found(notification, after), after
    return None, after


def in_open_batches(stream: StoredStream) -> list[Notification]:
    """Return what has no position yet, oldest first, for stores where that takes a while."""
    entries = stream.open_entries() if isinstance(stream, OpenEntries) else ()
    return sorted(map(received, entries), key=lambda each: each.received_at)


def received(entry: Entry) -> Notification:
    """Return a notification under the key that it was received with."""
    return as_received(entry.notification, entry.note)


# --- many waits at once ---


class Waiting(Protocol):
    """One who waits, by a declarative filter."""

    wanted: Wanted


class Waits(Generic[W]):
    """Waits by a sign that what they want must bear, so that few of them judge each notification."""

    def __init__(self) -> None:
        self._by_sign: dict[tuple[str, str] | None, set[W]] = {}

    def add(self, wait: W) -> None:
        """Add a wait."""
        for sign in _signs(wait):
            self._by_sign.setdefault(sign, set()).add(wait)

    def remove(self, wait: W) -> None:
        """Remove a wait that was added."""
        for sign in _signs(wait):
            self._by_sign[sign].discard(wait)
            if not self._by_sign[sign]:
                del self._by_sign[sign]

    def that_may_want(self, notification: Notification) -> set[W]:
        """Return the waits whose filter has to be asked; others may be added or removed meanwhile."""
        may_want = (self._by_sign.get(sign) for sign in (None, *signs_of(notification)))
        return set().union(*filter(None, may_want))


def _signs(wait: Waiting) -> set[tuple[str, str] | None]:
    matching = wait.wanted.matching
    return {*(matching.signs() if isinstance(matching, NotificationFilter) else ())} or {None}


# --- what an event loop may judge ---


def quick_part(matching: Matching) -> tuple[dict[str, Any], bool]:
    """Return what of a filter may be judged in an event loop, as its arguments, and whether that is all.

    A function isn't known where no Dag file is read. A regular expression on a text that others write may
    take for ever, and would hold up all triggers of the process.
    """
    if not isinstance(matching, NotificationFilter):
        return {}, False
    parts = matching.as_dict()
    slow = [name for name in ("text", "not_") if not all(map(_is_quick, _patterns(name, parts)))]
    return {name: value for name, value in parts.items() if name not in slow}, not slow


def _patterns(name: str, parts: Mapping[str, Any]) -> list[str]:
    found: list[str] = (parts if name == "text" else parts.get(name, {})).get("text", [])
    return found


def _is_quick(pattern: str) -> bool:
    """Tell whether a pattern has one repetition at most, of a single character, and few parts that may miss.

    Each of those doubles the ways in which it may fit.
    """
    are_few = len(re.findall(r"(?<!\()\?", pattern)) <= _MOST_OPTIONAL
    return are_few and len(re.findall(r"[*+{]", pattern)) <= 1 and not _SLOW.search(pattern)
