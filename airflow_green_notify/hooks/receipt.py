"""How long a receipt id is good for the one delete that it is for."""

from __future__ import annotations

from airflow_green_notify.stopwatch import Stopwatch

FRESH_FOR = 1.0
"""Seconds. Later the queue may have run empty, its counter restarted, and the id may name another one."""

MAX_STALE_LOOKS = 5
"""How often the head is received again for a fresh receipt id; a slower gateway is taken at its word."""


class Receipt:
    """When a notification was handed out, as far as the one who received it can tell.

    Made before the receive is sent and answered when its answer is there. Whoever deletes asks
    :meth:`is_fresh` right before; if it isn't, the head is received again and its key compared first.

    What no reader can see: its delete may wait on the way to the gateway, or the process may be frozen
    between the question and the delete. If meanwhile somebody else deletes the notification, the queue runs
    empty, the gateway's counter restarts and a new notification is handed out to somebody else under the same
    number, the delete hits that one. A lease on the queue keeps other deleting readers away.

    :param receive_timeout: Seconds the gateway may hold the receive open.
    """

    def __init__(self, receive_timeout: float) -> None:
        self._in_time = receive_timeout + FRESH_FOR
        self._since_asked = Stopwatch()
        self._since_answer: Stopwatch | None = None

    def answered(self) -> None:
        """Note that the answer is there."""
        if self._since_asked.seconds() <= self._in_time:
            self._since_answer = Stopwatch()

    def is_fresh(self) -> bool:
        """Tell whether the answer came in time, and a moment ago."""
        return self._since_answer is not None and self._since_answer.seconds() <= FRESH_FOR
