"""A batch in a table: written one row at a time, read in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.body import UNDECRYPTED
from airflow_green_notify.message import MESSAGE_TYPES, Message, identity
from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.held import QUEUED_FOR, FromJournal
from airflow_green_notify.stores.ledger import BatchSuperseded, BatchTaken, warn_of
from airflow_green_notify.stores.row import from_row, to_row
from airflow_green_notify.stores.sql.attempts import SqlAttempts
from airflow_green_notify.stores.sql.database import Database, translate_errors
from airflow_green_notify.stores.sql.drains import SqlDrains
from airflow_green_notify.stores.sql.group import RowGroups
from airflow_green_notify.stores.sql.group_insert import GroupInsert
from airflow_green_notify.stores.sql.ledger import SqlBatches, SqlLeases, adopters
from airflow_green_notify.stores.sql.tables import StoreTables, chat_id_of, column_id
from airflow_green_notify.stores.sql.tombstones import MARK, SqlTombstones

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.ledger import BatchRecord, BatchState
    from airflow_green_notify.stores.outcome import Outcome
    from airflow_green_notify.stores.sql.ledger import TranslateErrors

_PAGE = 100


class SqlBatch:
    """An open batch of a :class:`SqlStore`."""

    def __init__(
        self, conn_id: str, table: str, batch_id: str, queue: str, translate_errors: TranslateErrors
    ) -> None:
        self._batch_id = column_id(batch_id)
        tables = StoreTables(table)
        self._database = Database(conn_id)
        self._database.create(tables)
        self._rows = tables.notifications
        self._tombstones = SqlTombstones(self._database, tables)
        self.attempts = SqlAttempts(self._database, tables, self._tombstones)
        self._beside = self._database.beside()
        self.leases = SqlLeases(self._beside, tables, translate_errors)
        self._batches = SqlBatches(self._database, tables, batch_id, queue)
        self._guarded_insert = self._batches.guarded_insert(self._tombstones)
        insert = GroupInsert(self._database, tables, self._batches, self._tombstones)
        self._groups = RowGroups(self, self._database, self._rows, self._tombstones, insert, translate_errors)
        self.drains = SqlDrains(self._database, tables)
        self._is_open = False
        self._was_opened = False
        self._was_there = False
        self._sequence = 0
        self._journal_keys: set[str] = set()
        self._erased_marks: set[str] = set()
        self._from_journal = FromJournal(self.leases, self._look, self._holds)
        self.taken: BatchRecord | None = None

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        """Insert a notification's row unless its key is there or was erased, or a journal brought it."""
        row = self.row_of(notification, note)
        return row is not None and self.insert(row)

    def insert(self, row: dict[str, Any]) -> bool:
        """Insert a row that :meth:`row_of` returned, unless its key is there or was erased."""
        try:
            if self._database.execute(self._guarded_insert, row):
                return True
        except IntegrityError:
            held = self._place_of(row["key"])
            if held is None:
                if self._is_erased(row):
                    return False
                raise
            # A statement that was repeated may have met what it had inserted itself.
            return held == (self._batch_id, row["sequence"])
        if self._is_erased(row):
            return False
        self._is_open = False
        raise BatchTaken

    def _is_erased(self, row: dict[str, Any]) -> bool:
        return bool(self._tombstones.among([row[MARK]]))

    def put_all(self, notifications: Sequence[Notification]) -> list[Outcome]:
        """Insert the rows of many together, and return what :meth:`put` would have told of each."""
        return self._groups.put_all(notifications)

    def row_of(self, notification: Notification, note: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Open the batch, and return the next row of it; ``None`` if the message came from a journal.

        A dead letter counts as erased with what it is of: that may go while a handler is at work on it.
        """
        self._open()
        if note is None and notification in self._from_journal:
            return None
        self._sequence += 1
        row = to_row(Entry(notification, self._batch_id, note))
        return row | {
            "sequence": self._sequence,
            "chat": chat_id_of(notification.instance_id, notification.chat_id),
            MARK: self._tombstones.mark_of(as_received(notification, note).key),
        }

    def _look(self) -> bool:
        since = datetime.now(UTC) - QUEUED_FOR
        self._journal_keys = self._batches.keys_from_journal(since)
        self._erased_marks = self._tombstones.of_backfills(since)
        return bool(self._journal_keys or self._erased_marks)

    def _holds(self, key: str) -> bool:
        return key in self._journal_keys or self._tombstones.mark_of(key) in self._erased_marks

    def _place_of(self, key: str) -> tuple[str, int] | None:
        rows = self._rows.c
        found = self._database.rows(select(rows.batch_id, rows.sequence).where(rows.key == key))
        return tuple(found[0]) if found else None

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        """Return the other batches of this task and these queues that may hold forgotten notifications."""
        return self._batches.not_handed_on(queues)

    def adopt(self, record: BatchRecord) -> int | None:
        """Move the rows of another batch behind those of this one."""
        self._open()
        count = self._batches.adopt(record, self._sequence)
        self._sequence = self._last_sequence()
        return count

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        """Note what became of a closed batch."""
        self._batches.settle(record, state)

    def finish(self) -> int:
        """Return how many notifications the batch has; its rows are final already."""
        if not self._is_open:
            if self._batches.own_record() is None:  # nothing came, or it was handed on long ago
                return self._database.count(self._rows, self._batch_id)
            with suppress(BatchSuperseded):
                self._open()
        if not self._batches.close() or self._was_there:
            self.taken = self._batches.own_record()
        return self._database.count(self._rows, self._batch_id)

    def _open(self) -> None:
        if not self._is_open:
            if self._was_opened:
                self._was_there = True
                self._batches.reopen()
            else:
                self._was_there = not self._batches.open()
                self._was_opened = True
            self._sequence = self._last_sequence()
            self._is_open = True

    def _last_sequence(self) -> int:
        """Return the highest number of the batch's rows, which count its puts whatever a clock shows."""
        rows = self._rows.c
        last = select(func.max(rows.sequence)).where(rows.batch_id == self._batch_id)
        return self._database.rows(last)[0][0] or 0

    def held_messages(self, since: datetime) -> set[Message]:
        """Return the messages in the whole table."""
        rows = self._rows.c
        text = case((or_(rows.type_message == "editedMessage", rows.text.in_(UNDECRYPTED)), rows.text))
        columns = (
            rows.instance_id,
            rows.chat_id,
            rows.id_message,
            rows.type_webhook,
            rows.type_message,
            text,
        )
        brought = select(*columns).where(rows.type_webhook.in_(MESSAGE_TYPES), rows.received_at >= since)
        return {message for row in self._database.rows(brought) if (message := identity(*row))}

    def release(self) -> None:
        """Let go of the connections."""
        self._beside.close()
        self._database.close()


class SqlBatchReader:
    """The rows of a batch, as :meth:`SqlStore.close` described them."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._conn_id: str = description["conn_id"]
        self._table: str = description["table"]
        self._batch_id = column_id(description["batch_id"])

    def entries(self) -> Iterator[Entry]:
        """Yield what the batch holds, in queue order.

        In pages: a query that stays open would keep others, the reader's own task included, from writing to
        a SQLite file.
        """
        table = StoreTables(self._table).notifications
        with self._database() as database:
            warn_of(adopters(database, StoreTables(self._table), self._batch_id))
            ordered = select(table.c.key).where(table.c.batch_id == self._batch_id)
            ordered = ordered.order_by(table.c.sequence, table.c.received_at, table.c.key)
            keys = [row.key for row in database.rows(ordered)]
            for start in range(0, len(keys), _PAGE):
                page = keys[start : start + _PAGE]
                rows = {row.key: row for row in database.rows(select(table).where(table.c.key.in_(page)))}
                yield from (from_row(rows[key]._asdict()) for key in page if key in rows)

    def count(self) -> int:
        """Return how many notifications the batch holds."""
        table = StoreTables(self._table).notifications
        with self._database() as database:
            return database.count(table, self._batch_id)

    @contextmanager
    def _database(self) -> Iterator[Database]:
        with translate_errors(f"The table {self._table} of connection {self._conn_id!r}"):
            database = Database(self._conn_id)
            try:
                yield database
            finally:
                database.close()
