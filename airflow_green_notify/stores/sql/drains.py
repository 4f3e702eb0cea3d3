"""The records of drains into a SQL store: a row for each drain and instance."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.stores.drain_record import KEPT_FOR, DrainRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.tables import StoreTables


class SqlDrains:
    """Written in one transaction for all instances of a drain, and cut back by another one."""

    def __init__(self, database: Database, tables: StoreTables) -> None:
        self._database = database
        self._table = tables.drains

    def add(self, records: Sequence[DrainRecord]) -> None:
        rows = [dataclasses.asdict(record) for record in records]

        def work(connection: Connection) -> None:
            connection.execute(self._table.insert(), rows)

        with suppress(IntegrityError):  # one that was repeated after its connection was lost has been there
            self._database.transaction(work)
        self.remove_before(max(record.ended_at for record in records) - KEPT_FOR)

    def since(self, moment: datetime) -> list[DrainRecord]:
        drains = self._table.c
        found = select(self._table).where(drains.ended_at >= moment)
        ordered = found.order_by(drains.ended_at, drains.conn_id, drains.id)
        return [DrainRecord(**row._asdict()) for row in self._database.rows(ordered)]

    def remove_before(self, moment: datetime) -> None:
        self._database.execute(self._table.delete().where(self._table.c.ended_at < moment))
