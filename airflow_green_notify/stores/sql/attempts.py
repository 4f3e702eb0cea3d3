"""The ledger of attempts in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, literal, select, true, union_all
from sqlalchemy.exc import DBAPIError, IntegrityError

from airflow_green_notify.stores.drain_record import KEPT_FOR
from airflow_green_notify.stores.sql.clock import now

if TYPE_CHECKING:
    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.tables import StoreTables
    from airflow_green_notify.stores.sql.tombstones import SqlTombstones


_AT_ONCE = 5000
"""Rows that are removed in one transaction."""


class SqlAttempts:
    """One row for each key: how many attempts there were, whether it is finished, and when that was noted.

    An erased key is finished, though it has no row any more.
    """

    def __init__(self, database: Database, tables: StoreTables, tombstones: SqlTombstones) -> None:
        self._database = database
        self._tombstones = tombstones
        self._table = tables.attempts
        self._replays = tables.replays

    def begin_attempt(self, key: str) -> int:
        """Count an attempt; 0 if the key is finished.

        The count is set, not added to. If the connection is lost in that, a look tells whether it was set:
        nobody else counts, since a queue has one reader.
        """
        while True:
            count, finished = self._counted(key)
            if finished:
                return 0
            try:
                if self._set_count(key, count):
                    return count + 1
            except DBAPIError as error:
                if not error.connection_invalidated or self._counted(key)[0] != count + 1:
                    raise
                return count + 1

    def finish(self, key: str) -> None:
        """Let no attempt begin any more."""
        finished = {"finished": True, "at": now(self._database)}
        if not self._database.execute(self._table.update().where(self._table.c.key == key).values(finished)):
            self._database.insert(self._table, {"key": key, "attempts": 0} | finished)

    def forget_attempts(self, key: str) -> None:
        """Count attempts from 1 again."""
        self._database.execute(self._table.delete().where(self._table.c.key == key))

    def forget_old(self) -> None:
        """Remove what was noted longer than :data:`KEPT_FOR` ago, by the clock of the database."""
        noted = self._table.c
        ((moment,),) = self._database.rows(select(now(self._database)))  # as a value, an index serves it
        waits = exists().where(self._replays.c.key == noted.key)
        old = and_(noted.at < float(moment) - KEPT_FOR.total_seconds(), ~waits)
        page = select(noted.at).where(old).order_by(noted.at).offset(_AT_ONCE - 1).limit(1)
        while last := self._database.rows(page):
            self._database.execute(self._table.delete().where(old, noted.at <= last[0].at))
        self._database.execute(self._table.delete().where(old))

    def _counted(self, key: str) -> tuple[int, bool]:
        """Return how many attempts were counted, and whether the key is finished."""
        attempts, erased = self._table.c, self._tombstones.table.c
        counted = select(attempts.attempts, attempts.finished).where(attempts.key == key)
        is_erased = select(literal(0), true()).where(erased.mark == self._tombstones.mark_of(key))
        found = self._database.rows(union_all(counted, is_erased))
        return max(map(tuple, found), key=lambda row: row[1], default=(0, False))

    def _set_count(self, key: str, before: int) -> bool:
        """Count one more, unless another consumer was faster."""
        attempts = self._table.c
        if before:
            same = self._table.update().where(attempts.key == key, attempts.attempts == before)
            counted = same.values(attempts=before + 1, at=now(self._database))
            return self._database.execute_once(counted) > 0
        first = self._table.insert().values(key=key, attempts=1, finished=False, at=now(self._database))
        try:
            return self._database.execute_once(first) > 0
        except IntegrityError:
            return False
