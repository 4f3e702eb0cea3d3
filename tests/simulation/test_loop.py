"""Virtual time, and processes that freeze and die."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulation.loop import Process, World

pytestmark = pytest.mark.simulation


class Run:
    """A world with processes that note what they do, and when."""

    def __init__(self) -> None:
        self.world = World()
        self.notes: list[tuple[float, str]] = []

    def note(self, what: str) -> None:
        self.notes.append((self.world.now, what))

    def process(self, name: str, work: Callable[[Process], Coroutine[Any, Any, Any]]) -> Process:
        process = Process(self.world, name)
        process.start(work(process), lambda task: task.result())
        return process

    def to_the_end(self) -> list[tuple[float, str]]:
        self.world.run(until=lambda: False)
        self.world.close()
        return self.notes


@pytest.fixture
def run() -> Run:
    return Run()


def sleeper(run: Run, *seconds: float) -> Callable[[Process], Coroutine[Any, Any, Any]]:
    async def work(process: Process) -> None:
        for each in seconds:
            await asyncio.sleep(each)
            run.note(process.name)

    return work


def blocker(run: Run, seconds: float) -> Callable[[Process], Coroutine[Any, Any, Any]]:
    """Holds its event loop while another task of it would go on."""

    async def work(process: Process) -> None:
        other = asyncio.ensure_future(sleeper(run, 1.0)(process))
        await asyncio.sleep(0.5)
        process.block(seconds)
        run.note("unblocked")
        await other

    return work


def test_sleep_takes_virtual_time_only(run: Run) -> None:
    """A day passes at once, and in order with what other processes do."""
    run.process("day", sleeper(run, 86_400.0))
    run.process("hour", sleeper(run, 3_600.0, 3_600.0))
    assert run.to_the_end() == [(3_600.0, "hour"), (7_200.0, "hour"), (86_400.0, "day")]


def test_timeout_measured_in_virtual_time(run: Run) -> None:
    """asyncio's own timeouts follow the virtual clock."""

    async def work(process: Process) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await asyncio.sleep(60.0)
        run.note("timed out")

    run.process("impatient", work)
    assert run.to_the_end() == [(5.0, "timed out")]


def test_block_holds_the_own_event_loop_only(run: Run) -> None:
    """Plain code that sleeps holds up its process's tasks, and nobody else's."""
    run.process("busy", blocker(run, 4.0))
    run.process("other", sleeper(run, 1.0))
    assert run.to_the_end() == [(1.0, "other"), (4.5, "unblocked"), (4.5, "busy")]


def test_thread_that_blocks_leaves_the_event_loop_free(run: Run) -> None:
    """What runs in an executor takes its time beside the tasks."""

    def slow(process: Process) -> str:
        process.block(4.0)
        return "done"

    async def work(process: Process) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, slow, process)
        await sleeper(run, 1.0)(process)
        run.note(await future)

    run.process("main", work)
    assert run.to_the_end() == [(1.0, "main"), (4.0, "done")]


def test_freeze_holds_back_everything_of_one_process(run: Run) -> None:
    """What came due meanwhile happens when the process wakes, in its old order; the others go on."""
    frozen = run.process("frozen", blocker(run, 4.0))
    run.process("other", sleeper(run, 1.0, 10.0))
    run.world.after(0.75, lambda: frozen.freeze(9.25))
    assert run.to_the_end() == [(1.0, "other"), (10.0, "unblocked"), (10.0, "frozen"), (11.0, "other")]


def test_freeze_of_the_machine_stops_its_monotonic_clock(run: Run) -> None:
    """A process on a machine that was suspended doesn't see on its monotonic clock that time has passed."""
    seen: list[float] = []

    async def work(process: Process) -> None:
        await asyncio.sleep(1.0)
        seen.append(process.time())

    process = run.process("suspended", work)
    run.world.after(0.5, lambda: process.freeze(60.0, suspended=True))
    run.to_the_end()
    assert run.world.now == 60.5
    assert seen == [0.5]


def test_kill_ends_a_process_without_any_cleanup(run: Run) -> None:
    """No code of a killed process runs any more, neither what is behind an await nor a ``finally``."""

    async def work(process: Process) -> None:
        try:
            await asyncio.sleep(1.0)
        finally:
            run.note("cleaned up")

    process = run.process("killed", work)
    run.world.after(0.5, process.kill)
    run.world.run(until=lambda: False)
    assert run.notes == []
    run.world.close()


def test_fate_strikes_before_the_event_it_names(run: Run) -> None:
    """A process dies before a given one of its events, so each await can be the last."""
    first, second = (run.process(name, sleeper(run, 1.0, 1.0)) for name in ("first", "second"))
    first.fates[2] = second.fates[3] = Process.kill
    assert run.to_the_end() == [(1.0, "second")]


def test_defect_in_a_process_ends_the_run(run: Run) -> None:
    """An error that nothing of the simulated code expects is not swallowed."""

    async def work(process: Process) -> None:
        raise ZeroDivisionError

    run.process("broken", work)
    with pytest.raises(ZeroDivisionError):
        run.to_the_end()
