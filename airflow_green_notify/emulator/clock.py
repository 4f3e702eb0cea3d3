"""The gateway's clock: real time plus what a test moved it by, and what is due later."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

MAX_OFFSET = 1000 * 365 * 86_400  # seconds


class Clock:
    """Time that can be moved forward, with an agenda that moves along.

    Retention, delays and link lives are measured by it. Rate limits, round trips and ``receiveTimeout``
    are not: those always pass in real time.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """UNIX time in seconds, as the gateway sees it."""
        return time.time() + self._offset

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` once that many seconds have passed; at once if none have to."""
        if seconds <= 0:
            action()
            return
        item = (self.now() + seconds, next(self._order), action)
        heapq.heappush(self._agenda, item)
        if self._agenda[0] is item:
            self.arm()

    def advance(self, seconds: float) -> None:
        """Move the clock forward and run what has become due.

        :raises ValueError: The clock would leave the bounds of what can be written as a date.
        """
        if self._offset + seconds > MAX_OFFSET:
            raise ValueError("the clock can be moved forward by a thousand years altogether")
        self._offset += seconds
        self.arm()

    def arm(self) -> None:
        """Run what is due and set the event loop's timer for the next item of the agenda."""
        while self._agenda and self._agenda[0][0] <= self.now():
            heapq.heappop(self._agenda)[2]()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._agenda:
            self._timer = self._call_later(self._agenda[0][0] - self.now())

    def _call_later(self, seconds: float) -> asyncio.TimerHandle | None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None  # the server isn't running; start() arms the clock again
        return loop.call_later(max(0.0, seconds), self.arm)
