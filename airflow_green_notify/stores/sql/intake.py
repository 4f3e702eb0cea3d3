"""What comes into a table, noted for each chat in which a consumer has something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.files.names import digest
from airflow_green_notify.stores.dead_letter import is_dead_letter
from airflow_green_notify.stores.sql.tables import chat_id_of, column_id
from airflow_green_notify.stores.stream import CHAT_BY_CHAT, Consumer, Start, position_at

if TYPE_CHECKING:
    from sqlalchemy import Connection, Update

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.sql.stream import SqlStream

T = TypeVar("T")

_Span = dict[str, Any]
"""Of a chat (``c``) the first (``f``) and the last position (``l``) that are new."""

IsMeant = Callable[["Notification"], bool]
"""Judges whether a consumer is to handle a notification, each time alike."""

WITHOUT_CHAT = "~"
"""Begins what stands for all of an instance that belongs to no chat."""

_AT_ONCE = 500
"""Chats that are named in one statement."""


class Intake:
    """Reads a stream for a consumer, and notes for each chat the first and the last row that it is to handle.

    That, and up to where the stream was read, is one transaction. Any number may do it at once: they follow
    each other, since each begins with the version of the consumer that it knows.
    """

    def __init__(self, stream: SqlStream, consumer: str, is_meant: IsMeant) -> None:
        self._stream = stream
        self._consumer = consumer
        self._is_meant = is_meant
        self._chats = stream.tables.chats
        self._consumers = stream.tables.consumers

    def begin(self, start: Start) -> None:
        """Make the consumer known if it is new.

        :raises GreenApiConfigError: It is one that reads in pages.
        """
        known = self._stream.consumer(self._consumer)
        if known is None:
            position = position_at(self._stream, start)
            self._stream.save(Consumer(self._consumer, position, reader=CHAT_BY_CHAT))
            known = self._known()
        if known.reader != CHAT_BY_CHAT:
            raise GreenApiConfigError(
                f"The consumer {self._consumer!r} reads this store in pages; what works through it chat by "
                "chat is another one. Give this task a consumer of its own."
            )

    def take_in(self, limit: int) -> int:
        """Note what the next rows of the stream bring; return how many there were, 0 if none by now."""
        known = self._known()
        page = self._stream.read(known.position, limit)
        if page:
            waiting: dict[str, list[int]] = {}
            for position, entry in page:
                if is_to_handle(entry, self._is_meant):
                    waiting.setdefault(lane_of(entry.notification), []).append(position)
            spans: list[_Span] = [
                {"c": lane, "f": each[0], "l": each[-1]} for lane, each in sorted(waiting.items())
            ]
            note = partial(self._note, known, page[-1][0], spans)
            try:
                self._stream.database.transaction(note)
            except IntegrityError:  # a chat that was noted nowhere was just taken, for a replay
                self._stream.database.transaction(note)
        return len(page)

    def _known(self) -> Consumer:
        known = self._stream.consumer(self._consumer)
        if known is None:
            raise NotificationStoreError(
                f"The consumer {self._consumer!r} was removed while this task worked. A retry begins anew."
            )
        return known

    def _note(self, known: Consumer, position: int, spans: Sequence[_Span], connection: Connection) -> None:
        """Move the consumer on and note the spans, unless somebody else was faster."""
        consumers = self._consumers.c
        moved = {"position": position, "version": known.version + 1, "changed_at": datetime.now(UTC)}
        last = consumers.consumer == column_id(self._consumer), consumers.version == known.version
        if not connection.execute(self._consumers.update().where(*last).values(moved)).rowcount:
            return
        there = self._there([span["c"] for span in spans], connection)
        for some in _in_parts([span for span in spans if span["c"] in there]):
            connection.execute(self._later(), some)
        for some in _in_parts([span for span in spans if span["c"] not in there]):
            connection.execute(self._chats.insert(), [self._row(span) for span in some])

    def _there(self, lanes: Sequence[str], connection: Connection) -> set[str]:
        chats = self._chats.c
        own = select(chats.chat).where(chats.consumer == column_id(self._consumer))
        return {
            row.chat
            for some in _in_parts(lanes)
            for row in connection.execute(own.where(chats.chat.in_(some)))
        }

    def _later(self) -> Update:
        chats = self._chats.c
        own = self._chats.update().where(
            chats.consumer == column_id(self._consumer), chats.chat == bindparam("c")
        )
        return own.values(last=bindparam("l"), next=func.coalesce(chats.next, bindparam("f")))

    def _row(self, span: _Span) -> dict[str, Any]:
        return chat_row(self._consumer, span["c"]) | {"next": span["f"], "last": span["l"]}


def chat_row(consumer: str, chat: str) -> dict[str, Any]:
    """Return the row of a chat in which a consumer has nothing to do, and that is nobody's."""
    known = {"consumer": column_id(consumer), "chat": chat, "done": 0}
    return known | {"next": None, "last": 0, "attempts": 0, "owner": "", "expires_at": 0.0}


def lane_of(notification: Notification) -> str:
    """Return what stands for the queue in which a notification is handled: its chat, or else its instance."""
    instance = notification.instance_id
    chat = chat_id_of(instance, notification.chat_id)
    return chat or f"{WITHOUT_CHAT}{digest(str(instance))[1:]}"


def is_to_handle(entry: Entry, is_meant: IsMeant) -> bool:
    """Tell whether a consumer is to handle a row: a dead letter was handled, as far as that could be."""
    return not is_dead_letter(entry.notification, entry.note) and is_meant(entry.notification)


def _in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
