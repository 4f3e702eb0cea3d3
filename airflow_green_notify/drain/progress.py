"""What a long drain tells while it is at work."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_green_notify.drain.report import DrainReport

log = logging.getLogger(__name__)

FIRST_AFTER = 10.0
"""Seconds after which a drain tells for the first time how far it is."""

EVERY = 30.0
"""Seconds between two such lines."""


class Progress:
    """Tells count, rate and age after ten seconds, then every thirty."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._next_at = self._started + FIRST_AFTER

    def tell(self, report: DrainReport, age: timedelta | None) -> None:
        """Write a line if it is time to.

        :param age: Of the notification that is at the head now.
        """
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + EVERY
        waited = f"; the one at the head waited {span(age.total_seconds())}" if age is not None else ""
        seconds = now - self._started
        log.info(
            "Draining for %s: %s notifications so far (%.0f/s)%s.",
            span(seconds),
            f"{report.deleted:,}",
            report.deleted / seconds,
            waited,
        )


def span(seconds: float) -> str:
    """Return a length of time as somebody would say it."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
