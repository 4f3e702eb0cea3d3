"""The rate of a handler's calls."""

from __future__ import annotations

import math
import time


class Pace:
    """When a handler may be called again, if its calls have a rate."""

    def __init__(self) -> None:
        self._last_call = -math.inf

    def note_call(self) -> None:
        """Note that it is called now."""
        self._last_call = time.monotonic()

    def due_in(self, rate: float | None) -> float:
        """Return the seconds until it may be called.

        :param rate: Hard limit of calls a second; ``None`` for no limit.
        """
        return 0.0 if rate is None else max(0.0, self._last_call + 1 / rate - time.monotonic())
