"""The insert of many rows in one statement, in the words of each database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Dialect, String

from airflow_green_notify.stores.sql.tombstones import MARK, SALT, SqlTombstones

if TYPE_CHECKING:
    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.ledger import SqlBatches
    from airflow_green_notify.stores.sql.tables import StoreTables

Row = dict[str, Any]

_PLACEHOLDERS = {"qmark": "?", "format": "%s", "pyformat": "%s"}


class RowsAsUnion:
    """Rows as a table of their own, one ``SELECT`` and two dozen parameters for each."""

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect, mark: str) -> None:
        self._columns = [
            (column.name, column.type.dialect_impl(dialect).bind_processor(dialect)) for column in columns
        ]
        quoted = (dialect.identifier_preparer.quote(name) for name, _ in self._columns)
        self._first = f"SELECT {', '.join(f'{mark} AS {name}' for name in quoted)}"
        self._next = f" UNION ALL SELECT {', '.join(mark for _ in self._columns)}"

    def text(self, count: int) -> str:
        """Return the table of so many rows."""
        return f"({self._first}{self._next * (count - 1)}) AS v"

    def values(self, rows: Sequence[Row]) -> list[Any]:
        """Return the parameters."""
        return [
            process(row[name]) if process else row[name] for row in rows for name, process in self._columns
        ]


class RowsAsJson:
    """Rows as a table of their own, in one parameter; psycopg searches a text for each placeholder anew."""

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect, mark: str) -> None:
        quote = dialect.identifier_preparer.quote
        types = ", ".join(f"{quote(column.name)} {column.type.compile(dialect)}" for column in columns)
        self._text = f"json_to_recordset(CAST({mark} AS json)) AS v({types})"

    def text(self, count: int) -> str:
        """Return the table, whatever the number of rows."""
        return self._text

    def values(self, rows: Sequence[Row]) -> list[Any]:
        """Return the parameter."""
        return [json.dumps(rows, ensure_ascii=False, default=datetime.isoformat)]


_SOURCES: dict[str, type[RowsAsUnion] | type[RowsAsJson]] = {
    "sqlite": RowsAsUnion,
    "postgresql": RowsAsJson,
    "mysql": RowsAsUnion,
    "mariadb": RowsAsUnion,
}
_ENDS = {
    "sqlite": " ON CONFLICT (key) DO NOTHING",
    "postgresql": " FOR SHARE OF b ON CONFLICT (key) DO NOTHING",
    "mysql": " LOCK IN SHARE MODE",
    "mariadb": " LOCK IN SHARE MODE",
}
_MOST_ROWS = {"sqlite": 45}
"""SQLite took no more than 999 parameters before 3.32."""


class GroupInsert:
    """Inserts many rows but erased ones, and none once the batch is another try's.

    See :meth:`SqlBatches.guarded_insert`.

    It is text in the driver's own style: SQLAlchemy spends more on the parameters than all others together.

    MySQL has no words for "unless this key is there": ``INSERT IGNORE`` cuts values that don't fit, and
    ``ON DUPLICATE KEY`` hides whatever else is unique. There, a key that is there fails the whole statement.
    """

    def __init__(
        self, database: Database, tables: StoreTables, batches: SqlBatches, tombstones: SqlTombstones
    ) -> None:
        self._database = database
        self.most_rows = 1
        """Rows of one statement; 1 where the database is none of those whose words are known."""
        dialect = database.driver
        mark = _PLACEHOLDERS.get(dialect.paramstyle)
        if dialect.name not in _SOURCES or mark is None:
            return
        self.most_rows = _MOST_ROWS.get(dialect.name, 200)
        quote, table = dialect.identifier_preparer.quote, dialect.identifier_preparer.format_table
        rows = tables.notifications
        columns = [*(rows.c[name] for name in tables.stored), Column(MARK, String(32))]
        names = ", ".join(map(quote, tables.stored))
        values = ", ".join(f"v.{quote(name)}" for name in tables.stored)
        marks, name = table(tombstones.table), quote("mark")
        mine = " AND ".join(f"b.{quote(name)} = {mark}" for name in batches.own)
        self._source = _SOURCES[dialect.name](columns, dialect, mark)
        self._before = f"INSERT INTO {table(rows)} ({names}) SELECT {values} FROM "
        end = _ENDS[dialect.name]
        erased = f"SELECT 1 FROM {marks} AS t WHERE t.{name} = v.{quote(MARK)}"
        locked = f"{table(batches.table)} AS b"
        if tombstones.locks_the_salt:
            erased += f" AND s.{name} = '{SALT}'{end}"
            locked += f" JOIN {marks} AS s ON s.{name} = '{SALT}'"
        self._behind = f", {locked} WHERE {mine} AND NOT EXISTS ({erased}){end}"
        self._guard = (*batches.own.values(),)

    def execute(self, rows: Sequence[Row]) -> int:
        """Insert rows and return how many were inserted.

        :param rows: In the order of their keys: then two writers wait for each other, and not in a circle.
        :raises IntegrityError: On MySQL, also if a key is there.
        """
        text = f"{self._before}{self._source.text(len(rows))}{self._behind}"
        return self._database.execute_text(text, (*self._source.values(rows), *self._guard))
