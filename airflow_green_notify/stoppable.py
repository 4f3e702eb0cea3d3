"""Work that ends within a second when its task is told to stop, whatever it is busy with.

Airflow tells a task by a signal, and signals reach the main thread alone: ``AirflowTaskTimeout`` is raised
wherever that thread happens to be, and SIGTERM calls ``on_kill`` there. In a callback of an event loop such
an exception is logged and forgotten; inside a database driver it waits for the driver. So the main thread
only waits, and the work is done beside it: it is told to stop, gets a moment to end, and is then left alone.

Left alone, it may still be inside a handler or a statement. Where that returns, the next :func:`check`, or
the next step of its event loop, ends it: nothing is deleted after a task was told to stop, and what the work
holds, such as the lease on a queue, is given back by itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook

T = TypeVar("T")

MOMENT = 0.7
"""Seconds that work has for its end before it is left alone."""

_WAKES_EVERY = 0.2
"""Seconds. A signal that arrives in the instant before the main thread falls asleep does not wake it."""

_current: ContextVar[Stoppable | None] = ContextVar("green_api_stoppable", default=None)


class ToldToStop(Exception):
    """The work ended in the middle because its task was told to."""

    def __init__(self) -> None:
        super().__init__(
            "The task was told to stop (SIGTERM) and ended in the middle. Nothing was deleted that is not "
            "stored or handled; a retry goes on where this ended."
        )


class Stoppable:
    """One piece of work in a thread of its own, and the thread that waits for it."""

    def __init__(self) -> None:
        # A signal handler may put into a SimpleQueue while the same thread waits for it; it could not set an
        # event.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._loops: list[Callable[[], object]] = []
        """What cancels the work in each of its event loops."""
        self.is_told = False

    def run(self, work: Callable[[], T]) -> T:
        """Do the work, in the caller's context, and return its result.

        :raises ToldToStop: :meth:`stop` was called.
        """
        outcome: Future[T] = Future()
        serve = partial(copy_context().run, self._serve, work, outcome)
        try:
            threading.Thread(target=serve, name="green-api-work", daemon=True).start()
            while not (outcome.done() or self.is_told):
                self._sleep(_WAKES_EVERY)
        except BaseException:
            self._end(outcome)
            raise
        if self.is_told:
            self._end(outcome)
            if not outcome.done() or isinstance(outcome.exception(), asyncio.CancelledError):
                raise ToldToStop
        return outcome.result()

    def stop(self) -> None:
        """Tell the work to stop. A signal handler may call this."""
        self.is_told = True
        self._wakes.put(None)

    def run_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run an event loop in this thread, which is one of the work's own, until it is told to stop."""

        async def run() -> T:
            task: Any = asyncio.current_task()
            cancel = partial(task.get_loop().call_soon_threadsafe, task.cancel)
            self._loops.append(cancel)
            try:
                check()
                return await work()
            finally:
                self._loops.remove(cancel)

        return asyncio.run(run())

    def _serve(self, work: Callable[[], T], outcome: Future[T]) -> None:
        _current.set(self)
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)
        self._wakes.put(None)

    def _end(self, outcome: Future[T]) -> None:
        """Tell the work to stop, and wait a moment for its end."""
        self.is_told = True
        for cancel in [*self._loops]:
            with suppress(RuntimeError):  # that loop has ended by now
                cancel()
        deadline = time.monotonic() + MOMENT
        while not outcome.done() and (seconds := deadline - time.monotonic()) > 0:
            self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        """Sleep for so long, or until there is something to look at."""
        with suppress(Empty):
            self._wakes.get(timeout=seconds)


def check() -> None:
    """End here if the task was told to stop.

    :raises ToldToStop: It was.
    """
    current = _current.get()
    if current is not None and current.is_told:
        raise ToldToStop


def sleep(seconds: float) -> None:
    """Sleep, but end if the task is told to stop.

    :raises ToldToStop: It was.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _WAKES_EVERY))
    check()


def run_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Do async work from sync code, stoppably."""
    current = _current.get()
    if current is None:
        return Stoppable().run(lambda: run_loop(work))
    return current.run_loop(work)


def run_async(hook: GreenApiHook, work: Callable[[], Awaitable[T]]) -> T:
    """Do async work with a hook from sync code, stoppably, and close the hook's connections."""
    if _current.get() is None:
        return Stoppable().run(lambda: run_async(hook, work))
    _ = hook.config  # looked up here: inside an event loop a worker's look-up may block

    async def run() -> T:
        async with hook:
            return await work()

    return run_loop(run)
