"""A database behind a connection: what a process that stands still does to others."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import Connection

from airflow_green_notify.stores.sql import database
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.tables import StoreTables


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_transaction_that_stands_still_lets_go_of_its_locks(
    make_store: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on after a while, and it is done anew when its process wakes."""
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION", 1)
    tables = StoreTables(make_store(kind).table)
    sleeper = Database("store")
    sleeper.create(tables)
    attempts = tables.attempts
    sleeper.insert(attempts, {"key": "k", "attempts": 0, "finished": False, "at": 0.0})
    other = sleeper.beside()
    counted = attempts.update().values(attempts=attempts.c.attempts + 1)
    tries: list[float] = []

    def work(connection: Connection) -> None:
        tries.append(time.monotonic())
        connection.execute(counted)
        if len(tries) == 1:
            other.execute(counted)  # waits for the lock, as this stands still
            connection.execute(counted)

    sleeper.transaction(work)
    assert [row.attempts for row in sleeper.rows(attempts.select())] == [2]
    assert len(tries) == 2
    other.close()
    sleeper.close()
