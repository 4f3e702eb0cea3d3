"""The rules of the gateway's queue: only its head is shown, and a receipt id names what it was given last."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_green_notify.notification import Notification


@dataclass
class Item:
    """A notification that was pushed, and what became of it."""

    number: int
    body: bytes
    key: str
    receipt_id: int = 0
    deleted_by: str = ""


@dataclass(frozen=True)
class Habits:
    """What differs between gateways.

    :param restarts: Whether the counter of receipt ids restarts when the queue runs empty.
    :param stable: Whether a notification keeps its receipt id when it is shown again.
    """

    restarts: bool = True
    stable: bool = True


class Gateway:
    """The queue of one instance."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.items: list[Item] = []
        self.queue: deque[Item] = deque()
        self.on_push: list[Callable[[], None]] = []
        """Receives that are held open."""
        self._receipts: dict[int, Item] = {}
        self._last_receipt = 0

    def push(self, timestamp: float) -> Item:
        """Append a notification, and let the receives that are held open have a look."""
        number = len(self.items) + 1
        body = {
            "typeWebhook": "incomingMessageReceived",
            "timestamp": int(timestamp),
            "idMessage": f"#{number}",
        }
        item = Item(
            number,
            json.dumps(body).encode(),
            Notification(0, body, received_at=datetime.fromtimestamp(timestamp, UTC)).key,
        )
        self.items.append(item)
        self.queue.append(item)
        waiting, self.on_push[:] = self.on_push[:], []
        for look in waiting:
            look()
        return item

    def receive(self) -> Item | None:
        """Hand out the head under its receipt id."""
        if not self.queue:
            return None
        head = self.queue[0]
        if not (self.habits.stable and self._receipts.get(head.receipt_id) is head):
            self._receipts.pop(head.receipt_id, None)
            self._last_receipt += 1
            head.receipt_id = self._last_receipt
            self._receipts[head.receipt_id] = head
        return head

    def delete(self, receipt_id: int, who: str) -> Item | None:
        """Delete what was handed out under this receipt id, whoever saw it."""
        item = self._receipts.pop(receipt_id, None)
        if item is None:
            return None
        item.deleted_by = who
        self.queue.remove(item)
        if not self.queue and self.habits.restarts:
            self._receipts.clear()
            self._last_receipt = 0
        return item
