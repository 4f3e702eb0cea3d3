"""A store whose work takes time, and what lies in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Any, Self

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.ledger import BatchRecord, BatchState, BatchTaken
from tests.simulation.loop import current_process

QUEUE = "gateway/1101000001"


def task_name(batch_id: str) -> str:
    """Return the task of a batch: ``drain-1`` of ``drain-1.3``."""
    return batch_id.partition(".")[0]


class Shelf:
    """What is durable in one store, whatever dies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[str, str] = {}
        """The batch of each key."""
        self.returned: dict[str, bool] = {}
        """The batches whose description a task returned."""
        self.batches: dict[str, BatchRecord] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        """Who has the lease on each queue, or had it, and until when."""
        self.attempts: dict[str, int] = {}
        self.finished: dict[str, bool] = {}

    def put(self, key: str, batch_id: str, owner: str) -> bool | None:
        """Add a row unless the key is there; ``None`` if the batch is another try's."""
        record = self.batches.get(batch_id)
        if record is None or (record.state, record.owner) != ("open", owner):
            return None
        is_new = key not in self.rows
        self.rows.setdefault(key, batch_id)
        return is_new

    def open(self, batch_id: str, owner: str) -> None:
        """Make a try the one that puts into a batch."""
        record = self.batches.get(batch_id) or BatchRecord(batch_id, "open", owner, QUEUE)
        self.batches[batch_id] = replace(record, state="open", owner=owner)

    def close(self, batch_id: str, owner: str) -> int:
        """Close the batch, if it is still this try's, and return how many rows it has."""
        self.change(BatchRecord(batch_id, "open", owner, QUEUE), "closed")
        return self.count(batch_id)

    def not_handed_on(self, batch_id: str) -> list[BatchRecord]:
        """Return the other batches of a task that may hold forgotten rows."""
        states = ("open", "closed", "released")
        return [
            record
            for name, record in self.batches.items()
            if name != batch_id
            and task_name(name) == task_name(batch_id)
            and (record.state in states or (record.state == "adopted" and self.count(name)))
        ]

    def change(self, seen: BatchRecord, state: str, by: str = "") -> bool:
        """Go on from what was seen of a batch, unless it changed since."""
        record = self.batches.get(seen.batch_id)
        if record is None or (record.state, record.owner) != (seen.state, seen.owner):
            return False
        self.batches[seen.batch_id] = replace(record, state=state, adopted_by=by or record.adopted_by)
        return True

    def move(self, source: str, target: str) -> int:
        """Move all rows of a batch into another."""
        moved = [key for key, batch_id in self.rows.items() if batch_id == source]
        self.rows.update(dict.fromkeys(moved, target))
        return len(moved)

    def take_lease(self, queue: str, owner: str, span: float, now: float) -> tuple[str, str]:
        """Take a lease unless somebody else has it, by the clock of the store."""
        holder, until = self.leases.get(queue, ("", 0.0))
        if holder not in ("", owner) and until > now:
            return holder, holder
        self.leases[queue] = owner, now + span
        return owner, holder

    def prolong_leases(self, queues: Sequence[str], owner: str, until: float) -> set[str]:
        """Let the leases end at another time that are still this owner's, and return the queues of those."""
        own = {queue for queue in queues if self.leases.get(queue, ("", 0.0))[0] == owner}
        self.leases.update(dict.fromkeys(own, (owner, until)))
        return own

    def begin_attempt(self, key: str) -> int:
        """Count an attempt; 0 if the key is finished."""
        if key in self.finished:
            return 0
        self.attempts[key] = self.attempts.get(key, 0) + 1
        return self.attempts[key]

    def finish(self, key: str) -> None:
        """Let no attempt begin any more."""
        self.finished[key] = True

    def forget_attempts(self, key: str) -> None:
        """Count attempts from 1 again."""
        self.attempts.pop(key, None)
        self.finished.pop(key, None)

    def count(self, batch_id: str) -> int:
        """Return how many rows a batch has."""
        return sum(each == batch_id for each in self.rows.values())


