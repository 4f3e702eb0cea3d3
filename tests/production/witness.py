"""Tables beside the store in which a run notes what became of each notification.

``python -m tests.production.witness`` makes the store's table and these, in the warehouse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import closing
from typing import Any

WAREHOUSE = "green_api_warehouse"
STORE = "notifications"
CHAT = "12025550177@c.us"
QUESTION = "Shall the order go out? Reply with yes or no."
NOTED = ("handed_on", "read_in_pages", "handled")
"""What tasks note: what a drain handed on, what a page brought, what a handler got."""

NOTES = "CREATE TABLE {} (key text NOT NULL, at timestamptz NOT NULL DEFAULT now());"
TABLES = f"""
CREATE TABLE arrivals (key text NOT NULL);
CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO arrivals VALUES (NEW.key); RETURN NEW; END';
CREATE TRIGGER arrive AFTER INSERT ON {STORE} FOR EACH ROW EXECUTE FUNCTION arrive();
{"".join(NOTES.format(name) for name in NOTED)}
"""
"""A row of ``arrivals`` is committed with the row of the store that it tells of, and never changed."""


def note(table: str, keys: Iterable[str]) -> None:
    """Note in one transaction that this became of these notifications."""
    with closing(_connect()) as connection, connection, connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} (key) VALUES (%s)", [(key,) for key in keys])


def _connect() -> Any:
    import psycopg2

    login = json.loads(os.environ[f"AIRFLOW_CONN_{WAREHOUSE.upper()}"])
    return psycopg2.connect(
        host=login["host"],
        port=login["port"],
        user=login["login"],
        dbname=login["schema"],
        connect_timeout=10,
    )


def prepare() -> None:
    """Make the tables."""
    from airflow_green_notify.stores import SqlStore

    with SqlStore(WAREHOUSE, table=STORE).open("before all drains"):
        pass
    with closing(_connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(TABLES)


if __name__ == "__main__":
    prepare()
