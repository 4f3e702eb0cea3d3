"""Writes what a watcher reports into a store, beside its looks and never in their way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.printable import printable
from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.stores.report import Report
    from airflow_green_notify.stores.store import Store

log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two writes while nothing is new."""

MIN_INTERVAL = 10.0
"""Seconds between two writes at least, however much is new."""

HANGS_AFTER = 60.0
"""Seconds after which the log says that the store doesn't answer."""

GIVEN_UP_AFTER = 600.0
"""Seconds after that until a write that doesn't return is left to itself, and another may begin; twice as
many after each that was given up in a row, since each leaves a thread behind."""


class _Turn(asyncio.Lock):
    """Lets the writers into one store write one after the other.

    A thousand watchers that start at once are no thousand connections to a database that drains need.
    """

    given_up = 0
    """How many writes were given up in a row."""


_turns: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], _Turn] = WeakValueDictionary()


class ReportWriter:
    """Writes reports in a thread, one write after the other; nobody waits for it.

    What could not be written is written with what comes next. The log tells once of a store that is away, and
    of its return.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn: _Turn | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_calling = False
        self._began = Stopwatch()
        self._unwritten: dict[str, Report] = {}
        self._is_failing = False

    def is_due(self, is_news: bool) -> bool:
        """Tell whether it is time to write.

        :param is_news: Whether something changed that somebody may be waiting to read.
        """
        if self._task is None:
            return True
        return self._task.done() and self._began.seconds() >= (MIN_INTERVAL if is_news else INTERVAL)

    def write(self, reports: Sequence[Report]) -> None:
        """Begin to write reports, and what is left of earlier ones; call it when it is due."""
        self._unwritten |= {each.id: each for each in reports}
        self._began = Stopwatch()
        if self._turn is None:
            self._turn = _turns.setdefault((asyncio.get_running_loop(), repr(self._store)), _Turn())
        self._task = asyncio.create_task(self._write(self._turn))

    def close(self) -> None:
        """Begin no write any more; one that is under way ends by itself.

        It may be looking up a connection, and a look-up that is cancelled on Airflow 3.1 ends the triggerer:
        the next question there gets its answer.
        """
        if self._task is not None and not self._is_calling:
            self._task.cancel()

    async def _write(self, turn: _Turn) -> None:
        async with turn:
            self._is_calling = True
            try:
                await self._call(turn, [*self._unwritten.values()])
            finally:
                self._is_calling = False

    async def _call(self, turn: _Turn, reports: Sequence[Report]) -> None:
        call = asyncio.create_task(_written(self._store, reports))
        for seconds in (HANGS_AFTER, GIVEN_UP_AFTER * 2**turn.given_up):
            await asyncio.wait([call], timeout=seconds)
            if call.done():
                break
            self._tell_failure(f"No answer within {HANGS_AFTER:g} s.")
        else:
            turn.given_up += 1
            return
        turn.given_up = 0
        if error := call.result():
            unexpected = "" if isinstance(error, GreenApiError) else f"{type(error).__name__}: "
            self._tell_failure(f"{unexpected}{printable(error)}")
            return
        for each in reports:
            if self._unwritten.get(each.id) is each:
                del self._unwritten[each.id]
        if self._is_failing:
            self._is_failing = False
            log.info("Reports are written into %r again.", self._store)

    def _tell_failure(self, why: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning(
                "This watcher can't report into %r: %s It looks and rings all the same, and tries again.",
                self._store,
                why,
            )


async def _written(store: Store, reports: Sequence[Report]) -> Exception | None:
    """Write in a thread, and return what the store raised, whatever it is: there is a queue to look at."""
    from asgiref.sync import sync_to_async  # below Airflow 3.2, connections are found in no other thread

    thread: Any = StoreThread()
    try:
        await sync_to_async(store.report, thread_sensitive=False, executor=thread)(reports)
    except Exception as error:
        return error
    finally:
        thread.shutdown(wait=False)
    return None
