"""How long ago something was, also if the machine slept meanwhile or the process stood still."""

from __future__ import annotations

import time

_COUNTING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _clocks() -> tuple[float, float]:
    """Return a clock that goes on while the machine sleeps (on Linux), and the wall clock."""
    return time.clock_gettime(_COUNTING), time.time()


class Stopwatch:
    """Seconds since it was made, by whichever clock says more.

    A virtual machine that was suspended learns of it from the wall clock alone; a wall clock that is set back
    doesn't shorten what the other one counted.
    """

    def __init__(self) -> None:
        self._started = _clocks()

    def seconds(self) -> float:
        """Return how many seconds have passed."""
        return max(now - started for now, started in zip(_clocks(), self._started, strict=True))
