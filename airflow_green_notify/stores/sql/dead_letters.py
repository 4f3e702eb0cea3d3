"""The dead letters of a table, and a table of those that are to be replayed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.stores.dead_letter import DeadLetter
from airflow_green_notify.stores.dead_letters import PAGE, Marked, possible_keys
from airflow_green_notify.stores.row import from_row
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.tables import StoreTables, column_id

if TYPE_CHECKING:
    from sqlalchemy import Row

    from airflow_green_notify.stores.sql.ledger import TranslateErrors

_SOUGHT = 50
"""Keys that are looked for in one statement."""


class SqlDeadLetters:
    """The rows of a table whose note says why they were given up; what is none any more is deleted."""

    def __init__(self, conn_id: str, table: str, translate_errors: TranslateErrors) -> None:
        self._translate_errors = translate_errors
        with translate_errors():
            self._tables = StoreTables(table)
            self._database = Database(conn_id)
        self._rows = self._tables.notifications
        self._replays = self._tables.replays
        self._is_ready = False

    def all(self) -> Iterator[DeadLetter]:
        rows, behind = self._rows.c, None
        while True:
            with self._translate_errors():
                page = self._noted(PAGE, *([] if behind is None else [behind]))
            yield from _letters(page)
            if len(page) < PAGE:
                return
            time, key = page[-1].received_at, page[-1].key
            later = or_(rows.received_at > time, and_(rows.received_at == time, rows.key > key))
            behind = and_(rows.received_at >= time, later)

    def find(self, keys: Collection[str]) -> list[DeadLetter]:
        sought = sorted(possible_keys(keys))
        found: dict[str, DeadLetter] = {}
        with self._translate_errors():
            for some in _parts(sought, _SOUGHT):
                names = [self._rows.c.note.contains(f'"{key}"') for key in some]
                letters = _letters(self._noted(None, or_(self._rows.c.key.in_(some), *names)))
                found |= {each.key: each for each in letters if {each.key, each.notification.key} & {*sought}}
        return sorted(found.values(), key=lambda each: (each.notification.received_at, each.key))

    def to_be_replayed(self) -> set[str]:
        with self._translate_errors():
            self._make_ready()
            return {row.key for row in self._database.rows(select(self._replays.c.key))}

    def mark(self, letters: Sequence[DeadLetter], rate: float | None, task: str = "") -> None:
        marks = [
            {
                "key": letter.key,
                "task": column_id(task or letter.task),
                "received_at": letter.notification.received_at,
                "rate": rate,
            }
            for letter in letters
        ]
        with self._translate_errors():
            self._make_ready()
            for some in _parts(marks, PAGE):
                try:
                    self._set(some)
                except IntegrityError:  # somebody else marks them at the same time
                    self._set(some)

    def marked(self, task: str, limit: int) -> list[Marked]:
        rows, replays = self._rows.c, self._replays.c
        marked = select(self._rows, replays.rate).join(self._replays, replays.key == rows.key)
        marked = marked.where(replays.task == column_id(task)).order_by(replays.received_at, replays.key)
        with self._translate_errors():
            found = self._database.rows(marked.limit(limit))
            return [Marked(letter, row.rate) for row in found for letter in _letters([row])]

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        with self._translate_errors():
            self._make_ready()
            for some in _parts([letter.key for letter in letters], PAGE):
                self._remove(some)

    def close(self) -> None:
        self._database.close()

    def _make_ready(self) -> None:
        """Create the table of replays if the store is older than it; never a store that isn't there."""
        if not self._is_ready:
            self._database.rows(select(self._rows.c.key).limit(1))
            self._database.create(self._tables)
            self._is_ready = True

    def _noted(self, limit: int | None, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
        rows = self._rows.c
        found = select(self._rows).where(rows.note.is_not(None), *conditions)
        return self._database.rows(found.order_by(rows.received_at, rows.key).limit(limit))

    def _set(self, marks: Sequence[dict[str, Any]]) -> None:
        def whole(connection: Connection) -> None:
            keys = [mark["key"] for mark in marks]
            connection.execute(self._replays.delete().where(self._replays.c.key.in_(keys)))
            connection.execute(self._replays.insert(), marks)

        self._database.transaction(whole)

    def _remove(self, keys: Sequence[str]) -> None:
        def whole(connection: Connection) -> None:
            rows = self._rows.c
            connection.execute(self._rows.delete().where(rows.key.in_(keys), rows.note.is_not(None)))
            connection.execute(self._replays.delete().where(self._replays.c.key.in_(keys)))

        self._database.transaction(whole)


def _letters(rows: Sequence[Row[Any]]) -> list[DeadLetter]:
    found = (DeadLetter.of(from_row(row._asdict())) for row in rows)
    return [letter for letter in found if letter is not None]


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
