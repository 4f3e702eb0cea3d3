"""A table of a SQL database as a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from airflow_green_notify.stores.names import checked_table
from airflow_green_notify.stores.store import Store
from airflow_green_notify.task_output import is_template

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.sql.batch import SqlBatch
    from airflow_green_notify.stores.sql.dead_letters import SqlDeadLetters
    from airflow_green_notify.stores.sql.eraser import SqlEraser
    from airflow_green_notify.stores.sql.ledger import SqlLedgerView
    from airflow_green_notify.stores.sql.stream import SqlStream
    from airflow_green_notify.stores.sql.work import SqlWork


class SqlStore(Store):
    """Stores notifications as rows of a table, in any SQL database that Airflow has a provider for.

    Each row is inserted in a transaction of its own before the notification is deleted from the gateway, or,
    for a fleet on SQLite, PostgreSQL and MySQL, in one with those of other instances. A crash leaves rows;
    the retry of the task goes on with the same batch, and what comes again is recognised by its key, however
    old. Two drains at once don't store anything twice.

    Durable means: the database confirmed the commit. If the connection is lost, for instance because it was
    idle while a handler was at work, the statement is repeated once on a new one, which finds what the lost
    one may have left; if that fails too, the notification stays in the queue. A SQLite file is set to
    write-ahead logging (WAL), which takes one write to the disk instead of four; it must not lie on a network
    drive.

    The table is created if it is missing, with the columns of
    :meth:`~airflow_green_notify.notification.Notification.as_row`, ``batch_id``, ``note`` and ``sequence``,
    which counts the puts of a batch: queue order, whatever the workers' clocks show. ``body`` holds the whole
    notification as JSON text, in which NUL and lone surrogates alone are the escapes ``\\u0000`` and
    ``\\ud800``, so nothing is lost; in the other columns they become U+FFFD. Times are in UTC. Where the
    database doesn't enforce primary keys (Redshift, Snowflake, BigQuery), notifications can double.

    Templates in it are rendered for each task that has it, on a copy. The output of another task is waited
    for; in ``.partial()`` of a mapped task set that dependency by hand.

    :param conn_id: Airflow connection of the database; templated.
    :param table: Name of the table, ``schema.table`` if it is not in the default schema; templated. The
        ledgers are kept beside it: who reads which queue in ``<table>_leases``, which batches were not handed
        on yet in ``<table>_batches``, attempts of handlers, for 30 days, in ``<table>_attempts``, how far
        consumers have read in ``<table>_consumers`` and, chat by chat, in ``<table>_chats``, which dead
        letters are to be replayed in ``<table>_replays``, salted hashes of erased keys, which no put stores
        again, in ``<table>_tombstones``, what each drain came to, for 30 days, in ``<table>_drains``, and
        what watchers and examinations said last, once they say something, in ``<table>_reports``.
    :raises ValueError: ``table`` is no name of a table; what a template hides fails when the task opens it.
    """

    template_fields: ClassVar[Sequence[str]] = ("conn_id", "table")

    def __init__(self, conn_id: str, table: str = "green_api_notifications") -> None:
        if not is_template(table):
            checked_table(table)
        self.conn_id = conn_id
        self.table = table

    def __repr__(self) -> str:
        return f"SqlStore({self.conn_id!r}, table={self.table!r})"

    def stream(self) -> SqlStream:
        from airflow_green_notify.stores.sql.stream import SqlStream

        return SqlStream(self.conn_id, self.table, self._translate_errors)

    def described(self) -> dict[str, str | None]:
        return {"store": "sql", "conn_id": self.conn_id, "table": self.table}

    def work(self, consumer: str, is_meant: Callable[[Notification], bool], span: float) -> SqlWork:
        """Return what a consumer has to do in the store, chat by chat; close it in the end.

        :param is_meant: Judges which notifications it is to handle, each time alike.
        :param span: Seconds after which the lease on a chat is anybody's, if it isn't renewed.
        :raises NotificationStoreError: The database can't be reached.
        :raises GreenApiConfigError: It is a database that has no streams.
        """
        from airflow_green_notify.stores.sql.work import SqlWork

        return SqlWork(self.stream(), consumer, is_meant, self._translate_errors, span)

    def counts_by_type(self, moments: Sequence[datetime]) -> list[dict[str, int]]:
        """Return, between each two neighbouring moments, how many notifications were received of each type.

        The store needn't be open. Those whose type is not known count as ``""``; dead letters count.

        :param moments: From the earliest to the latest, with time zones.
        :raises NotificationStoreError: There is no such store, or it can't be reached.
        """
        from airflow_green_notify.stores.sql.counting import counts_by_type

        with self._translate_errors():
            return counts_by_type(self.conn_id, self.table, moments)

    def dead_letters(self) -> SqlDeadLetters:
        from airflow_green_notify.stores.sql.dead_letters import SqlDeadLetters

        return SqlDeadLetters(self.conn_id, self.table, self._translate_errors)

    def eraser(self) -> SqlEraser:
        from airflow_green_notify.stores.sql.eraser import SqlEraser

        return SqlEraser(self.conn_id, self.table, self._translate_errors)

    def _open_batch(self, batch_id: str, queue: str) -> SqlBatch:
        from airflow_green_notify.stores.sql.batch import SqlBatch

        return SqlBatch(self.conn_id, self.table, batch_id, queue, self._translate_errors)

    def _view(self) -> SqlLedgerView:
        from airflow_green_notify.stores.sql.ledger import SqlLedgerView

        return SqlLedgerView(self.conn_id, self.table)

    def _described(self, batch_id: str) -> dict[str, str | None]:
        return self.described()

    def _translate_errors(self) -> AbstractContextManager[None]:
        from airflow_green_notify.stores.sql.database import translate_errors

        return translate_errors(f"The table {self.table} of connection {self.conn_id!r}")
