"""How long a receipt id is good for the one delete that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

FRESH_FOR = 1.0
"""Seconds. Later the queue may have run empty, its counter restarted, and the id may name another one."""

MAX_STALE_LOOKS = 5
"""How often one head is received again for a fresh receipt id; a slower gateway is taken at its word."""


class Receipt:
    """How old the receipt id of the head is, as far as the one who receives it can tell.

    Whoever deletes asks :meth:`is_fresh` right before. If it is not, the head is received again and its key
    compared first.

    What no reader can see: its delete may wait on the way to the gateway, or the process may be frozen
    between the question and the delete. If meanwhile somebody else deletes the notification, the queue runs
    empty, the gateway's counter restarts and a new notification is handed out to somebody else under the same
    number, the delete hits that one. A lease on the queue keeps other deleting readers away.
    """

    def __init__(self) -> None:
        self._key = ""
        self._looked_in_vain = 0
        self._in_time = 0.0
        self._since_asked = Stopwatch()
        self._since_answer: Stopwatch | None = None

    def ask(self, receive_timeout: float) -> None:
        """Note that a receive begins.

        :param receive_timeout: Seconds the gateway may hold it open.
        """
        self._in_time = receive_timeout + FRESH_FOR
        self._since_asked = Stopwatch()
        self._since_answer = None

    def answer(self, head: Notification | None) -> None:
        """Note that the answer is there; one that was under way for longer than allowed is not fresh."""
        key = head.key if head is not None else ""
        if key != self._key:
            self._key, self._looked_in_vain = key, 0
        if self._since_asked.seconds() <= self._in_time:
            self._since_answer = Stopwatch()

    def is_fresh(self) -> bool:
        """Tell whether the answer came in time and a moment ago, or looking again proved to be in vain."""
        if self._since_answer is not None and self._since_answer.seconds() <= FRESH_FOR:
            return True
        self._looked_in_vain += 1
        return self._looked_in_vain > MAX_STALE_LOOKS
