"""Staying below the gateway's documented requests per second."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.hooks.connection import InstanceConfig
    from airflow_green_notify.protocol.calls import Call

_limits: dict[tuple[str, str, str], RateLimit] = {}
_limits_lock = threading.Lock()


class RateLimit:
    """At most ``count`` requests in any ``seconds``, as the gateway sees them.

    A request's place becomes free ``seconds`` after its *answer*: the gateway counted it before it answered,
    so however late a request arrives on its way there, no window of the gateway holds more than ``count``.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.seconds = seconds
        self._places: deque[float] = deque([0.0] * count, maxlen=count)
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a place and return the seconds to wait before the request may go out."""
        with self._lock:
            if not self._places:  # all are under way: long polls of other consumers in this process
                return self.seconds
            return max(0.0, self._places.popleft() - time.monotonic())

    def give_back(self) -> None:
        """Say that the answer came, or that none will."""
        with self._lock:
            self._places.append(time.monotonic() + self.seconds)


def limit_of(config: InstanceConfig, call: Call) -> RateLimit:
    """Return the limit that all users of one instance's method share within this process."""
    count, seconds = call.rate
    if call.method in ("receiveNotification", "deleteNotification"):
        count = config.requests_per_second
    name = (config.id_instance, call.method, f"{count}/{seconds}")
    with _limits_lock:
        return _limits.setdefault(name, RateLimit(count, seconds))
