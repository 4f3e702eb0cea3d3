"""Erases rows of a table, in pages, and leaves tombstones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import OperationalError

from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.row import from_row
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.drains import SqlDrains
from airflow_green_notify.stores.sql.errors import is_lock_timeout
from airflow_green_notify.stores.sql.ledger import remove_empty_batches
from airflow_green_notify.stores.sql.reports import SqlReports
from airflow_green_notify.stores.sql.stream import SqlStream
from airflow_green_notify.stores.sql.tables import StoreTables
from airflow_green_notify.stores.sql.tombstones import SqlTombstones
from airflow_green_notify.stores.tombstones import tombstones_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.erasing import Wanted
    from airflow_green_notify.stores.sql.ledger import TranslateErrors

_AT_ONCE = 300
"""Rows that are erased in one transaction: SQLite took no more than 999 parameters before 3.32."""

_TRIES, _PAUSE = 20, 3.0
"""How often a lock is asked for that somebody keeps, and seconds in between, in which others go on."""

_LOOKED_THROUGH = 2000
"""Rows that one query looks through for words."""

_MOST_WORDS = 50
"""More words than this are not looked for by the database."""


class SqlEraser:
    """Looks through a table in the order of its positions, or of the times, and erases rows.

    A page of rows, their attempts, marks for a replay, and the tombstones in their place is one transaction.
    The positions of other rows stay.

    :raises NotificationStoreError: There is no such table, or it can't be reached.
    :raises GreenApiConfigError: The database is one without streams.
    """

    def __init__(self, conn_id: str, table: str, translate_errors: TranslateErrors) -> None:
        self._translate_errors = translate_errors
        self._tables = tables = StoreTables(table)
        with translate_errors():
            _check_that_it_is_there(conn_id, tables)
        self._stream = SqlStream(conn_id, table, translate_errors)
        self._database = self._stream.database
        self._rows = tables.notifications
        self._attempts = tables.attempts
        self._replays = tables.replays
        self._tombstones = SqlTombstones(self._database, tables)
        self._drains = SqlDrains(self._database, tables)
        self._reports = SqlReports(self._database, tables)

    def find(self, wanted: Wanted) -> Iterator[Sequence[Entry]]:
        with self._translate_errors():
            for page in self._along_positions(wanted) if wanted.words else self._along_times(wanted):
                entries = [from_row(row._asdict()) for row in page]
                if found := [entry for entry in entries if wanted.is_meant(entry)]:
                    yield found

    def erase(self, wanted: Wanted, first: Callable[[Sequence[Entry]], object]) -> int:
        with self._translate_errors():
            count = 0
            for page in self.find(wanted):
                first(page)
                for start in range(0, len(page), _AT_ONCE):
                    self._erase(page[start : start + _AT_ONCE])
                count += len(page)
        return count

    def remove_drains(self, before: datetime) -> None:
        with self._translate_errors():
            self._drains.remove_before(before)

    def remove_reports(self, before: datetime) -> None:
        with self._translate_errors():
            self._reports.remove_before(before)

    def remove_batches(self, before: datetime) -> None:
        with self._translate_errors():
            remove_empty_batches(self._database, self._tables, before)

    def close(self) -> None:
        self._stream.close()

    def _erase(self, entries: Sequence[Entry]) -> None:
        salt = self._tombstones.salt
        tombstones = {each for entry in entries for each in tombstones_of(entry, salt)}
        keys = [entry.notification.key for entry in entries]
        attempted = [as_received(entry.notification, entry.note).key for entry in entries]

        def work(connection: Connection) -> None:
            if self._database.dialect == "sqlite":
                # Else what was erased stands in the file until its place is needed.
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            self._tombstones.lock(connection)
            self._tombstones.add(connection, tombstones)
            connection.execute(self._attempts.delete().where(self._attempts.c.key.in_(attempted)))
            connection.execute(self._replays.delete().where(self._replays.c.key.in_(keys)))
            connection.execute(self._rows.delete().where(self._rows.c.key.in_(keys)))

        for tries_left in reversed(range(_TRIES)):
            try:
                return self._database.transaction(work)
            except OperationalError as error:
                if not (is_lock_timeout(error) and tries_left):
                    raise
                time.sleep(_PAUSE)

    def _along_positions(self, wanted: Wanted) -> Iterator[Sequence[Row[Any]]]:
        """Yield the rows with one of the words, also of what comes in meanwhile."""
        position, after = self._rows.c.position, 0
        found = self._fitting(wanted).order_by(position)
        while after < (end := self._stream.end()):
            for start in range(after, end, _LOOKED_THROUGH):
                within = (position > start, position <= min(end, start + _LOOKED_THROUGH))
                yield self._database.rows(found.where(*within))
            after = end

    def _along_times(self, wanted: Wanted) -> Iterator[Sequence[Row[Any]]]:
        """Yield the rows from the oldest on."""
        received, key = self._rows.c.received_at, self._rows.c.key
        found = self._fitting(wanted).order_by(received, key).limit(_AT_ONCE)
        page = self._database.rows(found)
        while page:
            yield page
            last = page[-1]
            behind = or_(received > last.received_at, and_(received == last.received_at, key > last.key))
            page = self._database.rows(found.where(received >= last.received_at, behind))

    def _fitting(self, wanted: Wanted) -> Select[Any]:
        found = select(self._rows)
        if wanted.before is not None:
            found = found.where(self._rows.c.received_at < wanted.before)
        if 0 < len(wanted.words) <= _MOST_WORDS:
            body = self._rows.c.body
            found = found.where(or_(*(body.contains(word, autoescape=True) for word in wanted.words)))
        return found


def _check_that_it_is_there(conn_id: str, tables: StoreTables) -> None:
    database = Database(conn_id)
    try:
        database.rows(select(tables.notifications.c.key).limit(1))
    finally:
        database.close()
