"""The one look at a store that all waits of a triggerer process share."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from airflow_green_notify import metrics
from airflow_green_notify.consume.waiting import (
    AT_ONCE,
    Found,
    OpenEntries,
    Waits,
    Wanted,
    in_open_batches,
    received,
)
from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.stores.page import store_described
from airflow_green_notify.triggers.watch import MAX_BACK_OFF

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.store import Store
    from airflow_green_notify.stores.stream import StoredStream

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE = 1.0
"""Seconds from the start of a look to the start of the next: one query for all waits, if nothing came."""

OPEN_PAUSE = 10.0
"""How many times as long as it took to read open batches the next look is away: files are read one by one."""

LOOK_TIMEOUT = 60.0
"""Seconds after which a look that doesn't return is given up, and another begun on a new connection."""


class Wait:
    """One who waits.

    :param after: Up to which position somebody has looked for it.
    """

    def __init__(self, wanted: Wanted, after: int) -> None:
        self.wanted = wanted
        self.after = after
        self.found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()


class _Reader:
    """Reads a store in a thread, over a connection of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = StoreThread()
        self._stream: StoredStream | None = None

    async def look(self, work: Callable[[StoredStream], T]) -> T:
        """Do something with the store's stream, in the thread.

        :raises TimeoutError: It doesn't answer. Whatever comes of it later is given up, with the thread.
        """
        from asgiref.sync import sync_to_async  # below Airflow 3.2, connections are found in no other thread

        thread: Any = self._thread
        async with asyncio.timeout(LOOK_TIMEOUT):
            seen: T = await sync_to_async(self._look, thread_sensitive=False, executor=thread)(work)
            return seen

    def close(self) -> None:
        """Let go of the connection, once a call that is under way has returned."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _look(self, work: Callable[[StoredStream], T]) -> T:
        if self._stream is None:
            self._stream = self._store.stream()
        return work(self._stream)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class _Seen(NamedTuple):
    """What one look brings: who found what, up to where it saw, and seconds until the next is worth it."""

    found: dict[Wait, Found]
    after: int
    pause: float


class StoredLook:
    """Looks at a store for all who wait, once a second, as long as somebody does.

    It goes on from where the one has looked who has looked least: a wait that begins behind the others, or
    comes from another triggerer with the position in its row, takes the look back to there. It moves on only
    once a page is judged, so nothing is passed by, whatever fails.

    While the store can't be read it tries again with back-off; the log tells once of it, and of its end.
    """

    def __init__(self, store: Store, ended: Callable[[], None]) -> None:
        self._store = store
        self._ended = ended
        self._reader = _Reader(store)
        self._newcomers: set[Wait] = set()
        self._waits: Waits[Wait] = Waits()
        self._number = 0
        self._after: int | None = None
        self._failures = 0
        self._fault = ""
        self._failing = Stopwatch()
        # In a context of its own, or its log lines would be those of the task that happens to wait first.
        self._task = asyncio.create_task(self._look_on(), context=contextvars.Context())

    async def first(self, wanted: Wanted, after: int) -> Found:
        """Wait for the oldest that a declarative filter wants behind a position."""
        wait = Wait(wanted, after)
        self._newcomers.add(wait)
        self._number += 1
        try:
            return await wait.found
        finally:
            self._leave(wait)

    def _leave(self, wait: Wait) -> None:
        if wait in self._newcomers:
            self._newcomers.remove(wait)
        else:
            self._waits.remove(wait)
        self._number -= 1
        if not self._number:
            self._ended()
            self._task.cancel()
            self._reader.close()

    # --- looking ---

    async def _look_on(self) -> None:
        while True:
            began = time.monotonic()
            try:
                pause = await self._look()
            except Exception as error:  # whatever it is: all tasks that wait would fail by it
                await self._wait_out(error)
                continue
            self._tell_recovery()
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    async def _look(self) -> float:
        """Look at a page for everybody, and return the seconds from its start to the next.

        Who comes meanwhile is for the next look, or might find something that isn't the oldest.
        """
        newcomers, self._newcomers = self._newcomers, set()
        for wait in newcomers:
            self._waits.add(wait)
            self._after = wait.after if self._after is None else min(self._after, wait.after)
        seen = await self._reader.look(partial(self._judge_page, start=self._after or 0))
        self._after = seen.after
        for wait, found in seen.found.items():
            if not wait.found.done():
                wait.found.set_result(found)
        return seen.pause

    def _judge_page(self, stream: StoredStream, start: int) -> _Seen:
        """Read a page and let those judge it whom it may concern. It runs in the thread."""
        seen: dict[Wait, Found] = {}
        page = stream.read(start, AT_ONCE)
        after = start
        for position, entry in page:
            self._judge(received(entry), seen, after, position)
            after = position
        if len(page) == AT_ONCE:
            return _Seen(seen, after, 0.0)
        began = time.monotonic()
        for notification in in_open_batches(stream):
            self._judge(notification, seen, after)
        took = time.monotonic() - began if isinstance(stream, OpenEntries) else 0.0
        return _Seen(seen, after, max(PAUSE, OPEN_PAUSE * took))

    def _judge(
        self, notification: Notification, seen: dict[Wait, Found], before: int, position: int | None = None
    ) -> None:
        for wait in self._waits.that_may_want(notification):
            is_new = position is None or position > wait.after
            if is_new and wait not in seen and wait.wanted.is_met_by(notification):
                seen[wait] = Found(notification, max(before, wait.after))

    # --- outages ---

    async def _wait_out(self, error: Exception) -> None:
        self._tell_failure(error)
        self._failures += 1
        metrics.count(metrics.FAILED_LOOKS)
        self._reader.close()
        self._reader = _Reader(self._store)
        seconds = min(2.0 ** min(self._failures - 1, 10), MAX_BACK_OFF)
        await asyncio.sleep(seconds * random.uniform(0.75, 1.0))

    def _tell_failure(self, error: Exception) -> None:
        fault = type(error).__name__
        if fault == self._fault:
            return
        if not self._failures:
            self._failing = Stopwatch()
        self._fault = fault
        log.warning(
            "Can't read %r: %s %d waits go on. Retrying, at most %d s apart.",
            self._store,
            f"No answer within {LOOK_TIMEOUT:g} s." if isinstance(error, TimeoutError) else error,
            self._number,
            MAX_BACK_OFF,
            exc_info=None if isinstance(error, GreenApiError | TimeoutError) else error,
        )

    def _tell_recovery(self) -> None:
        if self._failures:
            log.info(
                "%r can be read again, after %d failed looks in %.0f s.",
                self._store,
                self._failures,
                self._failing.seconds(),
            )
            self._failures, self._fault = 0, ""


_looks: dict[tuple[asyncio.AbstractEventLoop, str], StoredLook] = {}


def look_at(description: Mapping[str, Any]) -> StoredLook:
    """Return the look at a store that all waits of this event loop share."""
    place = asyncio.get_running_loop(), json.dumps(description, sort_keys=True)
    if place not in _looks:
        for ended in [each for each in _looks if each[0].is_closed()]:
            del _looks[ended]
        _looks[place] = StoredLook(store_described(description), lambda: _looks.__delitem__(place))
    return _looks[place]
