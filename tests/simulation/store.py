"""A store whose work takes time, and what lies in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, Self

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from tests.simulation.loop import current_process


class Shelf:
    """What is durable in one store, whatever dies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[str, str] = {}
        """The batch of each key."""
        self.returned: dict[str, bool] = {}
        """The batches whose description a task returned."""
        self.attempts: dict[str, int] = {}
        self.finished: dict[str, bool] = {}

    def put(self, key: str, batch_id: str) -> bool:
        """Add a row unless the key is there."""
        is_new = key not in self.rows
        self.rows.setdefault(key, batch_id)
        return is_new

    def begin_attempt(self, key: str) -> int:
        """Count an attempt; 0 if the key is finished."""
        if key in self.finished:
            return 0
        self.attempts[key] = self.attempts.get(key, 0) + 1
        return self.attempts[key]

    def finish(self, key: str) -> None:
        """Let no attempt begin any more."""
        self.finished[key] = True

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
    """A ``NotificationStore`` over a shelf."""

    def __init__(self, shelf: Shelf, pace: Pace) -> None:
        self.shelf = shelf
        self.pace = pace
        self.batch_id = ""

    def open(self, batch_id: str) -> Self:
        opened = copy.copy(self)
        opened.batch_id = batch_id
        return opened

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        name = notification.id_message
        return bool(
            self._ask(
                lambda: self.shelf.put(notification.key, self.batch_id), f"{name} into {self.shelf.name}"
            )
        )

    def close(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "count": self._ask(lambda: self.shelf.count(self.batch_id))}

    def begin_attempt(self, key: str) -> int:
        return int(self._ask(lambda: self.shelf.begin_attempt(key)))

    def finish(self, key: str) -> None:
        self._ask(lambda: self.shelf.finish(key))

    def release(self) -> None:
        """Let go of nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the batch to the retry; who ends well has closed it."""

    def _ask(self, work: Callable[[], Any], story: str = "") -> Any:
        """Send work to the store and wait; it is done there also if the process freezes or dies meanwhile."""
        process = current_process()
        seconds = self.pace.seconds()
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
