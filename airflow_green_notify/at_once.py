"""The same work for many at once, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Do the work for every item, and return the results in the order of the items.

    Nobody waits for the threads at exit, as for those of a ``ThreadPoolExecutor``: a task that is told to
    stop, or a program on Ctrl-C, ends at once.

    :param threads: How many items are worked on at a time, at most.
    :raises Exception: The work for an item raised it; the rest goes on beside.
    """
    waiting: SimpleQueue[tuple[T, Future[R]]] = SimpleQueue()
    outcomes: list[Future[R]] = []
    for item in items:
        outcomes.append(Future())
        waiting.put((item, outcomes[-1]))

    def serve() -> None:
        while True:
            try:
                item, outcome = waiting.get_nowait()
            except Empty:
                return
            try:
                outcome.set_result(work(item))
            except BaseException as error:
                outcome.set_exception(error)

    for _ in range(min(threads, len(outcomes))):
        threading.Thread(target=copy_context().run, args=(serve,), name="green-api-look", daemon=True).start()
    return [outcome.result() for outcome in outcomes]
