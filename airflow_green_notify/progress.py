"""When long work tells how far it is, and how it says how long something took."""

from __future__ import annotations

import time

FIRST_AFTER = 10.0
"""Seconds after which it is told for the first time."""

EVERY = 30.0
"""Seconds between two times."""


class Progress:
    """Tells when to tell: after ten seconds, then every thirty."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._next_at = self._started + FIRST_AFTER

    def seconds(self) -> float:
        """Return for how long the work has been going on."""
        return time.monotonic() - self._started

    def is_due(self) -> bool:
        """Tell whether it is time to tell."""
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + EVERY
        return True


def span(seconds: float) -> str:
    """Return a length of time as somebody would say it."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
