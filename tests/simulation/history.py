"""One history: readers of one queue, from the first notification to a last quiet drain, and what was lost."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

from airflow_green_notify.drain import ownership
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.dead_letter import dead_letter
from airflow_green_notify.stores.ledger import BatchRecord
from tests.simulation import clocks
from tests.simulation.gateway import Gateway, Item
from tests.simulation.line import Network, Weather
from tests.simulation.loop import Process, World, current_process
from tests.simulation.outcome import Outcome
from tests.simulation.readers import TASKS, WATCHERS, Handlers
from tests.simulation.runs import Reader, Task, Watcher, expected_error
from tests.simulation.schedule import MIXES, Schedule
from tests.simulation.store import ModelStore, Pace, Shelf

LONGEST = 900.0
"""Seconds after the last push within which the readers must have come to an end."""

SETTLING = 15.0
"""Seconds until everything that is under way has arrived."""


class History:
    """A seed's history; :meth:`run` it once, within :func:`~tests.simulation.clocks.simulated`."""

    def __init__(self, mix: str, seed: int) -> None:
        self.mix = MIXES[mix]
        self.chance = Random(f"{mix} {seed}")
        clocks.chance.seed(f"{seed}")
        self.schedule = Schedule(self.mix, self.chance)
        self.world = World()
        self.gateway = Gateway(self.schedule.habits)
        self.network = Network(self.world, self.gateway, self.mix.weather, self.chance)
        self.world.network = self.network
        self.pace = Pace(self.chance, self.mix.slow, self.mix.failing)
        self.outcome = Outcome()
        self.handle = Handlers(self).handle
        self.task_states: dict[str, ownership.Outcome] = {}
        self.taken: dict[str, bool] = {}
        self.shelves: list[Shelf] = []
        self.readers = [self._reader(kind, number) for number, kind in enumerate(self._kinds(), 1)]
        self.is_over = False

    def _kinds(self) -> list[str]:
        return [*self.schedule.readers, *["ring"] * self.schedule.peekers]

    def _reader(self, kind: str, number: int) -> Reader:
        name = f"{kind}-{number}"
        if kind in WATCHERS:
            return Watcher(self, kind, name)
        return Task(self, kind, name, self._shelf())

    def _shelf(self) -> Shelf:
        """Return the store of a reader."""
        if not self.shelves or not self.mix.one_store:
            self.shelves.append(Shelf(f"store {len(self.shelves) + 1}"))
        return self.shelves[-1]

    # --- what happens ---

    def run(self) -> Outcome:
        """Let it happen, and count."""
        for at in self.schedule.pushes:
            self.world.after(at, self._push)
        for reader in self.readers:
            reader.start()
        self.world.after(self.schedule.pushes[-1] + 20.0, self._stop)
        self.world.run(until=lambda: self.is_over)
        self._count()
        self.world.close()
        return self.outcome

    def _push(self) -> None:
        item = self.gateway.push(clocks.EPOCH + self.world.now)
        self.world.tell("gateway", f"#{item.number} is pushed")

    def ring(self) -> None:
        """Start the readers that wait for their next run."""
        self.world.tell(current_process().name, "rings")
        for reader in self.readers:
            reader.ring()

    def outcome_of(self, record: BatchRecord) -> ownership.Outcome:
        """Tell what Airflow knows of the task of a batch."""
        return self.task_states.get(record.batch_id, "unknown")

    def take(self, key: str, what: str) -> None:
        """Note that a notification is safe, or somebody else's."""
        self.taken[key] = True
        number = next(item.number for item in self.gateway.items if item.key == key)
        self.world.tell(current_process().name, f"{what} #{number}")

    # --- the end ---

    def _stop(self) -> None:
        self.world.tell("history", "no further runs")
        for reader in self.readers:
            reader.stop()
        self._settle(self.world.now + LONGEST)

    def _settle(self, deadline: float) -> None:
        """Wait until all have ended."""
        if any(reader.is_busy() for reader in self.readers) and self.world.now < deadline:
            self.world.after(5.0, partial(self._settle, deadline))
            return
        for reader in self.readers:
            reader.kill()
        self.world.after(SETTLING, self._drain_quietly)

    def _drain_quietly(self) -> None:
        self.world.tell("history", "all is quiet; a last run")
        self.network.weather = Weather()
        self.pace.slow = self.pace.failing = 0.0
        tasks = [reader for reader in self.readers if isinstance(reader, Task)]
        self._run_last(tasks or [Task(self, "drain", "drain-last", self._shelf())])

    def _run_last(self, tasks: list[Task]) -> None:
        """Let each task run once more, one after the other: what others left is handed on by its own."""
        if not tasks:
            self.is_over = True
            return
        batch_id = f"{tasks[0].name}.last"
        kind = "drain" if tasks[0].kind == "load" else tasks[0].kind
        store = ModelStore(tasks[0].shelf, self.pace).open(batch_id)
        tasks[0].shelf.returned[batch_id] = True

        def end(task: asyncio.Task[Any]) -> None:
            self.world.tell("history", f"{batch_id} ends: {expected_error(task)}")
            self._run_last(tasks[1:])

        Process(self.world, batch_id).start(TASKS[kind](self, store), end)

    def _count(self) -> None:
        outcome = self.outcome
        for item in self.gateway.items:
            keys = _keys_of(item)
            found = [(shelf, key) for shelf in self.shelves for key in keys if key in shelf.rows]
            if not item.deleted_by:
                outcome.queued.append(item.number)
            elif not found and item.key not in self.taken and not self._is_theirs(item):
                outcome.lost.append(item.number)
            if len({shelf.name for shelf, _ in found}) > 1:
                outcome.twice.append(item.number)
            if any(shelf.rows[key] not in shelf.returned for shelf, key in found):
                outcome.left.append(item.number)

    def _is_theirs(self, item: Item) -> bool:
        return item.deleted_by.startswith("foreign")


def _keys_of(item: Item) -> tuple[str, str]:
    """Return the keys under which a notification may be stored: its own, and that of its dead letter."""
    notification = Notification(0, json.loads(item.body), received_at=datetime.now(UTC))
    letter, _ = dead_letter(notification, {})
    return item.key, letter.key
