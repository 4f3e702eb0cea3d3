"""When an event without a notification has Airflow pick up the events that it left lying."""

from __future__ import annotations

import logging
from typing import Any

from airflow_green_notify.stopwatch import Stopwatch

log = logging.getLogger(__name__)

QUIET_PAYLOAD: dict[str, Any] = {"key": None, "receipt_id": None, "received_at": None, "body": None}
"""The form of a notification, with nothing in it."""


class QuietEvents:
    """Strikes when no notification came for a while, then after twice that time, and so on.

    Airflow makes a Dag run of the events up to the one that queued the run, and leaves those lying that were
    stored while it was queued: they wait for an event that queues the next run. It comes too early as long as
    Airflow still can't create the first run, and nothing tells for how long that is. As each comes after
    twice the time of the one before, what lies is picked up after at most as long again.

    What was stored before this triggerer started may lie too, so it counts as a notification.

    :param ring_again_after: Seconds after the last notification until the first one.
    """

    def __init__(self, ring_again_after: float) -> None:
        self._first_after = ring_again_after
        self.begin_again()

    def begin_again(self) -> None:
        """Note that a notification is on its way into an event."""
        self._after = self._first_after
        self._silence = Stopwatch()

    def seconds_left(self) -> float:
        """Return how long it is until it strikes."""
        return max(0.0, self._after - self._silence.seconds())

    def strikes(self) -> bool:
        """Say whether it is time for a quiet event; the next one comes after twice the time."""
        if self.seconds_left() > 0:
            return False
        log.info(
            "Quiet for %.0f s: an event without a notification picks up events that may be left over.",
            self._after,
        )
        self._after *= 2
        self._silence = Stopwatch()
        return True
