"""Stores in one transaction what all drains of a fleet have waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Protocol, TypeGuard

from airflow_green_notify.drain.lease import LeaseLost
from airflow_green_notify.drain.store_thread import in_thread
from airflow_green_notify.errors import NotificationStoreError

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink

Outcome = bool | Exception
Put = tuple["Notification", "ReaderLease | None"]


class GroupSink(Protocol):
    """A sink that makes many notifications durable at once."""

    def put_all(self, notifications: Sequence[Notification]) -> list[bool | NotificationStoreError]:
        """Make notifications durable, and return only then, as ``put`` does with each of them.

        :return: For each, in order, whether it is new, or the error that ``put`` would raise.
        """
        ...


class GroupCommit:
    """One writer for many drains: while one group is being stored, the next one gathers.

    A put returns when its own notification is durable. What the store refuses fails for that one alone.

    The lease is looked at when its turn comes: a put before it may have found that the batch is another's by
    now, and the next one takes the batch back, which only who holds the lease may do.

    :param store: Opened; one without ``put_all`` gets one notification after the other.
    :param thread: The only one that puts into it.
    """

    def __init__(self, store: NotificationSink, thread: Executor) -> None:
        self._store = store
        self._together = store if takes_groups(store) else None
        self._thread = thread
        self._waiting: list[tuple[Put, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def put(self, notification: Notification, lease: ReaderLease | None = None) -> bool:
        """Store a notification, as :meth:`NotificationSink.put` does.

        :raises LeaseLost: The lease under which it was received is lost, and it is not stored.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(((notification, lease), stored))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await stored

    async def _write(self) -> None:
        try:
            while group := [each for each in self._waiting if not each[1].done()]:
                self._waiting = []
                outcomes = await in_thread(self._thread, self._put_all, [each for each, _ in group])
                for (_, stored), outcome in zip(group, outcomes, strict=True):
                    _settle(stored, outcome)
        finally:
            self._writer = None
            self._waiting = []

    def _put_all(self, puts: list[Put]) -> list[Outcome]:
        if len(puts) == 1 or self._together is None:
            return [self._put(notification, lease) for notification, lease in puts]
        is_held = [lease is None or lease.is_valid() for _, lease in puts]
        held = [notification for (notification, _), is_it in zip(puts, is_held, strict=True) if is_it]
        outcomes = iter(_put_together(self._together, held))
        return [next(outcomes) if is_it else LeaseLost() for is_it in is_held]

    def _put(self, notification: Notification, lease: ReaderLease | None) -> Outcome:
        try:
            if lease is not None:
                lease.check()
            return self._store.put(notification)
        except BaseException as error:
            return _told(error)


def takes_groups(store: object) -> TypeGuard[GroupSink]:
    """Tell whether a store has a ``put_all`` that does what its ``put`` does.

    One that somebody derived from ours to change ``put`` alone must not be passed by.
    """
    kinds = (vars(kind) for kind in type(store).__mro__)
    return "put_all" in next((kind for kind in kinds if {"put", "put_all"} & {*kind}), {})


def _put_together(store: GroupSink, notifications: list[Notification]) -> list[Outcome]:
    try:
        outcomes: list[Outcome] = [*store.put_all(notifications)] if notifications else []
    except BaseException as error:
        return [_told(error)] * len(notifications)
    if len(outcomes) != len(notifications):
        text = f"put_all() was given {len(notifications)} notifications, and told of {len(outcomes)}."
        return [NotificationStoreError(text)] * len(notifications)
    return outcomes


def _told(error: BaseException) -> Exception:
    """Return what a future takes: each drain that waits must be told something."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    told = NotificationStoreError(f"The store raised {type(error).__name__}: {error}")
    told.__cause__ = error
    return told


def _settle(stored: asyncio.Future[bool], outcome: Outcome) -> None:
    """Tell the drain that waits for it; one that was cancelled meanwhile doesn't."""
    if stored.done():
        return
    if isinstance(outcome, Exception):
        stored.set_exception(outcome)
    else:
        stored.set_result(outcome)
