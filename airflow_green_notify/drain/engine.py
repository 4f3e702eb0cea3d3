"""The loop of a drain.

Per notification, always: received, then stored durably, then deleted. The physical limit of a queue that
shows only its head is one round trip per notification, so the DELETE of one goes out first and the receive of
the next right behind it, without waiting. A receipt id is used once, for what was just received: when a
delete ends in doubt, the next receive tells. The same key means that it is still there, and it is deleted
under its new receipt id; another key means that it is gone. The same holds when the put took long: a receipt
id is good for a moment only.

One reader at a time holds the queue's lease. It is checked before each put and each delete.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_green_notify.drain.doubt import Doubts
from airflow_green_notify.drain.lease import LeaseLost
from airflow_green_notify.drain.report import DrainReport, StopCondition
from airflow_green_notify.hooks.queue_head import QueueHead
from airflow_green_notify.progress import Progress, span
from airflow_green_notify.stores.ledger import BatchTaken

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.drain.routing import Routing
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_REPEAT_PAUSE = 1.0
"""Seconds between two deletes of one notification that the queue holds twice."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may lie ahead of the gateway's clock; further ahead it is no reason to stop."""


class Drain:
    """One drain at work; its arguments are those of :func:`~airflow_green_notify.drain.run.adrain`."""

    def __init__(
        self,
        hook: GreenApiHook,
        routing: Routing,
        stop: StopCondition,
        receive_timeout: float,
        keep: Callable[[Notification], bool] | None,
        overlap: bool,
        store_thread: Executor | None,
        lease: ReaderLease | None,
    ) -> None:
        self.hook = hook
        self.routing = routing
        self.stop = stop
        self.receive_timeout = receive_timeout
        self.keep = keep
        self.store_thread = store_thread
        self.lease = lease
        self.report = DrainReport(overlap=overlap)
        self.started = time.monotonic()
        self.until = stop.until
        self.queue = QueueHead(hook)
        self.is_ahead = False
        """Whether the head's timestamp lies in the future, which that of no event that has happened can."""
        self.last_key = ""
        self.repeats = 0
        self.unsettled = ""
        self.doubts = Doubts()
        self.progress = Progress()

    async def run(self) -> DrainReport:
        try:
            head = await self._receive()
            while not (stopped_by := self._stopped_by(head)):
                head = await (self._receive() if head is None else self._put_and_delete(head))
            self.report.stopped_by = stopped_by
        except LeaseLost:
            self.report.stopped_by = "another_reader"
        finally:
            self._close_report()
        return self.report

    # --- stopping ---

    def _stopped_by(self, head: Notification | None) -> str:
        """Say why to stop with this head still in the queue, or ``""``."""
        if self._limit_reached():
            return "max_notifications"
        if head is None:
            if self.queue.empty_answers >= self.stop.empty_answers:
                self._settle(head)
                return "empty"
        elif self._is_newer(head):
            return "until"
        elif self.keep and self.keep(head):
            return "kept"
        return "max_seconds" if self._seconds_left() <= 0 else ""

    def _is_newer(self, head: Notification) -> bool:
        if self.is_ahead or not isinstance(self.until, datetime):
            return False
        timestamp = head.timestamp
        return timestamp is not None and timestamp > self.until

    def _gateway_time(self) -> datetime:
        return self.hook.gateway_time() or datetime.now(UTC)

    def _limit_reached(self, under_way: int = 0) -> bool:
        limit = self.stop.max_notifications
        return limit is not None and self.report.deleted + under_way >= limit

    def _seconds_left(self) -> float:
        if self.stop.max_seconds is None:
            return float("inf")
        return self.stop.max_seconds - (time.monotonic() - self.started)

    # --- receiving ---

    async def _receive(self) -> Notification | None:
        """Receive the head, and note what it tells."""
        head = await self.queue.receive(min(self.receive_timeout, max(1.0, self._seconds_left())))
        if self.until == "start":
            self.until = self._gateway_time()
        if head is not None:
            self._count_received(head)
        elif fault := await self.queue.fault():
            log.warning("%s", fault)
        return head

    def _count_received(self, head: Notification) -> None:
        self._settle(head)
        self.report.received += 1
        self.is_ahead = False
        age: timedelta | None = None
        if (timestamp := head.timestamp) is not None:
            age = self._gateway_time() - timestamp
            self.is_ahead = -age > CLOCK_TOLERANCE
            if not self.is_ahead:
                self.report.oldest_age = max(self.report.oldest_age or 0.0, age.total_seconds())
        if self.progress.is_due():
            self._tell_progress(age)

    # --- storing and deleting ---

    async def _put_and_delete(self, notification: Notification) -> Notification | None:
        """Store, then delete; return the next head."""
        if notification.key != self.last_key:
            self.report.future_timestamps += self.is_ahead
        await self._back_off_from_repeats(notification)
        await self._hold_lease()
        try:
            await self._in_thread(self.routing.put, notification, self.report)
        except (LeaseLost, BatchTaken):
            if self.lease is None:
                raise
            await self._take_lease(self.lease)
            return await self._receive()
        head = await self._received_freshly(notification)
        if head is None or head.key != notification.key:
            self.report.other_consumers += head is not None
            return head
        self.unsettled = head.key
        if not self.report.overlap or self._limit_reached(under_way=1):
            return await self._delete_then_receive(head)
        return await self._delete_beside_receive(head)

    async def _received_freshly(self, notification: Notification) -> Notification | None:
        """Return the notification under a receipt id good for a delete, or else what the queue shows."""
        head: Notification | None = notification
        await self._hold_lease()
        while head is not None and head.key == notification.key and not self.queue.receipt.is_fresh():
            head = await self._receive()
            await self._hold_lease()
        return head

    async def _hold_lease(self) -> None:
        """Make sure that nobody else reads this queue, or end."""
        if self.lease is not None and not self.lease.is_valid():
            await self._take_lease(self.lease)

    async def _take_lease(self, lease: ReaderLease) -> None:
        if not await self._in_thread(lease.take):
            raise LeaseLost

    async def _back_off_from_repeats(self, notification: Notification) -> None:
        """Wait before a notification that came again is deleted again."""
        if notification.key != self.last_key:
            self.last_key, self.repeats, self.doubts = notification.key, 0, Doubts()
            return
        self.repeats += 1
        if self.doubts.last is None:  # its delete was confirmed, so the queue holds it twice
            await asyncio.sleep(min(0.05 * self.repeats, LONGEST_REPEAT_PAUSE))
        self.doubts.give_up()
        await self.doubts.back_off()

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what may block, in the store's thread if there is one.

        Nothing is deleted if the drain is cancelled meanwhile.
        """
        if self.store_thread is None:
            result = work(*arguments)
            await asyncio.sleep(0)  # what was cancelled while this blocked the event loop ends here
            return result
        call = partial(contextvars.copy_context().run, work, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self.store_thread, call)

    async def _delete_then_receive(self, notification: Notification) -> Notification | None:
        await self._delete(notification)
        return None if self._limit_reached() else await self._receive()

    async def _delete_beside_receive(self, notification: Notification) -> Notification | None:
        """Send the delete and, without waiting, the receive of what is behind it."""
        deleted, head = await asyncio.gather(
            self._delete(notification), self._receive(), return_exceptions=True
        )
        if isinstance(deleted, BaseException):
            raise deleted
        if isinstance(head, BaseException):
            raise head
        if head is not None and head.key == notification.key:
            self._count_overtaken()
            return await self._receive()  # the receipt id that overtook the delete may be stale by now
        if head is None and self.unsettled:
            self.queue.empty_answers = 0  # it came beside a delete in doubt, and so proves nothing
        return head

    async def _delete(self, notification: Notification) -> None:
        if await self.doubts.delete(self.hook, notification):
            self._settle(None)
            return
        self.report.doubtful_deletes += 1
        self.report.other_consumers += self.doubts.was_gone

    def _settle(self, head: Notification | None) -> None:
        """Count the last delete as done, unless its notification is still what the queue shows."""
        if self.unsettled and (head is None or head.key != self.unsettled):
            self.report.deleted += 1
            self.unsettled = ""

    def _count_overtaken(self) -> None:
        if self.unsettled:
            return
        self.report.overtaken += 1
        if self.report.overtaken >= 5 and self.report.overtaken * 4 >= self.report.deleted:
            self.report.overlap = False

    # --- reporting ---

    def _tell_progress(self, age: timedelta | None) -> None:
        """Tell how far the drain is, and how long the head has waited."""
        seconds, count = self.progress.seconds(), self.report.deleted
        rate = f"{count / seconds:.0f}/s"
        waited = "" if age is None else f"; the head has waited {span(age.total_seconds())}"
        log.info("Draining for %s: %d notifications (%s)%s.", span(seconds), count, rate, waited)

    def _close_report(self) -> None:
        self.report.seconds = round(time.monotonic() - self.started, 3)
        for text in self.report.warnings():
            log.warning("%s", text)
