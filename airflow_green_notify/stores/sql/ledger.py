"""The ledger of a SQL store: leases and batches, in two tables beside the one of notifications."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Update,
    and_,
    bindparam,
    exists,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from airflow_green_notify.portable_json import storable
from airflow_green_notify.stores.drain_record import KEPT_FOR
from airflow_green_notify.stores.held import JOURNAL
from airflow_green_notify.stores.ledger import BatchRecord, BatchSuperseded
from airflow_green_notify.stores.names import task_of
from airflow_green_notify.stores.sql.clock import now
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.drains import SqlDrains
from airflow_green_notify.stores.sql.reports import SqlReports
from airflow_green_notify.stores.sql.tables import StoreTables, column_id
from airflow_green_notify.stores.sql.tombstones import MARK, SqlTombstones

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from airflow_green_notify.stores.ledger import BatchState

TranslateErrors = Callable[[], AbstractContextManager[None]]

_AT_ONCE = 300
"""Records that are removed in one transaction."""


class SqlLeases:
    """The leases of a SQL store, one row for each queue, judged by the clock of the database."""

    def __init__(self, database: Database, tables: StoreTables, translate_errors: TranslateErrors) -> None:
        self._database = database
        self._table = tables.leases
        self._translate_errors = translate_errors
        self.times_taken = 0
        """How often a lease was taken; what others stored until then is seen after it."""

    def take_leases(self, queues: Sequence[str], owner: str, span: float) -> dict[str, tuple[str, str]]:
        """Take those that nobody else has; return who has each now, and who had it before."""
        names = _names(queues)
        if not names:
            return {}
        with self._translate_errors():
            before = self._owners(names.values())
            if missing := sorted({*names.values()} - {*before}):
                self._add(missing)
                before = self._owners(names.values())
            self._database.execute(
                self._free(before, owner).values(owner=owner, expires_at=self._now() + span)
            )
            # What a statement changed that was repeated, only a look can tell.
            holders = self._owners(names.values())
        self.times_taken += owner in holders.values()
        return {queue: (holders.get(name, ""), before.get(name, "")) for queue, name in names.items()}

    def renew_leases(self, queues: Sequence[str], owner: str, span: float) -> set[str]:
        """Let them expire later, except those that somebody else took; return which are the owner's."""
        names = _names(queues)
        if not names:
            return set()
        with self._translate_errors():
            renewed = self._of(names.values(), owner).values(expires_at=self._now() + span)
            if self._database.execute(renewed) == len(names):
                return {*names}
            holders = self._owners(names.values())
        return {queue for queue, name in names.items() if holders.get(name) == owner}

    def release_leases(self, queues: Sequence[str], owner: str) -> None:
        """Let them expire now."""
        if queues:
            with self._translate_errors():
                self._database.execute(self._of(_names(queues).values(), owner).values(expires_at=0.0))

    def _free(self, before: dict[str, str], owner: str) -> Update:
        """Return the update of what is free, or this owner's already, and nobody else took since the look."""
        leases = self._table.c
        by_owner: dict[str, list[str]] = {}
        for name, each in before.items():
            by_owner.setdefault(each, []).append(name)
        unchanged = (and_(leases.owner == each, leases.queue.in_(names)) for each, names in by_owner.items())
        free = or_(leases.expires_at <= self._now(), leases.owner == owner)
        return self._table.update().where(or_(*unchanged), free)

    def _of(self, names: Iterable[str], owner: str) -> Update:
        leases = self._table.c
        return self._table.update().where(leases.queue.in_([*names]), leases.owner == owner)

    def _owners(self, names: Iterable[str]) -> dict[str, str]:
        leases = self._table.c
        found = select(leases.queue, leases.owner).where(leases.queue.in_([*names]))
        return {row.queue: row.owner for row in self._database.rows(found)}

    def _add(self, names: Sequence[str]) -> None:
        """Insert rows; where others insert some of them at the same time, or all at once can't be, singly."""
        rows = [{"queue": name, "owner": "", "expires_at": 0.0} for name in names]
        if len(rows) > 1:
            with suppress(SQLAlchemyError):
                self._database.execute(self._table.insert().values(rows))
                return
        for row in rows:
            self._database.insert(self._table, row)

    def _now(self) -> ColumnElement[float]:
        return now(self._database)


