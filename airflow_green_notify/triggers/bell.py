"""When a doorbell rings: not too often, not too seldom, and for enough."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.triggers.sighting import Sighting


class Bell:
    """Decides whether a look at one or many queues is worth a ring. All times are seconds.

    What waits is a mapping from the name of a queue to the key of its head; a queue without a head is not in
    it.

    :param hold: How long the next look may take: a ring that would come due in that time comes before.
    """

    def __init__(self, min_ring_interval: float, ring_again_after: float, hold: float) -> None:
        self._min_interval = min_ring_interval
        self._ring_again_after = ring_again_after
        self._quiet_after = max(min_ring_interval, ring_again_after - hold)
        self._rung_at = -math.inf
        self._rung_for: dict[str, str] = {}
        self._in_a_row = False

    def news(self, waiting: Mapping[str, str]) -> list[str]:
        """Return the queues whose head was not rung for yet."""
        return [queue for queue, key in waiting.items() if self._rung_for.get(queue) != key]

    def strikes(self, waiting: Mapping[str, str], now: float, is_enough: bool = True) -> bool:
        """Say whether to ring for what waits.

        :param is_enough: Whether the news is worth a ring of its own. If not, it is not there yet for the
            bell, as little as that of an empty queue.
        """
        silence = now - self._rung_at
        news = self.news(waiting)
        in_a_row = False
        if news and is_enough:
            due = silence >= self._min_interval
            in_a_row = silence < self._ring_again_after
        elif len(news) < len(waiting):  # a head that was rung for still waits
            due = silence >= self._ring_again_after
        else:
            due = self._in_a_row and silence >= self._quiet_after
        if due:
            self._rung_at, self._in_a_row = now, in_a_row
            # A queue that looks empty for a moment keeps what it was rung for.
            self._rung_for = {**self._rung_for, **waiting} if waiting else {}
        return due

    def why_not(self, waiting: Mapping[str, str], now: float) -> str:
        """Say why it does not ring for what waits, if that is enough."""
        if not waiting:
            return "nothing waits"
        rung = f"it rang {now - self._rung_at:.0f} s before this look"
        if self.news(waiting):
            return f"{rung}, and rings {self._min_interval:g} s after that at the earliest"
        return f"{rung}, and rings {self._ring_again_after:g} s after that if the same still waits"


class Patience:
    """Says whether enough waits for a ring, or something for long enough.

    :param min_waiting: How many notifications are enough.
    :param max_wait: Seconds that are long enough.
    """

    def __init__(self, min_waiting: int, max_wait: float) -> None:
        self._min_waiting = min_waiting
        self._max_wait = max_wait

    def is_over(self, sightings: Collection[Sighting], now: float) -> bool:
        """Judge what waits, by a clock that counts on evenly."""
        enough = self._number(sightings) >= self._min_waiting
        return enough or any(now - sighting.waits_from >= self._max_wait for sighting in sightings)

    def why_not(self, sightings: Collection[Sighting]) -> str:
        """Say what has to happen until what waits is enough."""
        enough = f"there are {self._min_waiting} notifications ({self._number(sightings)} so far)"
        return f"it waits until {enough}, or one has waited for {self._max_wait:g} s"

    def _number(self, sightings: Collection[Sighting]) -> int:
        return sum(sighting.number for sighting in sightings)
