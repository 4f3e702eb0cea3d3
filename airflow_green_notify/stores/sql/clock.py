"""The clock of a database, by which leases and ages are judged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, literal, literal_column

if TYPE_CHECKING:
    from airflow_green_notify.stores.sql.database import Database

_CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())",
    "mysql": "unix_timestamp(now(6))",
    "mariadb": "unix_timestamp(now(6))",
}
"""What each database calls the seconds since 1970; elsewhere the workers' clocks judge."""


def now(database: Database) -> ColumnElement[float]:
    """Return the seconds since 1970 when a statement runs."""
    clock = _CLOCKS.get(database.dialect)
    return literal(time.time()) if clock is None else literal_column(clock)
