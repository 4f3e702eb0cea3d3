"""Values that are worked out in a thread, now and then, and shared by all who ask."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

REST = 10.0
"""What took long is worked out again only after so many times as long."""


class Threads:
    """A few threads that make calls. Nobody waits for them at exit: an address that hangs holds nothing up.

    :param most: How many calls are made at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = 0
        self._starting = threading.Lock()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def do(self, call: Callable[[], None]) -> None:
        """Make a call as soon as a thread is free."""
        self._calls.put(call)
        with self._starting:
            if self._started < self._most:
                self._started += 1
                threading.Thread(target=self._serve, name="green-api-page", daemon=True).start()

    def _serve(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call()
            except Exception:
                log.exception("Something that the page shows could not be worked out")


class Worked(NamedTuple, Generic[T]):
    """A value, and when it began to be worked out."""

    value: T
    at: datetime


class Kept(Generic[T]):
    """A value that is worked out anew if somebody asks and the last one is too old, once for all who ask.

    :param work: Works it out, in a thread. What it raises is logged, and the last value stays.
    :param span: Seconds after which it is too old.
    :param rest: So many times as long as it took it is left alone.
    """

    def __init__(self, work: Callable[[], T], span: float, threads: Threads, rest: float = REST) -> None:
        self._work = work
        self._span = span
        self._threads = threads
        self._rest = rest
        self._lock = threading.Lock()
        self._due_at = 0.0
        self._under_way: threading.Event | None = None
        self._last: Worked[T] | None = None

    def get(self, until: float) -> Worked[T] | None:
        """Return the value, or the last one if it is not there in time; ``None`` if there was none yet.

        :param until: When to wait no longer, by ``time.monotonic()``.
        """
        with self._lock:
            if self._under_way is None and time.monotonic() >= self._due_at:
                self._under_way = threading.Event()
                self._threads.do(self._run)
            under_way = self._under_way
        if under_way is not None:
            under_way.wait(max(0.0, until - time.monotonic()))
        return self._last

    def _run(self) -> None:
        at, began = datetime.now(UTC), time.monotonic()
        try:
            self._last = Worked(self._work(), at)
        finally:
            ended = time.monotonic()
            with self._lock:
                under_way, self._under_way = self._under_way, None
                self._due_at = ended + max(self._span, self._rest * (ended - began))
            if under_way is not None:
                under_way.set()
