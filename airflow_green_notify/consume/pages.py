"""Pages: what a consumer is given, opened and committed in its record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_green_notify.consume.lag import send_lag
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.printable import NAME, REASON, printable
from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.page import PageLost, between, is_meant
from airflow_green_notify.stores.stream import CHAT_BY_CHAT, Consumer, Start, position_at

if TYPE_CHECKING:
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.stream import StoredStream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What a consumer wants to read.

    :param matching: What is meant; ``None`` for everything.
    :param page_size: Notifications that a page spans at most, those that aren't meant among them.
    """

    consumer: str
    matching: Matching | None = None
    start: Start = "beginning"
    page_size: int = 1000


class Page:
    """What a consumer hasn't committed yet, oldest first: those that match out of a span of the store.

    :param record: The consumer's record, with the page open in it; without one if there is nothing new.
    :param has_more: Whether more lay behind the page when it was opened.
    :param check: Called before each notification; it raises an error if the page may be somebody else's.
    """

    def __init__(
        self,
        record: Consumer,
        notifications: Sequence[Notification],
        has_more: bool,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.record = record
        self.has_more = has_more
        self._notifications = notifications
        self._check = check

    def __iter__(self) -> Iterator[Notification]:
        for notification in self._notifications:
            if self._check is not None:
                self._check()
            yield notification

    def __len__(self) -> int:
        return len(self._notifications)

    def __repr__(self) -> str:
        return f"<Page of {len(self)} notifications, {self.after + 1} to {self.until}>"

    @property
    def after(self) -> int:
        """The position in the store behind which it begins."""
        return self.record.position

    @property
    def until(self) -> int:
        """The position in the store of the last that it spans."""
        return self.record.page_end or self.record.position


class Pages:
    """Opens and commits the pages of a consumer, for one reader. The caller holds the consumer's lease.

    Every change of the record names the version that it follows. So whoever lost the lease without noticing
    changes nothing once somebody else has gone on.

    :param reader: A word of its own for each reader; it gets a page that it has opened before once more.
    :param is_at_work: Tells of another reader, whose page is open, whether it may still commit it.
    :param check: As for :class:`Page`.
    """

    def __init__(
        self,
        stream: StoredStream,
        wish: Wish,
        reader: str,
        is_at_work: Callable[[str], bool],
        check: Callable[[], None],
    ) -> None:
        self.holder = ""
        """Whose page was open when :meth:`open` was called last."""
        self._stream = stream
        self._wish = wish
        self._reader = reader
        self._is_at_work = is_at_work
        self._check = check

    def open(self) -> Page | None:
        """Return the page that is open, or open the next; ``None`` if another reader is at work on it.

        Where nothing matches, the consumer is moved on, and the next span is looked at.

        :raises PageLost: Somebody else changed the record meanwhile.
        :raises GreenApiConfigError: The consumer is one that works chat by chat.
        """
        record = self._record()
        if record.reader == CHAT_BY_CHAT:
            raise GreenApiConfigError(
                f"The consumer '{printable(record.name, NAME)}' works through this store chat by chat; what "
                "reads it in pages is another one, and would pass its notifications by. Give this reader a "
                "consumer of its own."
            )
        if not record.page_end:
            return self._next(record)
        if record.reader != self._reader:
            self.holder = record.reader
            if self._is_at_work(record.reader):
                return None
            log.warning(
                "Took over the page from %d to %d of consumer '%s', which %s left open: what it holds may "
                "have been worked on before.",
                record.position + 1,
                record.page_end,
                printable(record.name, NAME),
                printable(record.reader, REASON),
            )
            record = self._save(record, reader=self._reader)
        entries = between(self._stream, record.position, record.page_end)
        has_more = bool(self._stream.read(record.page_end, 1))
        return Page(record, self._meant(entries), has_more, self._check)

    def commit(self, page: Page) -> None:
        """Move the consumer to the end of a page.

        :raises PageLost: Somebody else has taken it over.
        """
        if page.record.page_end:
            committed = self._save(page.record, position=page.record.page_end, page_end=0)
            send_lag(self._stream, self._wish.consumer, committed.position)

    def _next(self, record: Consumer) -> Page:
        while True:
            self._check()
            found = self._stream.read(record.position, self._wish.page_size + 1)
            has_more, span = len(found) > self._wish.page_size, found[: self._wish.page_size]
            meant = self._meant(span)
            if meant:
                record = self._save(record, page_end=span[-1][0], reader=self._reader)
                return Page(record, meant, has_more, self._check)
            if span:
                record = self._save(record, position=span[-1][0], reader=self._reader)
            if not has_more:
                return Page(record, (), False)

    def _meant(self, span: Iterable[tuple[int, Entry]]) -> list[Notification]:
        meant = (entry for _, entry in span if is_meant(self._wish.matching, entry))
        return [as_received(entry.notification, entry.note) for entry in meant]

    def _record(self) -> Consumer:
        """Return the consumer's record, after it was made if it is new."""
        name, start = self._wish.consumer, self._wish.start
        found = self._stream.consumer(name)
        if found is None:
            self._stream.save(Consumer(name, position_at(self._stream, start)))
            found = self._stream.consumer(name)
        if found is None:
            raise PageLost(0, 0, name, None)
        return found

    def _save(self, record: Consumer, **changes: int | str) -> Consumer:
        changed = replace(record, changed_at=datetime.now(UTC), **changes)  # type: ignore[arg-type]
        if not self._stream.save(changed):
            current = self._stream.consumer(record.name)
            raise PageLost(record.position, record.page_end or record.position, record.name, current)
        return replace(changed, version=changed.version + 1)
