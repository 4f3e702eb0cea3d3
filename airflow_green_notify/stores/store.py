"""What the two stores have in common: a description, and a batch once opened."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stores.ledger import warn_of
from airflow_green_notify.stores.notification_store import (
    AttemptLedger,
    BatchLedger,
    MessageLookup,
    NoteSink,
    NotificationStore,
)

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.message import Message
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.dead_letters import DeadLetters
    from airflow_green_notify.stores.drain_record import DrainRecord, DrainRecords
    from airflow_green_notify.stores.erasing import Eraser
    from airflow_green_notify.stores.ledger import BatchRecord, BatchState, LedgerView
    from airflow_green_notify.stores.notification_store import LeaseLedger
    from airflow_green_notify.stores.outcome import Outcome
    from airflow_green_notify.stores.report import Report
    from airflow_green_notify.stores.stream import StoredStream


class KeptAttempts(AttemptLedger, Protocol):
    """The attempts at all notifications of a store, as far as they may still be asked for."""

    def forget_old(self) -> None:
        """Remove what was noted so long ago that no queue brings it again, nor a replay."""
        ...


class OpenBatch(NoteSink, BatchLedger, MessageLookup, Protocol):
    """A batch at work, and the ledgers of its store.

    After :meth:`finish`, ``taken`` tells of notifications that another batch took from this one.
    """

    @property
    def leases(self) -> LeaseLedger:
        """Who reads which queue into the store."""
        ...

    @property
    def attempts(self) -> KeptAttempts:
        """The attempts at all notifications of the store."""
        ...

    @property
    def drains(self) -> DrainRecords:
        """What came of each drain into the store."""
        ...

    @property
    def taken(self) -> BatchRecord | None:
        """This batch's record if another batch took from it."""
        ...

    def put_all(self, notifications: Sequence[Notification]) -> list[Outcome]:
        """Put many, and return the outcome of each; errors of the store are raised for none of them."""
        ...

    def finish(self) -> int:
        """Finish the batch and return how many notifications it has."""
        ...

    def release(self) -> None:
        """Let go of connections."""
        ...


