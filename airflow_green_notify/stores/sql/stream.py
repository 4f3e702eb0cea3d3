"""A table as a stream: rows are numbered when somebody reads on, in the order in which they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, literal_column, select, union_all

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.stores.row import from_row
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.tables import StoreTables, column_id
from airflow_green_notify.stores.stream import CHAT_BY_CHAT, Consumer

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.sql.dml import ReturningUpdate

    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.sql.ledger import TranslateErrors

_NUMBERED = ""
"""The name of the row, among those of consumers, whose position is that of the last row numbered so far.

Its page_end is the highest version of all consumers that were forgotten. One that begins anew goes on from
there, so that who saves what it once was is told that it was too late.
"""

_AT_ONCE = 1000
"""Rows that are numbered in one transaction."""

_WHILE_NUMBERING = {"enable_sort": "off", "enable_bitmapscan": "off", "enable_seqscan": "off"}
"""What PostgreSQL is told. Its statistics of rows without a position are always out of date, and it would
sort them all for each part."""

_DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")


class SqlStream:
    """The rows of a table in the order of their positions.

    Writers commit in any order, so neither a clock nor a sequence tells what one has not yet seen. Therefore
    a row gets its position only once it is visible: whoever reads on numbers what has none, in a transaction
    that holds the lock on the last number. So positions become visible in their order, and without gaps,
    and nobody can pass a row by. It costs writers nothing.
    """

    def __init__(self, conn_id: str, table: str, translate_errors: TranslateErrors) -> None:
        self._translate_errors = translate_errors
        with translate_errors():
            tables = StoreTables(table)
            self.database = Database(conn_id)
            self.database.create(tables)
            self._check_dialect()
        self.rows = tables.notifications
        self._table = tables.consumers
        self.tables = tables
        self._numbering = self._numbering_in_one()
        self._is_counted = False

    def end(self) -> int:
        with self._translate_errors():
            self._number_all()
            last = select(self._table.c.position).where(self._table.c.consumer == _NUMBERED)
            return int(self.database.rows(last)[0].position)

    def read(self, after: int, limit: int) -> list[tuple[int, Entry]]:
        with self._translate_errors():
            found = self._read(after, limit)
            if any(row.position is None for row in found):
                self._number_all(limit)
                found = self._read(after, limit)
            numbered = [row for row in found if row.position is not None]
            return [(row.position, from_row(row._asdict())) for row in numbered]

    def before(self, moment: datetime) -> int:
        with self._translate_errors():
            self._number_all()
            since = select(self.rows.c.position).where(self.rows.c.received_at >= moment)
            # The outermost query alone might be answered by a walk along all positions.
            ((first,),) = self.database.rows(select(func.min(since.offset(0).subquery().c.position)))
        return self.end() if first is None else int(first) - 1

    def consumer(self, name: str) -> Consumer | None:
        with self._translate_errors():
            found = select(self._table).where(self._table.c.consumer == column_id(name))
            return next((_consumer(row) for row in self.database.rows(found)), None)

    def consumers(self) -> list[Consumer]:
        with self._translate_errors():
            found = select(self._table).where(self._table.c.consumer != _NUMBERED)
            return [_consumer(row) for row in self.database.rows(found.order_by(self._table.c.consumer))]

    def done(self, consumer: Consumer) -> int:
        if consumer.reader != CHAT_BY_CHAT:
            return consumer.position
        chats = self.tables.chats.c
        oldest = select(func.min(chats.next)).where(chats.consumer == column_id(consumer.name))
        with self._translate_errors():
            ((following,),) = self.database.rows(oldest)
        return consumer.position if following is None else min(int(following) - 1, consumer.position)

    def save(self, consumer: Consumer) -> bool:
        with self._translate_errors():
            return self.saved(consumer)

    def saved(self, consumer: Consumer) -> bool:
        """Do what :meth:`save` does, for the stream's own parts."""
        row = _row(replace(consumer, version=consumer.version + 1))
        if consumer.version == 0:
            return self.database.insert(self._table, row | {"version": self._last_forgotten() + 1})
        last = self._table.c.consumer == row["consumer"], self._table.c.version == consumer.version
        if self.database.execute(self._table.update().where(*last).values(row)):
            return True
        # A statement that was repeated may have met its own effect; the time tells it from somebody else's.
        known = self.consumer(consumer.name)
        return known == replace(consumer, name=row["consumer"], version=consumer.version + 1)

    def forget(self, name: str) -> bool:
        with self._translate_errors():
            self._begin_to_count()
            return self.database.transaction(partial(self._forget, column_id(name))) > 0

    def close(self) -> None:
        self.database.close()

    def _forget(self, name: str, connection: Connection) -> int:
        consumers = self._table.c
        named = consumers.consumer == name, consumers.consumer != _NUMBERED
        version = connection.execute(select(consumers.version).where(*named).with_for_update()).scalar()
        gone = connection.execute(self._table.delete().where(*named)).rowcount
        older = consumers.consumer == _NUMBERED, consumers.page_end < (version or 0)
        connection.execute(self._table.update().where(*older).values(page_end=version))
        chats = self.tables.chats
        connection.execute(chats.delete().where(chats.c.consumer == name))
        return gone

    def _read(self, after: int, limit: int) -> list[Row[Any]]:
        """Return what is numbered behind a position, and one row that isn't if there are any."""
        rows = self.rows.c
        numbered = select(self.rows).where(rows.position > after).order_by(rows.position).limit(limit)
        waiting = self._waiting(1, self.rows)
        both = union_all(*(select(part.subquery()) for part in (numbered, waiting)))
        found = self.database.rows(both)
        if len(found) > limit:
            found = [row for row in found if row.position is not None]
        return sorted(found, key=lambda row: (row.position is None, row.position))

    def _number_all(self, enough: int | None = None) -> None:
        """Give positions to rows until all have one, or so many got one."""
        self._begin_to_count()
        count = 0
        while enough is None or count < enough:
            numbered = self.database.transaction(self._number_some)
            count += numbered
            if numbered < _AT_ONCE:
                return

    def _begin_to_count(self) -> None:
        if not self._is_counted:
            self.database.insert(self._table, _row(Consumer(_NUMBERED, 0)))
            self._is_counted = True

    def _last_forgotten(self) -> int:
        counter = self._table.c
        found = self.database.rows(select(counter.page_end).where(counter.consumer == _NUMBERED))
        return found[0].page_end if found else 0

    def _number_some(self, connection: Connection) -> int:
        """Number the next rows, and return how many those were."""
        counter = self._table.c
        is_last = counter.consumer == _NUMBERED
        locked = self._table.update().where(is_last).values(version=counter.version + 1)
        if self.database.dialect == "postgresql":
            set_locally = (func.set_config(name, value, True) for name, value in _WHILE_NUMBERING.items())
            connection.execute(locked.returning(*set_locally))
            return int(connection.execute(self._numbering).scalar_one())
        connection.execute(locked)
        last = connection.execute(select(counter.position).where(is_last)).scalar_one()
        keys = [row.key for row in connection.execute(self._waiting(_AT_ONCE, self.rows.c.key))]
        if keys:
            self._number(connection, keys, last)
            connection.execute(self._table.update().where(is_last).values(position=last + len(keys)))
        return len(keys)

    def _waiting(self, limit: int, *columns: Any) -> Select[Any]:
        """Return the query of the next rows that have no position, in the order in which they came in.

        It orders by the position too, which is the same for all, since PostgreSQL would sort them otherwise,
        and not see that its index has them in order.
        """
        rows = self.rows.c
        waiting = select(*columns).where(rows.position.is_(None)).limit(limit)
        if self.database.dialect == "sqlite":
            # There nothing has an arrival, and the index that begins with these two ends with the rowid.
            return waiting.where(rows.arrival.is_(None)).order_by(literal_column("rowid"))
        return waiting.order_by(rows.position, rows.arrival)

    def _numbering_in_one(self) -> ReturningUpdate[Any]:
        """Return the statement that numbers the next rows and the counter, and tells how many those were."""
        rows, counter = self.rows.c, self._table.c
        found = self._waiting(_AT_ONCE, rows.key, rows.position, rows.arrival).subquery()
        number = func.row_number().over(order_by=(found.c.position, found.c.arrival)).label("number")
        waiting = select(found.c.key, number).cte("waiting")
        is_last = counter.consumer == _NUMBERED
        last = select(counter.position).where(is_last).scalar_subquery()
        numbered = (
            self.rows.update()
            .where(rows.key == waiting.c.key)
            .values(position=last + waiting.c.number)
            .returning(rows.key)
            .cte("numbered")
        )
        # Not of those numbered: what somebody else erases meanwhile leaves a gap.
        count = select(func.count()).select_from(waiting).scalar_subquery()
        moved = self._table.update().where(is_last).values(position=counter.position + count)
        return moved.add_cte(numbered).returning(count)

    def _number(self, connection: Connection, keys: Sequence[str], last: int) -> None:
        """Give rows the positions behind the last one."""
        rows = self.rows.c
        if self.database.dialect == "sqlite":
            numbered = self.rows.update().where(rows.key == bindparam("k")).values(position=bindparam("p"))
            connection.execute(
                numbered, [{"k": key, "p": position} for position, key in enumerate(keys, last + 1)]
            )
            return
        driver = self.database.driver
        quote, table = driver.identifier_preparer.quote, driver.identifier_preparer.format_table(self.rows)
        mark = {"qmark": "?"}.get(driver.paramstyle, "%s")
        source = f"SELECT {mark} AS k, {mark} AS p" + f" UNION ALL SELECT {mark}, {mark}" * (len(keys) - 1)
        text = (
            f"UPDATE {table} AS r JOIN ({source}) AS v ON r.{quote('key')} = v.k "
            f"SET r.{quote('position')} = v.p"
        )
        values = chain.from_iterable((key, position) for position, key in enumerate(keys, last + 1))
        connection.exec_driver_sql(text, tuple(values))

    def _check_dialect(self) -> None:
        if self.database.dialect not in _DIALECTS:
            self.database.close()
            raise GreenApiConfigError(
                f"Consumers read SQLite, PostgreSQL, MySQL and MariaDB, not {self.database.dialect}: drain "
                "into one of these, or hand batches on."
            )


def _row(consumer: Consumer) -> dict[str, Any]:
    return {
        "consumer": column_id(consumer.name),
        "version": consumer.version,
        "position": consumer.position,
        "page_end": consumer.page_end,
        "reader": consumer.reader,
        "changed_at": consumer.changed_at.astimezone(UTC),
    }


def _consumer(row: Row[Any]) -> Consumer:
    return Consumer(row.consumer, row.position, row.page_end, row.reader, row.version, row.changed_at)
