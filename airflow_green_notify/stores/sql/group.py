"""Group commit: the rows of many notifications in one statement, each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import Table, select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.stores.ledger import BatchTaken
from airflow_green_notify.stores.outcome import Outcome, attempt, for_each
from airflow_green_notify.stores.sql.tombstones import MARK

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.sql.database import Database
    from airflow_green_notify.stores.sql.group_insert import GroupInsert, Row
    from airflow_green_notify.stores.sql.tombstones import SqlTombstones

T = TypeVar("T")

_MOST_TEXT = 2**20
"""Characters of a statement, so that it has 4 MiB at most."""

_PATIENCE = 10.0
"""Seconds that the failures of a group may take until the rest of it fails without being tried."""


class RowBatch(Protocol):
    """A batch that puts one notification after the other."""

    def row_of(self, notification: Notification) -> Row | None:
        """Open the batch, and return what to insert; ``None`` if the message came from a journal."""
        ...

    def insert(self, row: Row) -> bool:
        """Insert a row unless its key is there or was erased."""
        ...


class RowGroups:
    """Puts many notifications into a batch of a table, each as if it was put alone."""

    def __init__(
        self,
        batch: RowBatch,
        database: Database,
        rows: Table,
        tombstones: SqlTombstones,
        insert: GroupInsert,
        translate_errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._batch = batch
        self._database = database
        self._rows = rows
        self._tombstones = tombstones
        self._insert = insert
        self._translate_errors = translate_errors
        self._in_vain: NotificationStoreError | None = None
        """Why nothing more of this call is tried."""
        self._failing = 0.0
        """Seconds that failures of this call took."""

    def put_all(self, notifications: Sequence[Notification]) -> list[Outcome]:
        """Store what is not there yet, and return the outcome of each."""
        self._in_vain, self._failing = None, 0.0
        first: dict[str, Notification] = {}
        for each in notifications:
            first.setdefault(each.key, each)
        outcomes = self._put_once(first)
        return for_each((each.key for each in notifications), outcomes)

    def _put_once(self, notifications: Mapping[str, Notification]) -> dict[str, Outcome]:
        """Do so where no key comes twice."""
        outcomes: dict[str, Outcome] = {}
        rows: dict[str, Row] = {}
        for key, notification in notifications.items():
            row = self._attempt(partial(self._batch.row_of, notification))
            if isinstance(row, dict):
                rows[key] = row
            else:
                outcomes[key] = row or False
        for group in self._groups(rows):
            told = self._put_together(group)
            outcomes |= told
            for key, row in group.items():
                if key not in told:
                    outcomes[key] = self._attempt(partial(self._batch.insert, row))
        return outcomes

    def _groups(self, rows: Mapping[str, Row]) -> Iterator[dict[str, Row]]:
        """Yield what one statement is to insert: one of each queue, as its rows get their arrival by key."""
        group: dict[str, Row] = {}
        queues: set[str] = set()
        size = 0
        for key, row in rows.items():
            length = sum(len(value) for value in row.values() if isinstance(value, str))
            is_full = len(group) == self._insert.most_rows or size + length > _MOST_TEXT
            if group and (is_full or row["instance_id"] in queues):
                yield group
                group, queues, size = {}, set(), 0
            group[key] = row
            queues |= {row["instance_id"]} - {None}
            size += length
        if group:
            yield group

    def _put_together(self, rows: dict[str, Row]) -> dict[str, Outcome]:
        """Insert a group, and tell of each whether it is new; what has to be put alone isn't told of."""
        outcomes: dict[str, Outcome] = {}
        while len(rows) > 1:
            told = self._attempt(partial(self._insert_absent, rows))
            if isinstance(told, NotificationStoreError) or not told:
                break
            outcomes |= told
            rows = {key: row for key, row in rows.items() if key not in told}
        return outcomes

    def _insert_absent(self, rows: dict[str, Row]) -> dict[str, bool]:
        try:
            if self._insert.execute([rows[key] for key in sorted(rows)]) == len(rows):
                return dict.fromkeys(rows, True)
        except IntegrityError:
            pass
        columns = self._rows.c
        found = select(columns.key, columns.batch_id, columns.sequence).where(columns.key.in_([*rows]))
        told = {
            key: (batch_id, sequence) == (rows[key]["batch_id"], rows[key]["sequence"])
            for key, batch_id, sequence in self._database.rows(found)
        }
        rest = {row[MARK]: key for key, row in rows.items() if key not in told}
        erased = self._tombstones.among(rest) if rest else ()
        return told | {rest[mark]: False for mark in erased}

    def _attempt(self, work: Callable[[], T]) -> T | NotificationStoreError:
        """Return what work returns, or what an error of it means; the error before, if it is in vain."""
        if self._in_vain is not None:
            return self._in_vain
        began = Stopwatch()
        outcome = attempt(work, self._translate_errors)
        if isinstance(outcome, NotificationStoreError):
            self._note_failure(outcome, began)
        return outcome

    def _note_failure(self, error: NotificationStoreError, began: Stopwatch) -> None:
        """Give the rest up too, unless the failure was quick and the database still answers."""
        self._failing += began.seconds()
        if isinstance(error, BatchTaken) or self._failing > _PATIENCE or not self._database.answers():
            self._in_vain = error