class SqlBatches:
    """Where each batch of a SQL store stands, seen from one of them.

    What is in a batch is told by the rows alone. Every step is one statement, and whoever dies between two of
    them leaves the rest to the next drain.
    """

    def __init__(self, database: Database, tables: StoreTables, batch_id: str, queue: str) -> None:
        self._database = database
        self._rows = tables.notifications
        self._stored = tables.stored
        self.table = tables.batches
        self._batch_id = batch_id
        self._queue = queue
        self._owner = uuid.uuid4().hex
        self.own = {"batch_id": column_id(batch_id), "owner": self._owner, "state": "open"}
        """What stands in the row of this batch as long as it is this try's."""

    def open(self) -> bool:
        """Make this try the one that puts into the batch; ``False`` if an earlier one did."""
        name = column_id(self._batch_id)
        row = self._changed("open") | {"owner": self._owner, "queue": self._queue}
        known = {"batch_id": name, "name": storable(self._batch_id), "task": _task(self._batch_id)}
        there = self.table.update().where(self.table.c.batch_id == name)
        while not self._database.execute(there.values(row)):
            if self._database.insert(self.table, known | row | {"adopted_by": "", "adopted": 0}):
                return True
            # Else another try was faster.
        return False

    def reopen(self) -> None:
        """Put into the batch again after it was adopted.

        :raises BatchSuperseded: Another try went on with it: what was put now might reach nobody.
        """
        own = self.table.update().where(
            self.table.c.batch_id == column_id(self._batch_id), self.table.c.owner == self._owner
        )
        if not self._database.execute(own.values(self._changed("open"))):
            raise BatchSuperseded

    def keys_from_journal(self, since: datetime) -> set[str]:
        """Return the keys that backfills have stored since then."""
        rows, batches = self._rows.c, self.table.c
        backfills = select(batches.batch_id).where(batches.queue.endswith(JOURNAL))
        found = select(rows.key).where(rows.batch_id.in_(backfills), rows.received_at >= since)
        return {row.key for row in self._database.rows(found)}

    def guarded_insert(self, tombstones: SqlTombstones) -> Insert:
        """Return the insert of a notification, which inserts nothing once the batch is another try's.

        Nor if its key was erased. A try that was frozen may wake in the middle of its put, when its batch
        was handed on long ago: what it stored then would lie in a batch that nobody reads again. The row lock
        keeps the two apart.
        """
        columns = [self._rows.c[name] for name in self._stored]
        values = select(*(bindparam(column.name, type_=column.type) for column in columns))
        mine = values.select_from(tombstones.beside(self.table))
        mine = mine.where(*self._mine(), tombstones.lacks(MARK))
        if self._database.dialect in ("postgresql", "mysql", "mariadb"):
            mine = mine.with_for_update(read=True)
        return self._rows.insert().from_select(columns, mine)

    def close(self) -> bool:
        """Note that the description is about to be returned; ``False`` if the batch is another try's."""
        closed = self.table.update().where(*self._mine()).values(self._changed("closed"))
        return self._database.execute(closed) > 0

    def own_record(self) -> BatchRecord | None:
        """Return what is noted of this batch, by an earlier try perhaps."""
        found = select(self.table).where(self.table.c.batch_id == column_id(self._batch_id))
        return next((_record(row) for row in self._database.rows(found)), None)

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        """Return the other batches of this task and these queues that may hold forgotten notifications."""
        batches = self.table.c
        left_over = exists().where(self._rows.c.batch_id == batches.batch_id)
        found = select(self.table).where(
            batches.task == _task(self._batch_id),
            batches.queue.in_([self._queue, *queues]),
            batches.batch_id != column_id(self._batch_id),
            or_(
                batches.state.in_(("open", "closed", "released")), and_(batches.state == "adopted", left_over)
            ),
        )
        return [_record(row) for row in self._database.rows(found)]

    def adopt(self, record: BatchRecord, last_sequence: int) -> int | None:
        """Move the rows of another batch behind the last one of this batch, which is open."""
        claimed = self.table.update().where(*self._unchanged(record))
        claimed = claimed.values(self._changed("adopted") | {"adopted_by": self._batch_id})
        if not self._database.execute(claimed):
            return None
        taken = self._rows.update().where(self._rows.c.batch_id == column_id(record.batch_id))
        moved = {"batch_id": column_id(self._batch_id), "sequence": self._rows.c.sequence + last_sequence}
        count = self._database.execute(taken.values(moved))
        adopted = self.table.update().where(self.table.c.batch_id == column_id(record.batch_id))
        self._database.execute(adopted.values(adopted=record.adopted + count))
        return count

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        """Note what became of a closed batch.

        Of one that is confirmed nothing is noted any more, except where it is from journals: for a month,
        by its note :meth:`keys_from_journal` finds what a queue may yet bring.
        """
        is_from_journal = record.queue.endswith(JOURNAL)
        if state == "confirmed" and not is_from_journal:
            self._database.execute(self.table.delete().where(*self._unchanged(record)))
            return
        changed = self.table.update().where(*self._unchanged(record))
        self._database.execute(changed.values(self._changed(state)))
        if state == "confirmed":
            batches = self.table.c
            old = batches.changed_at < now(self._database) - KEPT_FOR.total_seconds()
            self._database.execute(self.table.delete().where(batches.state == "confirmed", old))

    def _changed(self, state: BatchState) -> dict[str, Any]:
        return {"state": state, "changed_at": now(self._database)}

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return tuple(self.table.c[name] == value for name, value in self.own.items())

    def _unchanged(self, record: BatchRecord) -> tuple[ColumnElement[bool], ...]:
        batches = self.table.c
        is_it = batches.batch_id == column_id(record.batch_id)
        return is_it, batches.owner == record.owner, batches.state == record.state


