"""A database behind an Airflow connection, one statement at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from airflow.sdk import BaseHook
from sqlalchemy import Connection, Dialect, Engine, Executable, Row, Table, func, literal, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from airflow_green_notify.errors import GreenApiError, NotificationStoreError
from airflow_green_notify.stores.sql.errors import is_deadlock, words_of
from airflow_green_notify.stores.sql.tables import StoreTables, exists, make

T = TypeVar("T")

_BUSY_TIMEOUT = 30
"""Seconds; how long a SQLite file that another process writes to is waited for."""

_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED"}
"""SQLite takes the lock for writing at once, or it could not wait for it later."""

IDLE_IN_TRANSACTION = 10
"""Seconds after which PostgreSQL and MariaDB end a transaction whose process stands still. Others wait for
its locks, and the leases that they can't renew meanwhile last for twice as long."""

_LET_GO = {
    "postgresql": "SET idle_in_transaction_session_timeout = '{}s'",
    "mariadb": "SET SESSION idle_transaction_timeout = {}",
}

_RETRY = "What was not stored was not deleted; a retry goes on where this stopped."
_ADVICE: dict[type[DBAPIError], str] = {
    OperationalError: f"Is the database up, its disk free, the connection right, and on MySQL "
    f"max_allowed_packet large enough? {_RETRY}",
    IntegrityError: f"Has somebody given the table a constraint that the store didn't make? {_RETRY}",
    ProgrammingError: f"Has the connection's user the rights on the table? {_RETRY}",
    DataError: f"Was the table made by hand? Name another one, and the store creates it. {_RETRY}",
}


