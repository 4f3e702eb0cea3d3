"""Staying below the gateway's documented requests per second."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_green_notify.hooks.connection import InstanceConfig
    from airflow_green_notify.protocol.calls import Call

_limits: dict[tuple[str, str, int, float], RateLimit] = {}
_limits_lock = threading.Lock()

TRANSIT = 1.0
"""Seconds after which a request has surely reached the gateway, although its answer is not there yet."""


class RateLimit:
    """At most ``count`` requests in any ``seconds``, as the gateway sees them.

    A request's place becomes free ``seconds`` after its *answer*: the gateway counted it before it answered,
    so however late a request arrives on its way there, no window of the gateway holds more than ``count``.
    Only while all places are taken by long polls, the oldest poll's place is lent to the next request.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.seconds = seconds
        self._free_at: deque[float] = deque([0.0] * count)
        self._sent_at: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a place and return 0, or return the seconds after which to ask again."""
        with self._lock:
            now = time.monotonic()
            free_at = self._free_at[0] if self._free_at else self._sent_at[0] + TRANSIT + self.seconds
            if free_at > now:
                return min(free_at - now, self.seconds)
            (self._free_at or self._sent_at).popleft()
            self._sent_at.append(now)
            return 0.0

    def give_back(self) -> None:
        """Say that the answer to a request with a place came, or that none will."""
        with self._lock:
            if self._sent_at:  # else the place was lent
                self._sent_at.popleft()
                self._free_at.append(time.monotonic() + self.seconds)


def limit_of(config: InstanceConfig, call: Call[Any]) -> RateLimit:
    """Return the limit that all users of one instance's method share, whichever of its addresses they use."""
    count, seconds, is_adjustable = call.rate
    if is_adjustable:
        count = config.requests_per_second
    name = (config.queue, call.method.lower(), count, seconds)
    with _limits_lock:
        if name not in _limits:
            _limits[name] = RateLimit(count, seconds)
        return _limits[name]
