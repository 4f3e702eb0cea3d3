"""A page of a consumer: what lies between two positions of a store, read by those who are handed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.filters import Matching, NotificationFilter, Verdict, judge
from airflow_green_notify.printable import NAME, REASON, printable
from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.object_storage.store import ObjectStorageStore
from airflow_green_notify.stores.sql.store import SqlStore

if TYPE_CHECKING:
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.store import Store
    from airflow_green_notify.stores.stream import Consumer, StoredStream

_AT_ONCE = 1000
"""Entries that are in memory at once."""


class PageLost(NotificationStoreError):
    """Somebody else has the page that this one was working on, or its consumer was forgotten."""

    def __init__(self, after: int, until: int, name: str, record: Consumer | None) -> None:
        what = f"The page from {after + 1} to {until} of consumer" if after < until else "Consumer"
        who = "it was forgotten meanwhile"
        if record is not None:
            holder = printable(record.reader, REASON) or "somebody else"
            who = f"{holder} has it, since this reader seemed to have ended"
        super().__init__(
            f"{what} '{printable(name, NAME)}' is not this reader's any more: {who}. This reader committed "
            "nothing of it."
        )


class PageReader:
    """The notifications of a page, as :class:`GreenApiReadNewOperator` described it."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.store = store_described(description)
        self.consumer: str = description["consumer"]
        self.reader: str = description["reader"]
        self.after, self.until = int(description["after"]), int(description["until"])
        matching = description["matching"]
        self._matching = None if matching is None else NotificationFilter.from_dict(matching)

    def entries(self) -> Iterator[Entry]:
        """Yield what the page holds, oldest first.

        :raises PageLost: Another reader has taken the page over, and may be at work on it.
        """
        if self.after == self.until:
            return
        with closing(self.store.stream()) as stream:
            record = stream.consumer(self.consumer)
            if self.is_lost(record):
                raise PageLost(self.after, self.until, self.consumer, record)
            for _, entry in between(stream, self.after, self.until):
                if is_meant(self._matching, entry):
                    yield entry

    def count(self) -> int:
        """Return how many notifications the page holds; it is read for that."""
        return sum(1 for _ in self.entries())

    def is_lost(self, record: Consumer | None) -> bool:
        """Tell whether somebody else is to commit the page, as the consumer's record says."""
        if record is None or record.position >= self.until:
            return record is None
        return (record.position, record.page_end, record.reader) != (self.after, self.until, self.reader)


def store_described(description: Mapping[str, Any]) -> Store:
    """Return the store that :meth:`~airflow_green_notify.stores.store.Store.described` told of."""
    if description["store"] == "sql":
        return SqlStore(description["conn_id"], table=description["table"])
    if description["store"] == "object_storage":
        return ObjectStorageStore(
            description["path"], conn_id=description["conn_id"], format=description["format"]
        )
    raise KeyError(description["store"])


def between(stream: StoredStream, after: int, until: int) -> Iterator[tuple[int, Entry]]:
    """Yield the entries behind one position up to another, with the position of each."""
    while after < until:
        found = stream.read(after, min(until - after, _AT_ONCE))
        yield from ((position, entry) for position, entry in found if position <= until)
        after = found[-1][0] if found else until


def is_meant(matching: Matching | None, entry: Entry) -> bool:
    """Tell whether an entry is meant; what a filter fails on is."""
    if matching is None:
        return True
    return judge(matching, as_received(entry.notification, entry.note)) is not Verdict.MISS
