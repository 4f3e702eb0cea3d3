"""Databases that Airflow and its tasks write to, SQLite or PostgreSQL, for the tests to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, NullPool, create_engine, inspect, select, table, text

MakeDatabase = Callable[[str], "Database"]
"""Makes an empty database of this name."""


class Database:
    """A database that others write to.

    :param connection: Its Airflow connection, as JSON.
    """

    def __init__(self, connection: str) -> None:
        self.connection = connection
        login = json.loads(connection)
        if login["conn_type"] == "sqlite":
            self.url = f"sqlite:///{login['host']}"
            patience = {"timeout": 30}
        else:
            self.url = _postgres_url(login)
            patience = {"connect_timeout": 30}
        self._engine = create_engine(self.url, poolclass=NullPool, connect_args=patience)

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT; its parameters are written ``:name``."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), parameters)]

    def column(self, of: str, name: str) -> list[Any]:
        """Return a column of a table; nothing if nobody has made that table yet."""
        if not inspect(self._engine).has_table(of):
            return []
        return [value for (value,) in self.query(f"SELECT {name} FROM {of}")]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield each value of each table as text, with the table's name."""
        names = inspect(self._engine).get_table_names()
        with self._engine.connect() as connection:
            for name in names:
                for row in connection.execute(select(text("*")).select_from(table(name))):
                    yield from ((name, _as_text(value)) for value in row if value is not None)

    def execute(self, sql: str) -> None:
        """Run one statement outside of any transaction, as CREATE DATABASE wants it."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(sql))


def in_files(folder: Path) -> MakeDatabase:
    """Make databases that are SQLite files."""
    return lambda name: Database(json.dumps({"conn_type": "sqlite", "host": str(folder / f"{name}.db")}))


def on_server(connection: str) -> MakeDatabase:
    """Make databases on the PostgreSQL server to which this Airflow connection leads."""

    def make(name: str) -> Database:
        Database(connection).execute(f'CREATE DATABASE "{name}"')
        return Database(json.dumps(json.loads(connection) | {"schema": name}))

    return make


def _postgres_url(login: dict[str, Any]) -> str:
    url = URL.create(
        "postgresql+psycopg2",
        username=login["login"],
        password=login["password"],
        host=login["host"],
        port=login["port"],
        database=login["schema"],
    )
    return url.render_as_string(hide_password=False)


def _as_text(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
