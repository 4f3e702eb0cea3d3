"""How a drain puts what it received into a store: by itself, or together with the drains beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_green_notify.drain.handling import NotificationHandler
from airflow_green_notify.drain.replaying import InTurn
from airflow_green_notify.drain.store_thread import in_thread
from airflow_green_notify.filters import Verdict

if TYPE_CHECKING:
    from airflow_green_notify.drain.group_commit import GroupCommit
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.drain.report import DrainReport
    from airflow_green_notify.drain.routing import Routing
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink

T = TypeVar("T")


class Writer(Protocol):
    """Where a drain's notifications become durable."""

    async def put(self, notification: Notification, report: DrainReport) -> None:
        """Put the notification where it belongs, durably, and count it.

        :raises LeaseLost: The lease ran out meanwhile, and it is not stored.
        """
        ...

    async def aside(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what may block, such as asking for a lease."""
        ...


class DirectWriter:
    """Puts one notification after the other.

    :param thread: Where what may block is done; without one, in the event loop's own thread.
    :param lease: Without which nothing is put.
    """

    def __init__(
        self, routing: Routing[NotificationSink], thread: Executor | None, lease: ReaderLease | None
    ) -> None:
        self._routing = routing
        self._thread = thread
        self._lease = lease

    async def put(self, notification: Notification, report: DrainReport) -> None:
        await self.aside(self._put, notification, report)

    def _put(self, notification: Notification, report: DrainReport) -> None:
        verdict = self._routing.verdict(notification)
        if self._lease is not None:
            self._lease.check()  # behind the verdict, and behind the puts of others: either may take long
        sink = self._routing.sink(verdict)
        report.count_put(verdict, sink.put(notification))
        if isinstance(sink, NotificationHandler | InTurn):
            report.dead_letters = sink.dead_letters

    async def aside(self, work: Callable[..., T], *arguments: object) -> T:
        if self._thread is not None:
            return await in_thread(self._thread, work, *arguments)
        result = work(*arguments)
        await asyncio.sleep(0)  # what was cancelled while this blocked the event loop ends here
        return result


class GroupWriter:
    """Puts together with the drains beside it what all of them have waiting."""

    def __init__(self, routing: Routing[GroupCommit], thread: Executor, lease: ReaderLease | None) -> None:
        self._routing = routing
        self._thread = thread
        self._lease = lease

    async def put(self, notification: Notification, report: DrainReport) -> None:
        verdict = Verdict.MATCH
        if self._routing.judges:
            verdict = await self.aside(self._routing.verdict, notification)
        report.count_put(verdict, await self._routing.sink(verdict).put(notification, self._lease))

    async def aside(self, work: Callable[..., T], *arguments: object) -> T:
        return await in_thread(self._thread, work, *arguments)
