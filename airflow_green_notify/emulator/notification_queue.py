"""The notification queue of one instance, with an audit of all that happened in it."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_green_notify.emulator import checks
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.switches import Switches

RETENTION = 24 * 3600  # seconds


@dataclass(slots=True)
class QueuedNotification:
    """A notification that was pushed, and what became of it. The body is kept as it goes over the wire."""

    number: int
    raw: bytes
    pushed_at: float
    waiting: bool = True
    receipt_id: int = 0
    deliveries: int = 0
    deletions: int = 0
    deleted_at: float | None = None
    expired_at: float | None = None
    cleared_at: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The audit's record of this notification."""
        return {"body": json.loads(self.raw), **self._fate()}

    def as_json(self) -> bytes:
        """The same as JSON, without reading the body."""
        return b'{"body":%b,%b' % (self.raw, checks.as_json(self._fate())[1:])

    def _fate(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "pushed_at": self.pushed_at,
            "deliveries": self.deliveries,
            "deleted_at": self.deleted_at,
            "deletions": self.deletions,
            "expired_at": self.expired_at,
            "cleared_at": self.cleared_at,
        }


class NotificationQueue:
    """First in, first out; each operation costs the same, however many notifications wait.

    All methods belong to the event loop of the emulator.
    """

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._pushed: list[QueuedNotification] = []  # in push order: the index is the number
        self._visible: list[int] = []  # heap of numbers; those that wait no longer are skipped on the way
        self._receipts: dict[int, int] = {}  # receipt id -> number
        self._last_receipt = 0
        self._first_waiting = 0  # nothing below this number waits
        self._waiters: set[asyncio.Future[None]] = set()
        self.count = 0

    def push(self, bodies: Iterable[Any]) -> int:
        """Append notifications, wake who waits for one, and return how many they were.

        :raises ValueError: One of them is no JSON; none was appended.
        """
        return self.push_raw([checks.as_json(body) for body in bodies])

    def push_raw(self, raws: Collection[bytes]) -> int:
        """Append notifications that are JSON already."""
        now = self._clock.now()
        for raw in raws:
            self._visible.append(len(self._pushed))  # rising numbers keep the heap a heap
            self._pushed.append(QueuedNotification(len(self._pushed), raw, now))
        added = len(raws)
        had_head = self.count > 0
        self.count += added
        if not had_head:
            self._show_to_other_consumer()
        self.wake()
        return added

    def deliver(self) -> bytes | None:
        """Hand out the oldest visible notification in its envelope, or ``None``."""
        item = self._head()
        if item is None:
            return None
        if self._switches.redelivery == "split":
            self._hide(item)
        item.deliveries += 1
        return b'{"receiptId":%d,"body":%b}' % (self._receipt(item), item.raw)

    def delete(self, receipt_id: int) -> bool:
        """Delete what was handed out under this receipt id; ``False`` if nothing was."""
        self.expire()
        number = self._receipts.get(receipt_id)
        if number is None:
            return False
        self._delete(self._pushed[number])
        return True

    def show(self) -> QueuedNotification | None:
        """The oldest visible notification, which is taken elsewhere now, or ``None``."""
        item = self._head()
        if item is not None:
            item.deliveries += 1
        return item

    def confirm(self, item: QueuedNotification) -> None:
        """Delete what :meth:`show` gave, if it still waits."""
        if item.waiting:
            self._delete(item)

    def clear(self) -> None:
        """Remove all that waits."""
        for item in self._waiting():
            self._remove(item)
            item.cleared_at = self._clock.now()

    def expire(self) -> None:
        """Remove what has waited for 24 hours."""
        oldest_allowed = self._clock.now() - RETENTION
        while self._first_waiting < len(self._pushed):
            item = self._pushed[self._first_waiting]
            if item.waiting:
                if item.pushed_at > oldest_allowed:
                    return
                self._remove(item)
                item.expired_at = item.pushed_at + RETENTION
            self._first_waiting += 1

    def restart_receipts(self) -> None:
        """Forget all receipt ids and count from 1 again."""
        self._receipts.clear()
        self._last_receipt = 0

    def audit(self) -> list[QueuedNotification]:
        """All that was ever pushed, in push order."""
        self.expire()
        return self._pushed

    def bodies(self) -> list[bytes]:
        """What still waits, the head first, as JSON."""
        self.expire()
        return [item.raw for item in self._waiting()]

    def newest_first(self) -> Iterator[QueuedNotification]:
        """All that was ever pushed, backwards."""
        return reversed(self._pushed)

    async def wait(self, seconds: float) -> None:
        """Sleep until something becomes visible, but not longer than this."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = loop.call_later(seconds, _release, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    def wake(self) -> None:
        """Let all that wait look again."""
        for waiter in self._waiters:
            _release(waiter)

    def _waiting(self) -> Iterator[QueuedNotification]:
        return (item for item in self._pushed[self._first_waiting :] if item.waiting)

    def _head(self) -> QueuedNotification | None:
        self.expire()
        while self._visible:
            item = self._pushed[self._visible[0]]
            if item.waiting:
                return item
            heapq.heappop(self._visible)
        return None

    def _show_to_other_consumer(self) -> None:
        item = self._head() if self._switches.other_consumer_peeks else None
        if item is not None:
            item.deliveries += 1
            self._receipt(item)

    def _hide(self, item: QueuedNotification) -> None:
        heapq.heappop(self._visible)
        self._clock.later(self._switches.redelivery_after, partial(self._show_again, item))

    def _show_again(self, item: QueuedNotification) -> None:
        if item.waiting:
            heapq.heappush(self._visible, item.number)
            self.wake()

    def _receipt(self, item: QueuedNotification) -> int:
        if self._receipts.get(item.receipt_id) == item.number:
            if self._switches.receipt_id == "stable":
                return item.receipt_id
            del self._receipts[item.receipt_id]
        self._last_receipt += 1
        item.receipt_id = self._last_receipt
        self._receipts[item.receipt_id] = item.number
        return item.receipt_id

    def _delete(self, item: QueuedNotification) -> None:
        self._remove(item)
        item.deletions += 1
        item.deleted_at = self._clock.now()
        self._show_to_other_consumer()

    def _remove(self, item: QueuedNotification) -> None:
        item.waiting = False
        self.count -= 1
        if not self.count and self._switches.receipt_counter == "restarts_when_empty":
            self.restart_receipts()
        if self._receipts.get(item.receipt_id) == item.number:
            del self._receipts[item.receipt_id]


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