class Store(NotificationStore):
    """A store that hands its work to the batch it opened, and says what an error means."""

    template_fields: ClassVar[Sequence[str]] = ()
    _batch: OpenBatch | None = None
    _description: Mapping[str, str | int | None] = {}

    def __eq__(self, other: object) -> bool:
        """Tell whether the other one is the same place, as far as their descriptions say."""
        return isinstance(other, Store) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def _place(self) -> tuple[str, ...]:
        parts = (str(getattr(self, name)).rstrip("/") for name in self.template_fields)
        return (type(self).__name__, *parts)

    def open(self, batch_id: str, queue: str = "") -> Self:
        opened = copy.copy(self)
        opened._description = {"batch_id": batch_id, **self._described(batch_id)}
        with self._translate_errors():
            opened._batch = self._open_batch(batch_id, queue)
        return opened

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        if not notification.key_is_checked:
            raise ValueError(_unchecked(notification))
        with self._at_work() as batch:
            return batch.put(notification, note)

    def put_all(self, notifications: Sequence[Notification]) -> list[Outcome]:
        """Store many at once (group commit), as :meth:`put` stores each, and return when they are durable.

        Those of one queue stand in the batch in the order in which they are given. After a crash in the
        middle each is stored or not.

        :return: For each, in the same order, ``True`` if it is new, ``False`` if it was there already, or the
            error with which it was not stored, or perhaps was: one that the database refuses fails alone. If
            the batch is another's now, that is :class:`BatchTaken` for all that are not there.
        """
        batch = self._opened()
        outcomes = iter(batch.put_all([each for each in notifications if each.key_is_checked]))
        return [
            next(outcomes) if each.key_is_checked else NotificationStoreError(_unchecked(each))
            for each in notifications
        ]

    def close(self) -> dict[str, Any]:
        if "count" not in self._description:
            with self._at_work() as batch:
                self._description = {**self._description, "count": batch.finish()}
            if batch.taken is not None and batch.taken.adopted_by:
                warn_of([batch.taken])
            self.release()
        return dict(self._description)

    def begin_attempt(self, key: str) -> int:
        with self._at_work() as batch:
            return batch.attempts.begin_attempt(key)

    def finish(self, key: str) -> None:
        with self._at_work() as batch:
            batch.attempts.finish(key)

    def forget_attempts(self, key: str) -> None:
        with self._at_work() as batch:
            batch.attempts.forget_attempts(key)

    def held_messages(self, since: datetime) -> set[Message]:
        with self._at_work() as batch:
            return batch.held_messages(since)

    @property
    def leases(self) -> LeaseLedger:
        return self._opened().leases

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        with self._at_work() as batch:
            return batch.not_handed_on(queues)

    def adopt(self, record: BatchRecord) -> int | None:
        with self._at_work() as batch:
            return batch.adopt(record)

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        with self._at_work() as batch:
            batch.settle(record, state)

    def note_drains(self, records: Sequence[DrainRecord]) -> None:
        """Keep what came of drains into this store, for :meth:`drains`."""
        with self._at_work() as batch:
            batch.drains.add(records)

    def forget_old(self) -> None:
        """Let go of what was noted of attempts more than 30 days ago, as each drain does at its end.

        What the gateway may still hand out is a day old at most, and what waits for its replay is kept.
        """
        with self._at_work() as batch:
            batch.attempts.forget_old()

    def release(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            with self._translate_errors():
                batch.release()

    def unconfirmed_batches(self) -> list[BatchRecord]:
        """Return the batches of which it isn't known that a task returned them. The store needn't be open.

        :raises NotificationStoreError: There is no such store, or it can't be reached.
        """
        with self._translate_errors(), closing(self._view()) as view:
            return view.unconfirmed()

    def give_to_next_drain(self, batch_id: str) -> bool:
        """Let the next drain of the same Dag, task and queue hand on what a batch holds.

        :return: ``False`` if there is no such batch.
        :raises NotificationStoreError: There is no such store, or it can't be reached.
        """
        with self._translate_errors(), closing(self._view()) as view:
            return view.give_to_next_drain(batch_id)

    def drains(self, since: datetime) -> list[DrainRecord]:
        """Return what came of each drain into this store that ended since then. The store needn't be open.

        There is one for each drain and instance, for 30 days; of one that was killed there is none.

        :param since: With a time zone.
        :return: In the order of their ends.
        :raises NotificationStoreError: There is no such store, or it can't be reached.
        """
        if since.tzinfo is None:
            raise ValueError(f"since is {since!r}; it must have a time zone.")
        with self._translate_errors(), closing(self._view()) as view:
            return view.drains.since(since)

    def report(self, reports: Sequence[Report]) -> None:
        """Keep what watchers and examinations say of themselves, for :meth:`reports`, durably.

        Of each kind, name and connection the newest one is kept, for 30 days. The store needn't be open; what
        is missing of it for this is created.

        :raises NotificationStoreError: It can't be reached.
        """
        bounded = {each.id: each for each in (each.bounded() for each in reports)}
        if bounded:
            with self._translate_errors(), closing(self._view()) as view:
                view.reports.add([*bounded.values()])

    def reports(self) -> list[Report]:
        """Return what watchers and examinations said last. The store needn't be open, nor be there yet.

        :return: In the order of their kinds, names and connections.
        :raises NotificationStoreError: It can't be reached.
        """
        with self._translate_errors(), closing(self._view()) as view:
            return view.reports.all()

    def stream(self) -> StoredStream:
        """Return all that the store holds as a stream, for consumers; close it in the end.

        The store needn't be open; what is missing of it is created.

        :raises NotificationStoreError: It can't be reached.
        :raises GreenApiConfigError: It is a database that has no streams.
        """
        raise NotImplementedError

    def described(self) -> dict[str, str | None]:
        """Return what makes the same store again, as JSON."""
        raise NotImplementedError

    def dead_letters(self) -> DeadLetters:
        """Return the dead letters that the store holds; close that in the end. The store needn't be open."""
        raise NotImplementedError

    def eraser(self) -> Eraser:
        """Return who erases in the whole store; close it in the end. The store needn't be open.

        :raises NotificationStoreError: There is no such store, or it can't be reached.
        :raises GreenApiConfigError: It is a database that has no streams.
        """
        raise NotImplementedError

    def _opened(self) -> OpenBatch:
        if self._batch is None:
            raise NotificationStoreError(
                "The store is not open: use what its open() returned, before its close()."
            )
        return self._batch

    @contextmanager
    def _at_work(self) -> Iterator[OpenBatch]:
        """Give the open batch, and say what an error means."""
        batch = self._opened()
        with self._translate_errors():
            yield batch

    def _open_batch(self, batch_id: str, queue: str) -> OpenBatch:
        raise NotImplementedError

    def _view(self) -> LedgerView:
        raise NotImplementedError

    def _described(self, batch_id: str) -> Mapping[str, str | None]:
        """Return what a reader of the batch has to know."""
        raise NotImplementedError

    def _translate_errors(self) -> AbstractContextManager[None]:
        """Turn whatever goes wrong into an error that says what to do."""
        raise NotImplementedError


def _unchecked(notification: Notification) -> str:
    return (
        f"{notification!r} was not stored: its key is not that of its body. A thumbnail was left out "
        "on its way through XCom, or somebody made the key up. The store would take the real one for "
        "a duplicate, and a drain would delete it. Drain the queue into the store, or put "
        "Notification(receipt_id, body), which has a key of its own."
    )
