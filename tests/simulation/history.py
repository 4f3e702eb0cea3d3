"""One history: readers of one queue, from the first notification to a last quiet drain, and what was lost."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Any

from airflow_green_notify.errors import GreenApiError
from tests.simulation import clocks
from tests.simulation.gateway import Gateway, Item
from tests.simulation.line import Network, Weather
from tests.simulation.loop import Process, World, current_process
from tests.simulation.outcome import Outcome
from tests.simulation.readers import TASKS, WATCHERS, HandlerFails, Handlers
from tests.simulation.schedule import MIXES, Schedule
from tests.simulation.store import ModelStore, Pace, Shelf

MAX_TRIES = 3
LONGEST = 900.0
"""Seconds after the last push within which the readers must have come to an end."""

SETTLING = 15.0
"""Seconds until everything that is under way has arrived."""


class History:
    """A seed's history; :meth:`run` it once, within :func:`~tests.simulation.clocks.simulated`."""

    def __init__(self, mix: str, seed: int) -> None:
        self.mix = MIXES[mix]
        self.chance = Random(f"{mix} {seed}")  # noqa: S311
        clocks.chance.seed(f"{seed}")
        self.schedule = Schedule(self.mix, self.chance)
        self.world = World()
        self.gateway = Gateway(self.schedule.habits)
        self.network = Network(self.world, self.gateway, self.mix.weather, self.chance)
        self.world.network = self.network  # type: ignore[attr-defined]
        self.pace = Pace(self.chance, self.mix.slow, self.mix.failing)
        self.outcome = Outcome()
        self.handle = Handlers(self).handle
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
        if not self.shelves or not self.mix.one_store:
            self.shelves.append(Shelf(f"store {len(self.shelves) + 1}"))
        return Task(self, kind, name, self.shelves[-1])

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
        if not self.shelves:
            self.shelves.append(Shelf("store 1"))
        last = next((reader for reader in self.readers if isinstance(reader, Task)), None)
        kind = "drain" if last is None or last.kind == "load" else last.kind
        process = Process(self.world, f"last {kind}")
        store = ModelStore(self.shelves[0], self.pace).open(process.name)
        process.start(TASKS[kind](self, store), self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self.world.tell("history", f"the last run ends: {_expected(task)}")
        self.is_over = True

    def _count(self) -> None:
        outcome = self.outcome
        for item in self.gateway.items:
            shelves = [shelf for shelf in self.shelves if item.key in shelf.rows]
            if not item.deleted_by:
                outcome.queued.append(item.number)
            elif not shelves and item.key not in self.taken and not self._is_theirs(item):
                outcome.lost.append(item.number)
            if len(shelves) > 1:
                outcome.twice.append(item.number)
            if any(shelf.rows[item.key] not in shelf.returned for shelf in shelves):
                outcome.left.append(item.number)

    def _is_theirs(self, item: Item) -> bool:
        return item.deleted_by.startswith("foreign")


class Reader:
    """What reads the queue, in one process after the other."""

    def __init__(self, history: History, kind: str, name: str) -> None:
        self.history = history
        self.world = history.world
        self.kind = kind
        self.name = name
        self.is_stopped = False
        self.processes: list[Process] = []

    def start(self) -> None:
        """Begin to read."""
        raise NotImplementedError

    def ring(self) -> None:
        """Begin at once what was to begin later."""

    def stop(self) -> None:
        """Begin nothing new."""
        self.is_stopped = True

    def is_busy(self) -> bool:
        """Tell whether there is something to wait for."""
        return False

    def kill(self) -> None:
        """End all of it."""
        for process in self.processes:
            process.kill()

    def _new_process(self, name: str) -> Process:
        """Make a process whose fate is drawn."""
        process = Process(self.world, name)
        self.processes.append(process)
        fate = self.history.schedule.fate()
        if fate.frozen_at:
            process.fates[fate.frozen_at] = partial(self._freeze, fate.frozen_for, fate.suspended)
        if fate.killed_at:
            process.fates[fate.killed_at] = self._killed
        return process

    def _freeze(self, seconds: float, suspended: bool, process: Process) -> None:
        process.freeze(seconds, suspended)

    def _killed(self, process: Process) -> None:
        process.kill()
        self._died(process)

    def _died(self, process: Process) -> None:
        """Begin again, later."""
        raise NotImplementedError


class Watcher(Reader):
    """A trigger, or somebody else's program: it runs until it dies, and then again."""

    def start(self) -> None:
        if not self.is_stopped:
            process = self._new_process(f"{self.name}.{len(self.processes) + 1}")
            process.start(WATCHERS[self.kind](self.history), partial(self._failed, process))

    def _failed(self, process: Process, task: asyncio.Task[Any]) -> None:
        self.world.tell(process.name, f"ends: {_expected(task)}")
        self._died(process)

    def _died(self, process: Process) -> None:
        self.world.after(self.history.schedule.pause(), self.start)


class Task(Reader):
    """A task that runs again and again; a try that fails, dies or is silent for long is followed by the next."""

    def __init__(self, history: History, kind: str, name: str, shelf: Shelf) -> None:
        super().__init__(history, kind, name)
        self.shelf = shelf
        self._run = 0
        self._try = 0
        self._latest: Process | None = None
        self._is_waiting = False

    def start(self) -> None:
        self._is_waiting = True
        self.world.after(self.history.schedule.pause(), self.ring)

    def ring(self) -> None:
        if self._is_waiting and not self.is_stopped:
            self._is_waiting = False
            self._run, self._try = self._run + 1, 0
            self._start_try()

    def is_busy(self) -> bool:
        return self._latest is not None or any(process.alive for process in self.processes)

    def _start_try(self) -> None:
        self._try += 1
        batch_id = f"{self.name}.{self._run}"
        self._latest = process = self._new_process(f"{batch_id} try {self._try}")
        self.world.tell(process.name, "starts")
        store = ModelStore(self.shelf, self.history.pace).open(batch_id)
        process.start(TASKS[self.kind](self.history, store), partial(self._ended, process))

    def _ended(self, process: Process, task: asyncio.Task[Any]) -> None:
        error = _expected(task)
        self.world.tell(process.name, f"fails: {error}" if error else "ends")
        if error:
            self._died(process)
        elif process is self._latest:
            self._latest = None
            self.start()

    def _died(self, process: Process) -> None:
        if process is self._latest and self._try < MAX_TRIES:
            self._latest = None
            self.world.after(self.history.schedule.pause(), self._start_try)
        elif process is self._latest:
            self._latest = None
            self.start()

    def _freeze(self, seconds: float, suspended: bool, process: Process) -> None:
        super()._freeze(seconds, suspended, process)
        patience = self.history.schedule.patience
        if seconds > patience:
            self.world.after(patience, partial(self._give_up, seconds - patience, process))

    def _give_up(self, frozen_for: float, process: Process) -> None:
        """Start the next try; should the silent one wake, Airflow ends it a while later."""
        if process is self._latest and process.alive:
            self.world.tell(self.name, f"{process.name} is silent")
            self._died(process)
            self.world.after(frozen_for + self.history.chance.uniform(0.5, 15.0), process.kill)


def _expected(task: asyncio.Task[Any]) -> Exception | None:
    """Return the error that ended a task; what is no failure of gateway, store or handler is a defect."""
    try:
        task.result()
    except (GreenApiError, HandlerFails) as error:
        return error
    return None
