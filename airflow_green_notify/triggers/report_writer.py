"""Writes what a watcher reports into a store, beside its looks and never in their way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
"""Seconds after which a write that doesn't return is left to itself, and another begun in another thread."""


class ReportWriter:
    """Writes reports in a thread, one write after the other; nobody waits for it.

    What could not be written is written with what comes next. The log tells once of a store that is away, and
    of its return.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = StoreThread()
        self._task: asyncio.Task[None] | None = None
        self._began = Stopwatch()
        self._unwritten: dict[str, Report] = {}
        self._is_failing = False

    def is_due(self, is_news: bool) -> bool:
        """Tell whether it is time to write.

        :param is_news: Whether something changed that somebody may be waiting to read.
        """
        if self._task is None:
            return True
        if self._task.done():
            return self._began.seconds() >= (MIN_INTERVAL if is_news else INTERVAL)
        if self._began.seconds() >= HANGS_AFTER:
            self._tell_failure(f"No answer within {HANGS_AFTER:g} s.")
        if self._began.seconds() < GIVEN_UP_AFTER:
            return False
        self.close()
        self._thread = StoreThread()
        return True

    def write(self, reports: Sequence[Report]) -> None:
        """Begin to write reports, and what is left of earlier ones; call it when it is due."""
        self._unwritten |= {each.id: each for each in reports}
        self._began = Stopwatch()
        self._task = asyncio.create_task(self._write([*self._unwritten.values()]))

    def close(self) -> None:
        """Let the thread end, once a write that is under way has returned."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False)

    async def _write(self, reports: Sequence[Report]) -> None:
        from asgiref.sync import sync_to_async  # below Airflow 3.2, connections are found in no other thread

        thread: Any = self._thread
        try:
            await sync_to_async(self._store.report, thread_sensitive=False, executor=thread)(reports)
        except Exception as error:  # whatever it is: the watcher has a queue to look at
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