class SqlLedgerView:
    """The batches of a SQL store for a person who looks after them; of these, it creates nothing."""

    def __init__(self, conn_id: str, table: str) -> None:
        tables = StoreTables(table)
        self._table = tables.batches
        self._database = Database(conn_id)
        self.drains = SqlDrains(self._database, tables)
        self.reports = SqlReports(self._database, tables)

    def unconfirmed(self) -> list[BatchRecord]:
        """Return the batches of which it isn't known that they were handed on."""
        found = select(self._table).where(self._table.c.state != "confirmed")
        return [_record(row) for row in self._database.rows(found.order_by(self._table.c.name))]

    def give_to_next_drain(self, batch_id: str) -> bool:
        """Let the next drain of the same task and queue adopt a batch; ``False`` if there is none."""
        released = self._table.update().where(self._table.c.batch_id == column_id(batch_id))
        return self._database.execute(released.values(state="released")) > 0

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()


def remove_empty_batches(database: Database, tables: StoreTables, before: datetime) -> None:
    """Remove the records of batches of which nothing is left, and that nobody puts into or adopts any more.

    They are looked up before they are deleted, by name: MySQL locks whatever a DELETE looks at, and puts hold
    the records of their batches.

    :param before: When they were changed last; the database's clock is taken for the caller's.
    """
    batches = tables.batches.c
    has_rows = exists().where(tables.notifications.c.batch_id == batches.batch_id)
    old = (batches.state != "open", batches.changed_at < before.timestamp(), ~has_rows)
    page = select(batches.batch_id).where(*old).limit(_AT_ONCE)
    while names := [row.batch_id for row in database.rows(page)]:
        database.execute(tables.batches.delete().where(batches.batch_id.in_(names), *old))


def adopters(database: Database, tables: StoreTables, name: str) -> list[BatchRecord]:
    """Return the record of a batch, by its name in the table, if another took from it."""
    batches = tables.batches.c
    found = select(tables.batches).where(batches.batch_id == name, batches.adopted_by != "")
    return [_record(row) for row in database.rows(found)]


def _names(queues: Iterable[str]) -> dict[str, str]:
    """Return what each queue is called in the table."""
    return {queue: column_id(queue) for queue in queues}


def _task(batch_id: str) -> str:
    return column_id(task_of(batch_id))


def _record(row: Row[Any]) -> BatchRecord:
    return BatchRecord(row.name, row.state, row.owner, row.queue, row.adopted_by, row.adopted)
