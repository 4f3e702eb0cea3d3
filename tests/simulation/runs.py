"""Who starts the readers: Airflow, again and again, or somebody else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import GreenApiError
from tests.simulation.loop import Process
from tests.simulation.readers import TASKS, WATCHERS, HandlerFails
from tests.simulation.store import ModelStore, Shelf

if TYPE_CHECKING:
    from tests.simulation.history import History

MAX_TRIES = 3


def expected_error(task: asyncio.Task[Any]) -> Exception | None:
    """Return the error that ended a task; what is no failure of gateway, store or handler is a defect."""
    try:
        task.result()
    except (GreenApiError, HandlerFails) as error:
        return error
    return None


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
        self.world.tell(process.name, f"ends: {expected_error(task)}")
        self._died(process)

    def _died(self, process: Process) -> None:
        self.world.after(self.history.schedule.pause(), self.start)


class Task(Reader):
    """A task that runs again and again; a try that fails, dies or falls silent is followed by the next."""

    def __init__(self, history: History, kind: str, name: str, shelf: Shelf) -> None:
        super().__init__(history, kind, name)
        self.shelf = shelf
        """Where its tries put what they receive; only what the latest try returns is handed on."""
        self._run = 0
        self._try = 0
        self._latest: Process | None = None
        self._is_waiting = False
        self._is_retrying = False

    def start(self) -> None:
        self._is_waiting = True
        self.world.after(self.history.schedule.pause(), self.ring)

    def ring(self) -> None:
        if self._is_waiting and not self.is_stopped:
            self._is_waiting = False
            self._run, self._try = self._run + 1, 0
            self._start_try()

    def is_busy(self) -> bool:
        return self._is_retrying or any(process.alive for process in self.processes)

    def kill(self) -> None:
        self._try = MAX_TRIES
        super().kill()

    def _start_try(self) -> None:
        self._is_retrying = False
        self._try += 1
        batch_id = f"{self.name}.{self._run}"
        self._latest = process = self._new_process(f"{batch_id} try {self._try}")
        self.world.tell(process.name, "starts")
        self.history.task_states[batch_id] = "unfinished"
        store = ModelStore(self.shelf, self.history.pace).open(batch_id)
        process.start(TASKS[self.kind](self.history, store), partial(self._ended, process, batch_id))

    def _ended(self, process: Process, batch_id: str, task: asyncio.Task[Any]) -> None:
        error = expected_error(task)
        self.world.tell(process.name, f"fails: {error}" if error else "ends")
        if error:
            self._died(process)
        elif process is self._latest:
            self._latest = None
            self.shelf.returned[batch_id] = True
            self.history.task_states[batch_id] = "handed on"
            self.start()

    def _died(self, process: Process) -> None:
        if process is not self._latest:
            return
        self._latest = None
        if self._try < MAX_TRIES:
            self._is_retrying = True
            self.world.after(self.history.schedule.pause(), self._retry)
        else:
            self.world.tell(self.name, "fails for good")
            self.history.task_states[f"{self.name}.{self._run}"] = "failed"
            self.start()

    def _retry(self) -> None:
        if self._try < MAX_TRIES:
            self._start_try()

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