class Database:
    """One connection, reused until it fails, and made anew for the next statement then.

    Each statement is a transaction of its own (AUTOCOMMIT): one round trip, and durable when it returns. If
    the connection is lost in it, a connection that was idle for too long perhaps, the statement is repeated
    once on a new one, whether or not it had its effect: it must be idempotent. So is one that the database
    undid, since it and another waited for each other.

    Any thread may use it, one at a time, and any may close it: a statement under way is not waited for.
    """

    def __init__(self, conn_id: str, engine: Engine | None = None) -> None:
        self._engine = engine or _engine(conn_id)
        self._owns_engine = engine is None
        self._conn_id = conn_id
        self._connection: Connection | None = None
        self._in_use = threading.Lock()
        self._is_closing = False

    def beside(self) -> Database:
        """Return a second connection, for another thread; close it before this one."""
        return Database(self._conn_id, self._engine)

    @property
    def dialect(self) -> str:
        """The kind of database, as SQLAlchemy names it."""
        return self._engine.dialect.name

    @property
    def driver(self) -> Dialect:
        """How the driver of this kind of database is talked to."""
        return self._engine.dialect

    def answers(self) -> bool:
        """Tell whether the database is there, and answers a question."""
        try:
            with self._connected() as connection:
                connection.execute(select(literal(1)))
        except SQLAlchemyError:
            return False
        return True

    def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> int:
        """Execute a statement and return how many rows it changed or inserted.

        If it was repeated, that may be none, though the lost one had its effect.
        """
        return self._repeated(lambda connection: connection.execute(statement, values).rowcount)

    def execute_text(self, text: str, values: tuple[Any, ...]) -> int:
        """Do the same as :meth:`execute` for a statement in the driver's own words."""
        return self._repeated(lambda connection: connection.exec_driver_sql(text, values).rowcount)

    def execute_once(self, statement: Executable) -> int:
        """Execute a statement that must not be repeated."""
        with self._connected() as connection:
            return int(connection.execute(statement).rowcount)

    def rows(self, statement: Executable) -> list[Row[Any]]:
        """Return all rows of a query."""
        return self._repeated(lambda connection: list(connection.execute(statement).all()))

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Do several statements in one transaction, at READ COMMITTED; return what ``work`` returns.

        As a whole it may be repeated once, as a single statement is: it must be idempotent.
        """

        def whole(connection: Connection) -> T:
            connection.exec_driver_sql(_BEGIN.get(self.dialect, "BEGIN"))
            try:
                result = work(connection)
            except IntegrityError:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
            return result

        return self._repeated(whole)

    def insert(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless its primary key is there; return whether it was inserted."""
        (key,) = table.primary_key
        try:
            self.execute(table.insert().values(row))
        except IntegrityError:
            if not self.has(table, row[key.name]):
                raise
            return False
        return True

    def has(self, table: Table, value: str) -> bool:
        """Tell whether a table has a row with this primary key."""
        (key,) = table.primary_key
        return bool(self.rows(select(key).where(key == value)))

    def create(self, tables: StoreTables) -> None:
        """Create the tables of a store, or close this if they can't be."""
        try:
            tables.create(self._engine)
        except BaseException:
            self.close()
            raise

    def make(self, table: Table) -> None:
        """Create a table unless it is there."""
        make(self._engine, table)

    def there_is(self, table: Table) -> bool:
        """Tell whether a table is there."""
        return exists(self._engine, table)

    def count(self, table: Table, batch_id: str) -> int:
        """Return how many rows a batch has."""
        ((number,),) = self.rows(select(func.count()).select_from(table).where(table.c.batch_id == batch_id))
        return int(number)

    def close(self) -> None:
        """Close the connection and the engine's pool; if a statement is under way, when that returns."""
        self._is_closing = True
        if self._in_use.acquire(blocking=False):
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            if self._owns_engine:
                self._engine.dispose()
            self._in_use.release()

    def _repeated(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._connected() as connection:
                return work(connection)
        except DBAPIError as error:
            if not (error.connection_invalidated or is_deadlock(error)):
                raise
        with self._connected() as connection:
            return work(connection)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._in_use:
                try:
                    if self._connection is None:
                        self._connection = self._engine.connect()
                        # Without it SQLAlchemy says -1 for an INSERT that inserted nothing, as if it did.
                        self._connection.execution_options(preserve_rowcount=True)
                        _prepare_sqlite(self._connection)
                        _let_go_of_locks(self._connection)
                    yield self._connection
                except IntegrityError:
                    raise
                except BaseException:
                    self._give_up_connection()
                    raise
        finally:
            if self._is_closing:
                self.close()

    def _give_up_connection(self) -> None:
        """Forget a connection that failed, or was interrupted in the middle of a statement."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Turn whatever a database raises into an error that says what to do, without the values it quotes.

    The database's own error is not its cause: the log shows causes whole.
    """
    try:
        yield
    except GreenApiError:
        raise
    except DBAPIError as error:
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), _RETRY)
        raise NotificationStoreError(f"{subject}: {words_of(error)}. {advice}") from None
    except Exception as error:
        raise NotificationStoreError(f"{subject}: {type(error).__name__}: {error}. {_RETRY}") from error


def _prepare_sqlite(connection: Connection) -> None:
    """Let SQLite confirm a commit after one write to the disk instead of four (WAL), and never before it.

    The journal mode stays with the file; where it can't be changed, the old one is as durable.
    """
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("PRAGMA synchronous=FULL")
    with suppress(OperationalError):
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")


def _let_go_of_locks(connection: Connection) -> None:
    """Let the database end a transaction in which the process stands still, where it can."""
    kind = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
    if kind in _LET_GO:
        try:
            connection.exec_driver_sql(_LET_GO[kind].format(IDLE_IN_TRANSACTION))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise


def _engine(conn_id: str) -> Engine:
    hook = BaseHook.get_hook(conn_id)
    if not hasattr(hook, "get_sqlalchemy_engine"):
        raise NotificationStoreError(
            f"The connection {conn_id!r} is of type {getattr(hook, 'conn_type', '?')!r}, no SQL database."
        )
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "hide_parameters": True}
    if hook.conn_type == "sqlite":
        options["connect_args"] = {"timeout": _BUSY_TIMEOUT}
    engine: Engine = hook.get_sqlalchemy_engine(engine_kwargs=options)
    return engine
