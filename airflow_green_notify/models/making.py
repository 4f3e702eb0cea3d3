"""Makes the views, and the indexes by which they find a day, a chat, a message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, func, inspect, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateIndex

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.files.names import digest
from airflow_green_notify.models import conversations, days, messages, people
from airflow_green_notify.models.rows import COMPUTED, Row, Source
from airflow_green_notify.models.words import Sql, Words
from airflow_green_notify.stores.sql.database import Database, translate_errors
from airflow_green_notify.stores.sql.tables import StoreTables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from airflow_green_notify.stores import SqlStore

VIEWS = {
    view.__name__: view
    for view in (
        messages.messages,
        messages.message_statuses,
        messages.reactions,
        messages.polls,
        conversations.conversations,
        conversations.response_times,
        people.contacts,
        people.chats,
        days.instance_daily,
        days.messages_per_hour,
        days.instance_states,
        days.calls,
    )
}
DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
_MARK = "made by airflow_green_notify"
_YEAR = 366 * 86_400
_PAUSE = 0.5
"""Seconds between two looks at whether another task has done with the same views."""


def create_models(store: SqlStore, silence: float = 86_400) -> list[str]:
    """Create the views over the table of a store, or renew them, and return their names.

    Views hold no data: what comes in later is in them at once, and what is erased is gone. Twice does no
    harm, nor do two tasks at once, and drains go on. The first time takes some seconds for each million rows,
    for the indexes, which cost each later put a little.

    :param store: Its table is created if it is missing.
    :param silence: Seconds after which a chat's next message begins another conversation.
    :raises GreenApiConfigError: The database is none of those for which there are views, a view's name is
        taken by something that this didn't make, or ``silence`` is below a second or above a year.
    :raises NotificationStoreError: The database can't be reached, or refuses.
    """
    if not 1 <= silence <= _YEAR:
        raise GreenApiConfigError(f"silence is {silence!r}; it must be 1 to {_YEAR} seconds.")
    with translate_errors(f"The models of {store.table} of connection {store.conn_id!r}"):
        database = Database(store.conn_id)
        with closing(database):
            return _Models(database, store.table, round(silence)).create()


class _Models:
    def __init__(self, database: Database, table: str, silence: int) -> None:
        if database.dialect not in DIALECTS:
            raise GreenApiConfigError(
                f"Models are for SQLite, PostgreSQL, MySQL and MariaDB; this is {database.dialect}."
            )
        self._database = database
        self._silence = silence
        self._source = Source(table, Words(database.dialect))
        self._name = self._source.table.name
        self._schema = self._source.table.schema
        self._words = self._source.words
        self._quote = database.driver.identifier_preparer.quote

    def create(self) -> list[str]:
        self._database.create(StoreTables(self._source.name))
        with self._alone():
            self._create_indexes()
            return self._database.transaction(self._create_views)

    # --- views ---

    def _create_views(self, connection: Connection) -> list[str]:
        for name, view in VIEWS.items():
            self._create_view(connection, f"{self._name}__{name}", view(self._source, self._silence))
        return [self._full(f"{self._name}__{name}") for name in VIEWS]

    def _create_view(self, connection: Connection, name: str, query: Sql) -> None:
        mark = f"{_MARK} {digest(self._text(query))[:16]}"
        if mark in self._definition(connection, name):  # to replace it would wait for those who read it
            return
        view = f"VIEW {self._full(name)} AS {self._text(query.where(literal(mark) == literal(mark)))}"
        run = connection.exec_driver_sql
        if self._words.is_sqlite:
            run(f"DROP VIEW IF EXISTS {self._full(name)}")
            run(f"CREATE {view}")
        elif self._words.is_mysql:
            run(f"CREATE OR REPLACE {view}")
        else:
            run("SAVEPOINT renewing")
            try:
                run(f"CREATE OR REPLACE {view}")
            except DBAPIError:  # it takes further columns, but none away
                run("ROLLBACK TO SAVEPOINT renewing")
                run(f"DROP VIEW {self._full(name)}")
                run(f"CREATE {view}")

    def _definition(self, connection: Connection, name: str) -> str:
        """Return the query of a view of ours, or nothing if there is none of this name.

        :raises GreenApiConfigError: There is one, or a table, of somebody else's.
        """
        inspector = inspect(connection)
        if name in inspector.get_view_names(self._schema):
            definition = str(inspector.get_view_definition(name, self._schema))
            if _MARK in definition:
                return definition
        elif not inspector.has_table(name, self._schema):
            return ""
        raise GreenApiConfigError(
            f"{self._full(name)} is there, and airflow_green_notify did not make it. Rename or drop it, then "
            "make the models again."
        )

    # --- indexes ---

    def _create_indexes(self) -> None:
        there = self._database.transaction(self._names_there)
        missing = [index for index in self._indexes() if index.name not in there]
        if self._words.is_mysql:
            for name in COMPUTED:
                if name not in there:
                    column = self._text(CreateColumn(self._source.table.c[name]))
                    self._run(f"ALTER TABLE {self._full(self._name)} ADD COLUMN {column}")
        for index in missing:
            if self._words.is_postgresql:  # one that was interrupted is there, and of no use
                self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {self._full(str(index.name))}")
            self._run(self._text(CreateIndex(index, if_not_exists=self._words.is_sqlite)))
        if missing and not self._words.is_mysql:
            self._run(f"ANALYZE {self._full(self._name)}")

    def _indexes(self) -> list[Index]:
        row = Row(self._source.table, self._words)
        is_lid = {} if self._words.is_mysql else {f"{self._words.kind}_where": row.lid.isnot(None)}
        return [
            self._index("target", row.instance, row.target, row.within),
            self._index("chat", row.instance, row.chat, row.at),
            self._index("time", row.at, row.instance),
            self._index("day", row.day, row.instance),
            self._index("lid", row.lid, row.phone, **is_lid),
        ]

    def _index(self, what: str, *parts: Sql, **more: Any) -> Index:
        return Index(f"ix_{self._name}_model_{what}", *parts, postgresql_concurrently=True, **more)

    def _names_there(self, connection: Connection) -> set[str]:
        """Return the names of the table's indexes and columns."""
        if self._words.is_mysql:
            inspector = inspect(connection)
            found = [
                *inspector.get_indexes(self._name, self._schema),
                *inspector.get_columns(self._name, self._schema),
            ]
            return {str(each["name"]) for each in found}
        if self._words.is_sqlite:
            rows = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'index'"))
        else:
            rows = connection.execute(
                text(
                    "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
                    "WHERE indisvalid AND indrelid = CAST(:name AS regclass)"
                ),
                {"name": self._full(self._name)},
            )
        return {name for (name,) in rows}

    # --- how it is said ---

    def _run(self, statement: str) -> None:
        self._database.execute_text(statement, ())

    def _text(self, what: Sql) -> str:
        """Return the SQL of a query, or of a part of it."""
        literally = {} if isinstance(what, CreateIndex | CreateColumn) else {"literal_binds": True}
        return str(what.compile(dialect=self._database.driver, compile_kwargs=literally))

    def _full(self, name: str) -> str:
        """Return a name as it stands in SQL, with the schema."""
        parts = [self._schema, name] if self._schema else [name]
        return ".".join(map(self._quote, parts))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other task make the same views meanwhile; a file of SQLite has one writer in any case."""
        name = digest(f"models of {self._full(self._name)}")
        number = int(name[:15], 16)
        if self._words.is_sqlite:
            yield
            return
        take = func.pg_try_advisory_lock(number) if self._words.is_postgresql else func.get_lock(name, 0)
        free = func.pg_advisory_unlock(number) if self._words.is_postgresql else func.release_lock(name)
        while not self._database.rows(select(take))[0][0]:
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            self._database.rows(select(free))
