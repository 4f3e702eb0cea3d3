"""Replays dead letters beside a drain, through its handler and under its lease."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from airflow_green_notify.drain import lease as leases
from airflow_green_notify.drain.doubt import pause_after
from airflow_green_notify.drain.handling import Case, NotificationHandler
from airflow_green_notify.drain.lease import LeaseLost, ReaderLease, renewed
from airflow_green_notify.drain.pace import Pace
from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.stoppable import ToldToStop, check

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.dead_letters import DeadLetters, Marked

T = TypeVar("T")

log = logging.getLogger(__name__)

AT_LEAST = 60.0
"""Seconds that a run has for its replays, however soon its drain ends."""

_PAGE = 500
FRESH = 5.0
"""Seconds after which marks are read anew: others may have been dropped or erased, or have another rate."""

_LOOKS_EVERY = 0.2
"""Seconds."""


def lease_name(task: str) -> str:
    """Return what the lease is called without which nobody replays what is marked for a task."""
    return f"dead letters of {task}"


class InTurn:
    """A sink that does its work when it is its turn."""

    def __init__(self, sink: NotificationHandler, replays: Replays) -> None:
        self._sink = sink
        self._replays = replays

    def __repr__(self) -> str:
        return repr(self._sink)

    def put(self, notification: Notification) -> bool:
        """Put into the sink."""
        return self._replays.in_turn(partial(self._sink.put, notification))

    @property
    def dead_letters(self) -> int:
        """How many the sink gave up."""
        return self._sink.dead_letters


class Replays:
    """Replays what is marked for a task, in order, one call of the handler at a time.

    Replays and the drain take turns in one thread, so that no slow rate and no number of dead letters keeps
    the queue waiting for longer than one call takes. A run whose drain has ended goes on with them until
    :data:`AT_LEAST` seconds after its start; what is left by then stays marked for the next run.

    A crash at any point leaves a letter marked, and its replay is begun again by the next run: without
    another call of the handler if the last one had returned, and that was noted.

    :param letters: Those of the store in which the task sets aside.
    :param task: Whose marks are meant.
    :param handler_of: Makes a handler that looks at a lease, and sets aside again what it gives up; it calls
        :meth:`note_call` first.
    """

    def __init__(
        self, letters: DeadLetters, task: str, handler_of: Callable[[ReaderLease], NotificationHandler]
    ) -> None:
        self._letters = letters
        self._task = task
        self._handler_of = handler_of
        self._turns = StoreThread()
        self._replay: threading.Thread | None = None
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._started = time.monotonic()
        self._pace = Pace()
        self.handled = 0
        self.dead_letters = 0

    def in_turn(self, work: Callable[[], T]) -> T:
        """Do something in the thread of the handler, when what it is busy with has ended."""
        done: Future[T] = self._turns.submit(copy_context().run, work)
        return done.result()

    def note_call(self) -> None:
        """Note that the handler is called now, from which its rate is counted."""
        self._pace.note_call()

    def begin(self, reader: ReaderLease) -> None:
        """Begin, as part of a reader that has its lease; the first one of a fleet suffices."""
        if self._replay is None:
            lease = reader.with_lease_on(lease_name(self._task))
            serve = partial(copy_context().run, self._serve, lease)
            self._started = time.monotonic()
            # A handler that hangs keeps no interpreter from ending.
            self._replay = threading.Thread(target=serve, name="green-api-replay", daemon=True)
            self._replay.start()

    def __enter__(self) -> Self:
        self._turns.submit(int)  # its thread is begun by one
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._ended.set()
            if self._replay is not None:
                self._replay.join()
            self._turns.shutdown()
            self._letters.close()
        if kind is None and self._error is not None:
            raise self._error

    def _wait(self) -> None:
        """Let replays go on beyond the end of the drain, for a while."""
        replay = self._replay
        while replay is not None and replay.is_alive() and time.monotonic() < self._started + AT_LEAST:
            replay.join(_LOOKS_EVERY)
            check()

    def _serve(self, lease: ReaderLease) -> None:
        try:
            if self._letters.marked(self._task, 1):
                self._replay_all(lease)
        except (LeaseLost, ToldToStop):
            log.warning("The replay of dead letters ended early; what is left waits for the next run.")
        except BaseException as error:
            self._error = error
            log.error("Replaying dead letters failed; what is left stays marked: %s", error)

    def _replay_all(self, lease: ReaderLease) -> None:
        if not self._is_taken(lease):
            log.info("The dead letters of %s are being replayed by %s.", self._task, lease.holder)
            return
        handler = self._handler_of(lease)
        with renewed(lease):
            while page := self._letters.marked(self._task, _PAGE):
                if not self._replay_page(handler, page):
                    return
        log.info("Replayed dead letters: %d handled, %d failed again.", self.handled, self.dead_letters)

    def _replay_page(self, handler: NotificationHandler, page: Sequence[Marked]) -> bool:
        """Replay these, as long as what was read is fresh; ``False`` if there is no time left."""
        read = time.monotonic()
        for marked in page:
            if not self._is_time(marked.rate):
                return False
            if time.monotonic() - read > FRESH:
                break
            if not self._replay_one(handler, marked):
                return False
        return True

    def _is_taken(self, lease: ReaderLease) -> bool:
        """Take the lease, and wait for that of a run which died: it expires a moment after the queue's."""
        until = time.monotonic() + leases.SPAN
        while not lease.take():
            if time.monotonic() >= until or self._ended.wait(leases.ASK_EVERY):
                return False
        return True

    def _replay_one(self, handler: NotificationHandler, marked: Marked) -> bool:
        """Make attempts at one until it is handled or given up; ``False`` if there is no time left."""
        case = Case.of(marked.letter)
        while self._is_time(marked.rate):
            if self.in_turn(lambda: handler.attempt(case)) is not None:
                self._letters.remove([marked.letter])
                self.handled, self.dead_letters = handler.handled, handler.dead_letters
                return True
            self._ended.wait(pause_after(case.attempt + 1))
        return False

    def _is_time(self, rate: float | None) -> bool:
        """Wait until the handler may be called again."""
        if rate is not None:
            self._ended.wait(self._pace.due_in(rate))
        return not self._ended.is_set()