class Pace:
    """How long a store takes, and how often it fails.

    :param slow: Share of the operations that take 1 to 90 s; the others take 1 to 30 ms.
    :param failing: Share of the operations that raise; half of them have had their effect.
    """

    def __init__(self, chance: Random, slow: float = 0.0, failing: float = 0.0) -> None:
        self.chance = chance
        self.slow = slow
        self.failing = failing

    def seconds(self) -> float:
        """Draw how long one operation takes."""
        if self.chance.random() < self.slow:
            return 90.0 ** self.chance.random()
        return self.chance.uniform(0.001, 0.03)

    def fails(self) -> bool:
        """Draw whether one operation fails."""
        return self.chance.random() < self.failing


class ModelStore:
    """What readers use of a ``NotificationStore``, over a shelf."""

    def __init__(self, shelf: Shelf, pace: Pace) -> None:
        self.shelf = shelf
        self.pace = pace
        self.batch_id = ""
        self.owner = ""
        self.is_open = False

    def open(self, batch_id: str) -> Self:
        opened = copy.copy(self)
        opened.batch_id = batch_id
        opened.owner = f"{batch_id} {self.pace.chance.getrandbits(32):08x}"
        opened.is_open = False
        return opened

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        self._open()
        story = f"{notification.id_message} into {self.shelf.name}"
        is_new = self._ask(lambda: self.shelf.put(notification.key, self.batch_id, self.owner), story)
        if is_new is None:
            self.is_open = False
            raise BatchTaken
        return bool(is_new)

    def close(self) -> dict[str, Any]:
        if self.batch_id in self.shelf.batches:
            self._open()
        return {
            "batch_id": self.batch_id,
            "count": self._ask(lambda: self.shelf.close(self.batch_id, self.owner)),
        }

    def _open(self) -> None:
        if not self.is_open:
            self._ask(lambda: self.shelf.open(self.batch_id, self.owner))
            self.is_open = True

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        return list(self._ask(lambda: self.shelf.not_handed_on(self.batch_id)))

    def adopt(self, record: BatchRecord) -> int | None:
        self._open()
        if not self._ask(lambda: self.shelf.change(record, "adopted", self.batch_id)):
            return None
        return int(
            self._ask(lambda: self.shelf.move(record.batch_id, self.batch_id), f"from {record.batch_id}")
        )

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        self._ask(lambda: self.shelf.change(record, state))

    @property
    def leases(self) -> Self:
        return self

    def take_leases(self, queues: Sequence[str], owner: str, span: float) -> dict[str, tuple[str, str]]:
        world = current_process().world
        return dict(
            self._ask_quickly(
                lambda: {queue: self.shelf.take_lease(queue, owner, span, world.now) for queue in queues}
            )
        )

    def renew_leases(self, queues: Sequence[str], owner: str, span: float) -> set[str]:
        world = current_process().world
        return set(self._ask_quickly(lambda: self.shelf.prolong_leases(queues, owner, world.now + span)))

    def release_leases(self, queues: Sequence[str], owner: str) -> None:
        self._ask_quickly(lambda: self.shelf.prolong_leases(queues, owner, 0.0))

    def begin_attempt(self, key: str) -> int:
        return int(self._ask(lambda: self.shelf.begin_attempt(key)))

    def finish(self, key: str) -> None:
        self._ask(lambda: self.shelf.finish(key))

    def forget_attempts(self, key: str) -> None:
        self._ask(lambda: self.shelf.forget_attempts(key))

    def release(self) -> None:
        """Let go of nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the batch to the retry; who ends well has closed it."""

    def _ask_quickly(self, work: Callable[[], Any]) -> Any:
        """Ask for a lease: what holds up a put is a table that is locked, and leases lie in another.

        A store that answers nobody for longer than a lease lasts takes the lease from a handler at work,
        which nothing can stop.
        """
        return self._ask(work, seconds=self.pace.chance.uniform(0.001, 0.03))

    def _ask(self, work: Callable[[], Any], story: str = "", seconds: float | None = None) -> Any:
        """Send work to the store and wait; it is done there also if the process freezes or dies meanwhile."""
        process = current_process()
        seconds = self.pace.seconds() if seconds is None else seconds
        fails = self.pace.fails()
        has_effect = not fails or self.pace.chance.random() < 0.5
        results: list[Any] = []

        def do() -> None:
            results.append(work())
            if story:
                process.world.tell(process.name, ("puts " if results[0] else "puts again ") + story)

        if has_effect:
            process.world.after(seconds * self.pace.chance.random(), do)
        process.block(seconds)
        if fails:
            raise NotificationStoreError("The store is away.")
        return results[0]
