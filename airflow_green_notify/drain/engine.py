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
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_green_notify.drain.doubt import Doubts
from airflow_green_notify.drain.lease import LeaseLost
from airflow_green_notify.drain.meter import Meter
from airflow_green_notify.drain.report import DrainReport, StopCondition
from airflow_green_notify.hooks.queue_head import QueueHead
from airflow_green_notify.progress import Progress, span
from airflow_green_notify.stores.ledger import BatchTaken

if TYPE_CHECKING:
    from airflow_green_notify.drain.budget import Budget
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.drain.writing import Writer
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

LONGEST_REPEAT_PAUSE = 1.0
"""Seconds between two deletes of one notification that the queue holds twice."""

MAX_LINGER = 7 * 86400.0
"""Seconds; whoever lingers for longer does so for ever."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may lie ahead of the gateway's clock; further ahead it is no reason to stop."""


class Drain:
    """One drain at work; most arguments are those of :func:`~airflow_green_notify.drain.run.adrain`.

    :param budget: What is left of ``max_notifications``, shared by the drains of a fleet.
    :param progress: Tells when to log how far it is; in a fleet, the fleet does.
    :param report: What it fills.
    """

    def __init__(
        self,
        hook: GreenApiHook,
        writer: Writer,
        budget: Budget,
        stop: StopCondition,
        receive_timeout: float,
        overlap: bool,
        lease: ReaderLease | None,
        keep: Callable[[Notification], bool] | None = None,
        progress: Progress | None = None,
        report: DrainReport | None = None,
    ) -> None:
        self.hook = hook
        self.writer = writer
        self.budget = budget
        self.stop = stop
        self.receive_timeout = receive_timeout
        self.keep = keep
        self.lease = lease
        self.progress = progress
        self.report = report or DrainReport()
        self.report.overlap = overlap
        self.meter = Meter(hook, self.report)
        self.started = time.monotonic()
        self.until = stop.until
        self.queue = QueueHead(hook)
        self.age: timedelta | None = None
        """How long the head that was received last had waited."""
        self.is_ahead = False
        """Whether the head's timestamp lies in the future, which that of no event that has happened can."""
        self.last_key = ""
        self.repeats = 0
        self.unsettled = ""
        self.has_claim = False
        """Whether the budget has a place for the next notification that is deleted."""
        self.doubts = Doubts()
        self.well_at = self.started
        """When the queue was last empty, or something was stored last, by the monotonic clock."""

    async def run(self) -> DrainReport:
        """Drain until there is a reason to stop; after a failure, go on.

        :raises GreenApiError: The gateway or the store failed for longer than it is tried again.
        """
        self.report.stopped_by = ""
        self.last_key, self.repeats, self.doubts = "", 0, Doubts()
        try:
            head = await self._receive()
            while not (stopped_by := self._stopped_by(head)):
                head = await (self._receive() if head is None else self._put_and_delete(head))
            self.report.stopped_by = stopped_by
        except LeaseLost:
            self.report.stopped_by = "another_reader"
        finally:
            if not self.unsettled:  # else it may be what was deleted
                self._give_back_claim()
            self.report.seconds = round(time.monotonic() - self.started, 3)
            self.meter.send()
        return self.report

    def may_go_on(self) -> bool:
        """Tell whether it would still linger, so that after a failure it may go on."""
        has_place = self.has_claim or not self.budget.is_spent
        return has_place and self._linger_left() > 0 and self._seconds_left() > 0

    # --- stopping ---

    def _stopped_by(self, head: Notification | None) -> str:
        """Say why to stop with this head still in the queue, or ``""``."""
        if head is None:
            if not self.has_claim and self.budget.refuses():
                return "max_notifications"
            if self.queue.empty_answers >= self.stop.empty_answers:
                self._settle(head)
                if self._linger_left() <= 0:
                    return "empty"
        elif not self._claim():
            return "max_notifications"
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

    def _claim(self) -> bool:
        """Have a place in the budget for the head."""
        self.has_claim = self.has_claim or self.budget.claim()
        return self.has_claim

    def _give_back_claim(self) -> None:
        if self.has_claim:
            self.budget.give_back()
            self.has_claim = False

    def _seconds_left(self) -> float:
        if self.stop.max_seconds is None:
            return float("inf")
        return self.stop.max_seconds - (time.monotonic() - self.started)

    def _linger_left(self) -> float:
        return self.stop.linger - (time.monotonic() - self.started)

    def _longest_receive(self) -> float:
        """Return the seconds that the next receive may be held open."""
        left = self._seconds_left()
        if (linger := self._linger_left()) > 0:
            left = min(left, linger)
        return min(self.receive_timeout, max(1.0, left))

    # --- receiving ---

    async def _receive(self) -> Notification | None:
        """Receive the head, and note what it tells."""
        head = await self.queue.receive(self._longest_receive())
        if self.until == "start":
            self.until = self._end_of_linger()
        if head is not None:
            self._count_received(head)
        else:
            self.well_at = time.monotonic()
            if not self.unsettled:
                self._give_back_claim()
        self.meter.note(self.age if head else None)
        if self.progress is not None and (head or self.stop.linger) and self.progress.is_due():
            self._tell_progress(self.progress)
        if head is None and (fault := await self.queue.fault()):
            log.warning("%s%s", self.hook.label, fault)
        return head

    def _end_of_linger(self) -> datetime | None:
        """Return the gateway's time at which this drain leaves what comes to the next one."""
        linger = max(self._linger_left(), 0.0)
        return None if linger > MAX_LINGER else self._gateway_time() + timedelta(seconds=linger)

    def _count_received(self, head: Notification) -> None:
        self._settle(head)
        self.report.received += 1
        self.is_ahead, self.age = False, None
        if (timestamp := head.timestamp) is not None:
            self.age = self._gateway_time() - timestamp
            self.is_ahead = -self.age > CLOCK_TOLERANCE
            if not self.is_ahead:
                self.report.oldest_age = max(self.report.oldest_age or 0.0, self.age.total_seconds())

    # --- storing and deleting ---

    async def _put_and_delete(self, notification: Notification) -> Notification | None:
        """Store, then delete; return the next head."""
        if notification.key != self.last_key:
            self.report.future_timestamps += self.is_ahead
        await self._back_off_from_repeats(notification)
        await self._hold_lease()
        try:
            await self.writer.put(notification, self.report)
        except (LeaseLost, BatchTaken):
            if self.lease is None:
                raise
            await self._take_lease(self.lease)
            return await self._receive()
        self.well_at = time.monotonic()
        head = await self._received_freshly(notification)
        if head is None or head.key != notification.key:
            self.report.other_consumers += head is not None
            return head
        self.unsettled = head.key
        if not self.report.overlap or self.budget.is_spent:
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
        if not await self.writer.aside(lease.take):
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

    async def _delete_then_receive(self, notification: Notification) -> Notification | None:
        await self._delete(notification)
        return None if self.budget.is_spent and not self.has_claim else await self._receive()

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
            self.has_claim = False

    def _count_overtaken(self) -> None:
        if self.unsettled:
            return
        self.report.overtaken += 1
        if self.report.overtaken >= 5 and self.report.overtaken * 4 >= self.report.deleted:
            self.report.overlap = False

    # --- reporting ---

    def _tell_progress(self, progress: Progress) -> None:
        """Tell how far the drain is, and how long the head has waited."""
        seconds, count = progress.seconds(), self.report.deleted
        waited = "" if self.age is None else f"; the head has waited {span(self.age.total_seconds())}"
        log.info(
            "Draining for %s: %d notifications (%.0f/s)%s.", span(seconds), count, count / seconds, waited
        )
