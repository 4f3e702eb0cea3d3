"""The gateway's documented requests per second, per method."""

from __future__ import annotations

import time
from collections import deque

PER_SECOND: dict[str, int] = {
    "receiveNotification": 100,
    "deleteNotification": 100,
    "sendMessage": 50,
    "sendFileByUrl": 50,
    "sendFileByUpload": 50,
    "downloadFile": 5,
}
MAX_PER_SECOND: dict[str, int] = {"downloadFile": 1}  # what differs on MAX
DEFAULT_PER_SECOND = 1
UNLIMITED = {("uploadFile", "whatsapp"), ("uploadFile", "telegram")}  # no figure is documented there


class Rates:
    """Counts the requests of one instance over a sliding window of one second, in real time."""

    def __init__(self, type_instance: str) -> None:
        self._type_instance = type_instance
        self._recent: dict[str, deque[float]] = {}

    def allow(self, method: str) -> bool:
        """Whether one more request of ``method`` is within its rate; only then it counts."""
        if (method, self._type_instance) in UNLIMITED:
            return True
        recent = self._recent.get(method)
        if recent is None:
            recent = self._recent[method] = deque(maxlen=self._limit(method))
        now = time.monotonic()
        if len(recent) == recent.maxlen and now - recent[0] < 1.0:
            return False
        recent.append(now)
        return True

    def _limit(self, method: str) -> int:
        limits = {**PER_SECOND, **MAX_PER_SECOND} if self._type_instance == "v3" else PER_SECOND
        return limits.get(method, DEFAULT_PER_SECOND)
