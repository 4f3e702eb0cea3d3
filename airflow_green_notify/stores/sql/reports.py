"""The reports of watchers and examinations in a SQL store: a row for each, in a table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, MetaData, String, Table, bindparam, or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from airflow_green_notify.json_text import from_text, to_text
from airflow_green_notify.stores.drain_record import KEPT_FOR
from airflow_green_notify.stores.report import AHEAD, Report, in_order
from airflow_green_notify.stores.sql.errors import is_deadlock
from airflow_green_notify.stores.sql.tables import ID_LENGTH, ON_MYSQL, UtcDateTime, long_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.tables import StoreTables

_AT_ONCE = 300
"""Rows that one query names: SQLite took no more than 999 parameters before 3.32."""

_TRIES = 5
"""How often a transaction is tried in which others have inserted the same rows."""


class SqlReports:
    """Written in one transaction; the table is made by the first report, since drains need none."""

    def __init__(self, database: Database, tables: StoreTables) -> None:
        self._database = database
        self._table = _table(tables.notifications)

    def add(self, reports: Sequence[Report]) -> None:
        rows = sorted(map(_row, reports), key=lambda row: str(row["id"]))  # all in one order: no deadlocks

        def work(connection: Connection) -> None:
            for start in range(0, len(rows), _AT_ONCE):
                self._write(connection, rows[start : start + _AT_ONCE])
            outdated = self._table.c.at < datetime.now(UTC) - KEPT_FOR
            connection.execute(self._table.delete().where(outdated))

        self._database.make(self._table)
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._database.transaction(work)
            except DBAPIError as error:
                if not (tries_left and (isinstance(error, IntegrityError) or is_deadlock(error))):
                    raise

    def all(self) -> list[Report]:
        if not self._database.there_is(self._table):
            return []
        found = []
        for row in self._database.rows(select(self._table)):
            with suppress(ValueError):
                found.append(_report(row._asdict()))
        return in_order(found)

    def remove_before(self, moment: datetime) -> None:
        if self._database.there_is(self._table):
            self._database.execute(self._table.delete().where(self._table.c.at < moment))

    def _write(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Update the rows that are there, unless they are newer, and insert the others."""
        reports = self._table.c
        wanted = select(reports.id).where(reports.id.in_([row["id"] for row in rows]))
        there = {found.id for found in connection.execute(wanted)}
        if known := [row | {"of": row["id"], "until": row["at"]} for row in rows if row["id"] in there]:
            older = or_(reports.at <= bindparam("until"), reports.at > datetime.now(UTC) + AHEAD)
            connection.execute(self._table.update().where(reports.id == bindparam("of"), older), known)
        if new := [row for row in rows if row["id"] not in there]:
            connection.execute(self._table.insert(), new)


def _table(notifications: Table) -> Table:
    """Return the table beside that of notifications, in none of its metadata: a drain doesn't create it."""
    return Table(
        f"{notifications.name}_reports",
        MetaData(schema=notifications.schema),
        Column("id", String(32), primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("name", String(ID_LENGTH), nullable=False),
        Column("conn_id", String(ID_LENGTH), nullable=False),
        Column("instance_id", String(ID_LENGTH), nullable=False),
        Column("at", UtcDateTime(), nullable=False, index=True),
        Column("body", long_text(), nullable=False),
        **ON_MYSQL,
    )


def _row(report: Report) -> dict[str, Any]:
    return {
        "id": report.id,
        "kind": report.kind,
        "name": report.name,
        "conn_id": report.conn_id,
        "instance_id": report.instance_id,
        "at": report.at,
        "body": to_text(report.body),
    }


def _report(values: dict[str, Any]) -> Report:
    return Report.from_dict(values | {"at": values["at"].isoformat(), "body": from_text(values["body"])})
