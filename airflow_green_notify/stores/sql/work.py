"""Work on a table, chat by chat: who has which chat, and what is next in it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.exc import IntegrityError

from airflow_green_notify.stores.row import from_row
from airflow_green_notify.stores.sql.chat_rows import ChatRows
from airflow_green_notify.stores.sql.clock import now
from airflow_green_notify.stores.sql.intake import Intake, IsMeant, chat_row, is_to_handle, lane_of
from airflow_green_notify.stores.sql.tables import column_id

if TYPE_CHECKING:
    from sqlalchemy import Row, Select, Update

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.dead_letter import DeadLetter
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.sql.ledger import TranslateErrors
    from airflow_green_notify.stores.sql.stream import SqlStream
    from airflow_green_notify.stores.stream import Start

_CANDIDATES = 16
"""Chats that are looked at where the database can't skip those that others are just taking."""


@dataclass(frozen=True)
class Claim:
    """A chat that is somebody's until the lease expires.

    :param chat: What stands for it.
    :param position: The row that is next in it.
    :param last: The last row of it that was taken in.
    :param attempt: The number of this attempt at the row, from 1, which is counted by now.
    :param owner: A word of its own for each claim: whoever has none that holds changes nothing.
    :param letter: The dead letter that is replayed in the chat, instead of what is next in it. Then the row
        is the one that was given up, or one behind the end of the table, and attempts are the letter's.
    """

    chat: str
    position: int
    last: int
    attempt: int
    owner: str
    letter: DeadLetter | None = None


