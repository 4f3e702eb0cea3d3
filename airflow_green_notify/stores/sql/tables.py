"""The tables of a SQL store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeDecorator, TypeEngine

from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.files.names import digest
from airflow_green_notify.portable_json import storable
from airflow_green_notify.stores.names import checked_table
from airflow_green_notify.stores.row import ROW_COLUMNS, TIME_COLUMNS

_ID_LENGTH = 255
_MYSQL = ("mysql", "mariadb")
_ON_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""Emoji need the one; ids that differ in case only need the other."""


class UtcDateTime(TypeDecorator):  # type: ignore[type-arg]  # SQLAlchemy 1.4, which Airflow 3.1 allows, takes none
    """An aware time, kept in UTC also where the database has no time zones."""

    impl = DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *_MYSQL)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StoreTables:
    """The table of notifications and, beside it, the ledgers of attempts, leases and batches.

    :param table: Name, with the schema in front if it is not the default one: ``schema.table``.
    :raises GreenApiConfigError: It is none.
    """

    def __init__(self, table: str) -> None:
        try:
            schema, _, name = checked_table(table).rpartition(".")
        except ValueError as error:
            raise GreenApiConfigError(str(error)) from None
        metadata = MetaData(schema=schema or None)
        self.name = table
        self.notifications = Table(
            name, metadata, *map(_column, ROW_COLUMNS), Column("sequence", BigInteger), **_ON_MYSQL
        )
        self.attempts = Table(
            f"{name}_attempts",
            metadata,
            Column("key", String(32), primary_key=True),
            Column("attempts", Integer, nullable=False),
            Column("finished", Boolean, nullable=False),
            **_ON_MYSQL,
        )
        self.leases = Table(
            f"{name}_leases",
            metadata,
            Column("queue", String(_ID_LENGTH), primary_key=True),
            Column("owner", _long_text(), nullable=False),
            Column("expires_at", Float(53), nullable=False),
            **_ON_MYSQL,
        )
        self.batches = Table(
            f"{name}_batches",
            metadata,
            Column("batch_id", String(_ID_LENGTH), primary_key=True),
            Column("task", String(_ID_LENGTH), nullable=False, index=True),
            Column("name", _long_text(), nullable=False),
            Column("queue", _long_text(), nullable=False),
            Column("owner", String(32), nullable=False),
            Column("state", String(16), nullable=False),
            Column("adopted_by", _long_text(), nullable=False),
            Column("adopted", Integer, nullable=False),
            **_ON_MYSQL,
        )

    def create(self, engine: Engine) -> None:
        """Create what is missing, and refuse a table that isn't this store's."""
        for table in (self.notifications, self.attempts, self.leases, self.batches):
            if not _exists(engine, table):
                _create(engine, table)
        self._check(engine)

    def _check(self, engine: Engine) -> None:
        table = self.notifications
        inspector = inspect(engine)
        found = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
        missing = [column.name for column in table.columns if column.name not in found]
        unique = inspector.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"] == [
            "key"
        ]
        if missing or not unique:
            raise NotificationStoreError(
                f"The table {self.name} is there, but it is not a store of notifications: "
                + (f"it lacks {', '.join(missing)}. " if missing else "its primary key is not key. ")
                + "Name another table, or alter or drop this one."
            )


def column_id(batch_id: str) -> str:
    """Return a batch id as it stands in the table: one that doesn't fit is cut, and ends in a hash."""
    text = storable(batch_id)
    if text == batch_id and len(text) <= _ID_LENGTH:
        return text
    return f"{text[: _ID_LENGTH - 33]}~{digest(batch_id)}"


def _column(name: str) -> Column[Any]:
    if name == "key":
        return Column(name, String(32), primary_key=True)
    if name == "batch_id":
        return Column(name, String(_ID_LENGTH), nullable=False, index=True)
    if name in TIME_COLUMNS:
        return Column(name, UtcDateTime())
    return Column(name, _long_text(), nullable=name != "body")


def _long_text() -> TypeEngine[str]:
    return Text().with_variant(mysql.LONGTEXT(), *_MYSQL)


def _exists(engine: Engine, table: Table) -> bool:
    return inspect(engine).has_table(table.name, schema=table.schema)


def _create(engine: Engine, table: Table) -> None:
    try:
        table.create(engine)
    except SQLAlchemyError:
        if not _exists(engine, table):  # else another drain was faster
            raise
