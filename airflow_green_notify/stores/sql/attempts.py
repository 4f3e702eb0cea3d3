"""The ledger of attempts in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal, select, true, union_all
from sqlalchemy.exc import DBAPIError, IntegrityError

if TYPE_CHECKING:
    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.tables import StoreTables
    from airflow_green_notify.stores.sql.tombstones import SqlTombstones


class SqlAttempts:
    """One row for each key: how many attempts there were, and whether it is finished.

    An erased key is finished, though it has no row any more.
    """

    def __init__(self, database: Database, tables: StoreTables, tombstones: SqlTombstones) -> None:
        self._database = database
        self._tombstones = tombstones
        self._table = tables.attempts

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
        finished = self._table.update().where(self._table.c.key == key).values(finished=True)
        if not self._database.execute(finished):
            self._database.insert(self._table, {"key": key, "attempts": 0, "finished": True})

    def forget_attempts(self, key: str) -> None:
        """Count attempts from 1 again."""
        self._database.execute(self._table.delete().where(self._table.c.key == key))

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
            return self._database.execute_once(same.values(attempts=before + 1)) > 0
        first = self._table.insert().values(key=key, attempts=1, finished=False)
        try:
            return self._database.execute_once(first) > 0
        except IntegrityError:
            return False