class SqlWork:
    """What a consumer has to do on a table, and the leases on its chats, judged by the database's clock.

    For each chat a row tells which notification is next (``next``), which is the last that was taken in
    (``last``), and which was handled last (``done``). A claim takes the chat whose next one is oldest, and
    counts the attempt. It ends when the next one is noted, or that there is none: on the condition that
    nothing was taken in meanwhile, so that nothing is forgotten; and that the lease is still this claim's.

    Each method but :meth:`renew` and :meth:`history` is for one thread.

    :param is_meant: Judges what the consumer is to handle, each time alike.
    :param span: Seconds after which the lease of whoever died is anybody's.
    :raises NotificationStoreError: Any method, if the database can't be reached. Each may be repeated.
    """

    def __init__(
        self,
        stream: SqlStream,
        consumer: str,
        is_meant: IsMeant,
        translate_errors: TranslateErrors,
        span: float,
    ) -> None:
        self._stream = stream
        self._is_meant = is_meant
        self._translate_errors = translate_errors
        self._span = span
        self._database = stream.database
        self._renewals = self._database.beside()
        self._chat_rows = ChatRows(self._database, stream.rows)
        self._table = stream.tables.chats
        self._own = self._table.c.consumer == column_id(consumer)
        self.consumer = consumer
        self._intake = Intake(stream, consumer, is_meant)
        self._now = now(self._database)

    def begin(self, start: Start) -> None:
        """Make the consumer known if it is new: where it starts.

        :raises GreenApiConfigError: It is one that reads in pages.
        """
        with self._translate_errors():
            self._intake.begin(start)

    def take_in(self, limit: int) -> int:
        """Look at the next rows of the store; return how many there were, 0 if none by now."""
        with self._translate_errors():
            return self._intake.take_in(limit)

    def claim(self, busy: Collection[str]) -> Claim | None:
        """Take the chat that is free and whose next row is oldest, and count an attempt at that.

        :param busy: Chats that are not to be taken.
        :return: ``None`` if there is none.
        """
        with self._translate_errors():
            if self._database.dialect == "postgresql":
                return self._claim_unlocked(busy)
            return self._claim_compared(busy)

    def claim_for(self, letter: DeadLetter) -> Claim | None:
        """Take the chat of a dead letter, if it is free, whether or not something is next in it.

        What is next stays so, and neither it nor an attempt at it is counted; :meth:`give_back` ends the
        claim.

        :return: ``None`` if somebody else has the chat, or it pauses.
        """
        notification, owner = letter.notification, secrets.token_hex(16)
        with self._translate_errors():
            position = self._chat_rows.position_of(notification)
            claim = Claim(lane_of(notification), position, last=0, attempt=0, owner=owner, letter=letter)
            return claim if self._take_chat(claim) else None

    def read(self, claim: Claim) -> Notification | None:
        """Return what is next in a chat; ``None`` if it was erased."""
        with self._translate_errors():
            rows = self._stream.rows
            found = self._database.rows(select(rows).where(rows.c.position == claim.position))
            entries = [from_row(row._asdict()) for row in found]
        return next((each.notification for each in entries if self._is_in(each, claim.chat)), None)

    def finish(self, claim: Claim) -> bool:
        """Note that the row is handled and which is next, and give the chat back.

        :return: ``False`` if the chat is another's by now, who handles the row again.
        """
        with self._translate_errors():
            while True:
                following = self._following(claim)
                known = self._held(claim) if following else and_(self._held(claim), self._is_last(claim))
                done = {"done": claim.position, "next": following, "attempts": 0}
                spent = f"-{claim.owner[1:]}"
                if self._database.execute(self._changed(known, done | {"owner": spent, "expires_at": 0.0})):
                    return True
                row = self._row(claim)
                if row is None or row.owner != claim.owner:
                    # A statement that was repeated may have met its own effect.
                    return row is not None and row.owner == spent
                claim = replace(claim, last=row.last)

    def give_back(self, claim: Claim, pause: float, attempts: int | None = None) -> None:
        """Let anybody take the chat, at the same row.

        :param pause: Seconds from now on in which nobody does.
        :param attempts: How many attempts at the row count, if that changes.
        """
        free = {"owner": "", "expires_at": self._now + pause if pause else 0.0}
        counted = {} if attempts is None else {"attempts": attempts}
        with self._translate_errors():
            self._database.execute(self._changed(self._held(claim), free | counted))

    def hold(self, claim: Claim) -> bool:
        """Tell whether the chat is still this claim's, and keep it for another span if so."""
        with self._translate_errors():
            longer = {"expires_at": self._now + self._span}
            return self._database.execute(self._changed(self._held(claim), longer)) > 0

    def forget_attempts(self, claim: Claim) -> None:
        """Let attempts at the row be counted from 1 again, and keep the chat."""
        with self._translate_errors():
            self._database.execute(self._changed(self._held(claim), {"attempts": 0}))

    def renew(self, chats: Mapping[str, str]) -> None:
        """Let leases expire later, except those that somebody else took. Any thread may call this.

        :param chats: The chat of each owner.
        """
        chat = self._table.c
        theirs = and_(self._own, chat.chat.in_([*chats.values()]), chat.owner.in_([*chats]))
        with self._translate_errors():
            self._renewals.execute(self._changed(theirs, {"expires_at": self._now + self._span}))

    def is_left(self, busy: Collection[str]) -> bool:
        """Tell whether any chat but these has something next, whosever it is."""
        with self._translate_errors():
            return bool(self._database.rows(self._waiting(busy).limit(1)))

    def lag(self) -> int:
        """Return how many rows there are from the oldest on that isn't handled."""
        with self._translate_errors():
            end = self._stream.end()
            ((oldest,),) = self._database.rows(select(func.min(self._table.c.next)).where(self._own))
            known = self._stream.consumer(self.consumer)
        taken_in = known.position if known else 0
        return end - (taken_in if oldest is None else min(int(oldest) - 1, taken_in))

    def history(self, claim: Claim, count: int) -> list[Notification]:
        """Return the last messages of the chat up to the row of a claim, oldest first. Any thread may ask."""
        with self._translate_errors():
            return self._chat_rows.history(claim.chat, claim.position, count)

    def close(self) -> None:
        """Let go of connections."""
        self._renewals.close()
        self._chat_rows.close()
        self._stream.close()

    # --- claims ---

    def _claim_unlocked(self, busy: Collection[str]) -> Claim | None:
        """Take it in one statement, which passes by what others are just taking."""
        owner, chats = secrets.token_hex(16), self._table.c
        free = self._waiting(busy).where(chats.expires_at <= self._now).limit(1)
        chosen = chats.chat == free.with_for_update(skip_locked=True).scalar_subquery()
        taken = self._changed(and_(self._own, chosen), self._taken(owner, chats.attempts + 1))
        found = self._database.rows(taken.returning(chats.chat, chats.next, chats.last, chats.attempts))
        return next((Claim(row.chat, row.next, row.last, row.attempts, owner) for row in found), None)

    def _claim_compared(self, busy: Collection[str]) -> Claim | None:
        """Take the first that nobody else took since it was looked for."""
        owner, chats = secrets.token_hex(16), self._table.c
        free = self._waiting(busy).where(chats.expires_at <= self._now).limit(_CANDIDATES)
        while candidates := self._database.rows(free.with_only_columns(*self._table.c)):
            for row in candidates:
                unchanged = and_(
                    chats.owner == row.owner, chats.next == row.next, chats.expires_at <= self._now
                )
                # A statement that is repeated may meet its own effect.
                known = and_(self._own, chats.chat == row.chat, or_(unchanged, chats.owner == owner))
                if self._database.execute(self._changed(known, self._taken(owner, row.attempts + 1))):
                    return Claim(row.chat, row.next, row.last, row.attempts + 1, owner)
        return None

    def _take_chat(self, claim: Claim) -> bool:
        """Take a certain chat, which may be noted nowhere by now."""
        chats, lease = self._table.c, self._leased(claim.owner)
        free = or_(chats.expires_at <= self._now, chats.owner == claim.owner)
        take = self._changed(and_(self._own, chats.chat == claim.chat, free), lease)
        if self._database.execute(take):
            return True
        if self._row(claim) is not None:
            return False
        row = chat_row(self.consumer, claim.chat) | lease
        try:
            return self._database.execute(self._table.insert().values(**row)) > 0
        except IntegrityError:  # somebody was faster, or this was repeated and met its own effect
            return self._database.execute(take) > 0

    def _leased(self, owner: str) -> dict[str, Any]:
        return {"owner": owner, "expires_at": self._now + self._span}

    def _taken(self, owner: str, attempts: Any) -> dict[str, Any]:
        return self._leased(owner) | {"attempts": attempts}

    def _waiting(self, busy: Collection[str]) -> Select[Any]:
        """Return the query for chats in which something is next, oldest first."""
        chats = self._table.c
        found = select(chats.chat).where(self._own, chats.next.is_not(None)).order_by(chats.next)
        return found.where(chats.chat.not_in([*busy])) if busy else found

    def _held(self, claim: Claim) -> ColumnElement[bool]:
        chats = self._table.c
        return and_(self._own, chats.chat == claim.chat, chats.owner == claim.owner)

    def _is_last(self, claim: Claim) -> ColumnElement[bool]:
        return self._table.c.last == claim.last

    def _changed(self, condition: ColumnElement[bool], values: Mapping[str, Any]) -> Update:
        return self._table.update().where(condition).values(**values)

    def _row(self, claim: Claim) -> Row[Any] | None:
        found = select(self._table).where(self._own, self._table.c.chat == claim.chat)
        return next(iter(self._database.rows(found)), None)

    # --- rows of a chat ---

    def _following(self, claim: Claim) -> int | None:
        """Return the position of the next row of the chat that the consumer is to handle."""
        return next(
            (
                position
                for position, entry in self._chat_rows.behind(claim.chat, claim.position, claim.last)
                if self._is_in(entry, claim.chat) and is_to_handle(entry, self._is_meant)
            ),
            None,
        )

    @staticmethod
    def _is_in(entry: Entry, chat: str) -> bool:
        return lane_of(entry.notification) == chat
