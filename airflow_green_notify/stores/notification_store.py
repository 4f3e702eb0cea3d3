"""What every store promises: a sink for a drain, a ledger for each who keeps count, and the whole of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from types import TracebackType

    from airflow_green_notify.message import Message
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.ledger import BatchRecord, BatchState


class NotificationSink(Protocol):
    """Where a drain puts a notification before it deletes it from the gateway."""

    def put(self, notification: Notification) -> bool:
        """Make a notification durable, and return only then: next it is deleted from the gateway.

        It may come again, with the same key. Calls may come from another thread than that which opened the
        sink, one at a time.

        :return: ``True`` if it is new, ``False`` if it was there already.
        :raises NotificationStoreError: It may or may not be durable: don't delete it from the gateway. The
            same put may be tried again.
        :raises BatchTaken: It is not stored, and the batch is another's now; the next put opens it again,
            unless another try of the task has gone on with it.
        """
        ...


class NoteSink(NotificationSink, Protocol):
    """A sink that keeps a note beside a notification, such as why it is a dead letter."""

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        """Store a notification unless its key is there, in whichever batch; see :class:`NotificationSink`.

        Nor is it stored if a backfill of its queue stored the message that it brings; one with a note is no
        more what a queue brought, and is always stored under its key.

        :param note: Small JSON value kept beside it.
        :raises ValueError: Its key could not be checked (``key_is_checked``).
        """
        ...


class AttemptLedger(Protocol):
    """How often it was attempted to handle each notification, over all tries and runs."""

    def begin_attempt(self, key: str) -> int:
        """Count an attempt at handling a notification, durably, and return its number, from 1.

        :return: 0 if the notification was finished before.
        """
        ...

    def finish(self, key: str) -> None:
        """Note durably that a notification is handled: no attempt at it begins any more."""
        ...

    def forget_attempts(self, key: str) -> None:
        """Let attempts at a notification be counted from 1 again."""
        ...


class BatchLedger(Protocol):
    """Which batches of a store were handed on, seen from the one that is open."""

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        """Return the other batches of this Dag, task and queue that may hold what nobody was told of.

        Those that are confirmed, and those adopted of which nothing is left, are not among them.

        :param queues: Other queues whose batches count as those of the batch's own queue do.
        """
        ...

    def adopt(self, record: BatchRecord) -> int | None:
        """Take what is in another batch into this one. The caller holds the queue's lease.

        :return: How many notifications those were; ``None`` if the batch changed since ``record`` was read.
        """
        ...

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        """Note what became of a closed batch, so that nobody asks for it again."""
        ...


class LeaseLedger(Protocol):
    """The leases on queues. Any thread may call it, one at a time, also while a notification is being put.

    Each lease is one of its own: of those that are asked for together some may be had and others not. After
    an error that may be so too, and the same may be asked again.
    """

    def take_leases(self, queues: Sequence[str], owner: str, span: float) -> dict[str, tuple[str, str]]:
        """Take the leases on queues, except those that somebody else has.

        :param span: Seconds until they expire, by the clock of the store.
        :return: For each queue who has its lease now, and who had it before (empty if nobody had).
        :raises NotificationStoreError: The store can't be reached.
        """
        ...

    def renew_leases(self, queues: Sequence[str], owner: str, span: float) -> set[str]:
        """Let the leases expire later; return the queues whose lease nobody else took."""
        ...

    def release_leases(self, queues: Sequence[str], owner: str) -> None:
        """Let those of the leases expire now that are still this owner's."""
        ...


class MessageLookup(Protocol):
    """Which messages a store holds."""

    def held_messages(self, since: datetime) -> set[Message]:
        """Return the messages that the whole store holds, in whichever batch, received from ``since`` on.

        It reads much, and is meant for repairs.
        """
        ...


class NotificationStore(NoteSink, AttemptLedger, BatchLedger, MessageLookup, Protocol):
    """Where notifications become durable, before they are deleted from the gateway.

    A store as written in a Dag is a mere description: no connection is looked up before :meth:`open`.

    What it names in ``template_fields`` Airflow renders, on a copy for each task. A ``__repr__`` of one's own
    is what Airflow shows of it.

    Used as ``with store.open(batch_id) as opened:``, it is closed at the end. An exception leaves the batch
    unfinished, as a crash would, and the retry of the task goes on with it.
    """

    def open(self, batch_id: str, queue: str = "") -> Self:
        """Return this store opened for a batch; the same id again continues that batch.

        Tables or folders that are missing are created.

        :param queue: The queue that the notifications come from, if the batch is to be adopted by the next
            drain of it should its task die.
        :raises NotificationStoreError: It can't be used; the text says what to fix.
        """
        ...

    def close(self) -> dict[str, Any]:
        """Finish the batch and return its description, small JSON that :func:`read_batch` reads.

        Repeatable: after a failure, and by the retry of a task that died in it.
        """
        ...

    def release(self) -> None:
        """Let go of connections and leave the batch unfinished, for the retry of the task."""
        ...

    @property
    def leases(self) -> LeaseLedger:
        """The leases on queues that readers hold who put into this store."""
        ...

    def __repr__(self) -> str:
        """Return the same in each process, since it becomes part of the serialized Dag."""
        return f"{type(self).__qualname__}()"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.release()
