"""The thread in which a store or a handler is at work beside an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class StoreThread(Executor):
    """Makes one call after the other in a thread that keeps no interpreter from ending.

    Those of ``ThreadPoolExecutor`` are waited for at exit, so that a handler that hangs would keep the
    process of its task for ever.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Make a call when those before it have returned."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="green-api-store", daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread when its calls have returned."""
        if self._thread is not None:
            self._calls.put(None)
            if wait:
                self._thread.join()

    def _serve(self) -> None:
        while call := self._calls.get():
            future, work = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            del call, future, work  # or the last notification would be kept until the next one


async def in_thread(thread: Executor, work: Callable[..., T], *arguments: object) -> T:
    """Do something in a thread, in the caller's context.

    Nothing is deleted if the drain is cancelled meanwhile.
    """
    call = partial(contextvars.copy_context().run, _without_stop_iteration, work, *arguments)
    return await asyncio.get_running_loop().run_in_executor(thread, call)


def _without_stop_iteration(work: Callable[..., T], *arguments: object) -> T:
    """Raise anything but a StopIteration, which futures refuse, so that whoever waits would wait for ever."""
    try:
        return work(*arguments)
    except StopIteration as error:
        raise RuntimeError(f"StopIteration: {error}") from error
