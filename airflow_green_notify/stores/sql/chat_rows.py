"""The rows of a chat: which they are, and the last messages among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select

from airflow_green_notify.message import MESSAGE_TYPES
from airflow_green_notify.stores.row import from_row
from airflow_green_notify.stores.sql.intake import WITHOUT_CHAT, is_to_handle

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.sql.database import Database

END = 2**62
"""A position behind all that there are."""


_FIRST_PAGE, _LARGEST_PAGE = 2, 256
"""Rows of a chat that are read to find the next one: with no filter it is the first."""


class ChatRows:
    """The rows of each chat. Each method but :meth:`history` is for the thread of the database."""

    def __init__(self, database: Database, rows: Table) -> None:
        self._database = database
        self._histories = database.beside()
        self._rows = rows

    def _are_of(self, chat: str) -> ColumnElement[bool]:
        """Return the condition for the rows of a chat, or for all that belong to none."""
        column = self._rows.c.chat
        return column.is_(None) if chat.startswith(WITHOUT_CHAT) else column == chat

    def position_of(self, notification: Notification) -> int:
        """Return the position of a notification in the table, or :data:`END` if it isn't there."""
        found = select(self._rows.c.position).where(self._rows.c.key == notification.key)
        return next((row.position for row in self._database.rows(found) if row.position), END)

    def behind(self, chat: str, after: int, last: int) -> Iterator[tuple[int, Entry]]:
        """Yield the rows of a chat behind a position, up to the last that is of interest."""
        rows, size = self._rows.c, _FIRST_PAGE
        found = select(self._rows).where(self._are_of(chat), rows.position <= last).order_by(rows.position)
        while after < last:
            page = self._database.rows(found.where(rows.position > after).limit(size))
            for row in page:
                yield row.position, from_row(row._asdict())
            if len(page) < size:
                return
            after, size = page[-1].position, min(size * 2, _LARGEST_PAGE)

    def history(self, chat: str, position: int, count: int) -> list[Notification]:
        """Return the last messages of a chat up to a position, oldest first. Any thread may ask."""
        found: list[Notification] = []
        before = position + 1
        while not chat.startswith(WITHOUT_CHAT) and len(found) < count:
            page = self._histories.rows(self._messages(chat, before, count))
            entries = (from_row(row._asdict()) for row in page)
            found += [each.notification for each in entries if is_to_handle(each, lambda _: True)]
            if len(page) < count:
                break
            before = page[-1].position
        return found[:count][::-1]

    def close(self) -> None:
        """Let go of the connection for histories."""
        self._histories.close()

    def _messages(self, chat: str, before: int, count: int) -> Select[Any]:
        rows = self._rows.c
        found = select(self._rows).where(self._are_of(chat), rows.position < before)
        messages = found.where(rows.type_webhook.in_([*MESSAGE_TYPES]))
        return messages.order_by(rows.position.desc()).limit(count)
