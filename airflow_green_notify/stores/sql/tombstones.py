"""The tombstones of a table: one row for each erased key, which every put looks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, bindparam, exists, select

from airflow_green_notify.stores.tombstones import Tombstone, mark_of, new_salt

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.tables import StoreTables

SALT = ""
"""The mark of the row that keeps the salt."""

_LOCK_TIMEOUT = 2000
"""Milliseconds; longer than a server takes to call off a VACUUM of its own for somebody who waits."""

MARK = "tombstone"
"""What the mark is called among the values of a put."""


class SqlTombstones:
    """The marks of erased keys, and the salt they are made with, which stays the same for ever."""

    def __init__(self, database: Database, tables: StoreTables) -> None:
        self._database = database
        self.table = tables.tombstones
        self._rows = tables.notifications
        self._salt_row = self.table.alias("s")

    @cached_property
    def salt(self) -> str:
        """The store's salt; whoever needs it first makes it."""
        found = select(self.table.c.salt).where(self.table.c.mark == SALT)
        if not self._database.rows(found):
            self._database.insert(self.table, _row(SALT, salt=new_salt()))
        return str(self._database.rows(found)[0].salt)

    def mark_of(self, key: str) -> str:
        """Return what would stand for a key."""
        return mark_of(key, self.salt)

    def among(self, marks: Collection[str]) -> set[str]:
        """Return those of the marks that are there."""
        found = select(self.table.c.mark).where(self.table.c.mark.in_([*marks]))
        return {row.mark for row in self._database.rows(found)}

    def of_backfills(self, since: datetime) -> set[str]:
        """Return the marks of what backfills had stored since then."""
        found = select(self.table.c.mark).where(self.table.c.backfilled_at >= since)
        return {row.mark for row in self._database.rows(found)}

    def lacks(self, mark: str) -> ColumnElement[bool]:
        """Return the condition that a mark, given as a parameter of this name, is not there."""
        marks = self.table.c
        found = select(marks.mark).where(marks.mark == bindparam(mark, type_=marks.mark.type))
        if self.locks_the_salt:
            # It names the salt, so that the salt is locked before anything is looked for.
            found = found.where(self._salt_row.c.mark == SALT).correlate(self._salt_row)
            found = found.with_for_update(read=True)
        return ~exists(found)

    def beside(self, table: Table) -> FromClause:
        """Return what a put is to lock beside its batch's row in a table."""
        salt = self._salt_row
        return table.join(salt, salt.c.mark == SALT) if self.locks_the_salt else table

    def add(self, connection: Connection, tombstones: Iterable[Tombstone]) -> None:
        """Insert what isn't there, in a transaction that has the :meth:`lock`."""
        wanted = dict(tombstones)
        known = select(self.table.c.mark).where(self.table.c.mark.in_([*wanted]))
        there = {row.mark for row in connection.execute(known)}
        rows = [_row(mark, backfilled_at=wanted[mark]) for mark in sorted({*wanted} - there)]
        if rows:
            connection.execute(self.table.insert(), rows)

    @property
    def locks_the_salt(self) -> bool:
        """Whether a put has to lock the salt's row, so that nothing is erased meanwhile."""
        return self._database.dialect in ("mysql", "mariadb")

    def lock(self, connection: Connection) -> None:
        """Keep others from putting and erasing until the transaction ends, and wait for those who are at it.

        A put that looks for its mark before that is there, and inserts its row after the old one went, would
        bring back what is being erased. On PostgreSQL a put takes its lock on the table before it looks, and
        holds it until its row is there; who reads, or dumps, is not kept from it. On MySQL a put takes one on
        the salt's row. SQLite has one writer.

        :raises OperationalError: On PostgreSQL, if somebody keeps the lock, such as a ``VACUUM`` begun
            by hand: puts queue behind who waits, so it waits but a moment.
        """
        if connection.dialect.name == "postgresql":
            name = connection.dialect.identifier_preparer.format_table(self._rows)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}")
            connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")
        elif self.locks_the_salt:
            salt = select(self.table.c.mark).where(self.table.c.mark == SALT).with_for_update()
            connection.execute(salt)


def _row(mark: str, salt: str | None = None, backfilled_at: datetime | None = None) -> dict[str, Any]:
    return {"mark": mark, "salt": salt, "backfilled_at": backfilled_at, "erased_at": datetime.now(UTC)}
