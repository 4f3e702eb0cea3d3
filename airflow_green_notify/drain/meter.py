"""The metrics of a drain: every ten seconds what was added since, and the rest at its end."""

from __future__ import annotations

import dataclasses
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_green_notify import metrics

if TYPE_CHECKING:
    from airflow_green_notify.drain.report import DrainReport
    from airflow_green_notify.hooks import GreenApiHook

EVERY = 10.0
"""Seconds between two times that a drain sends what it did: StatsD's own rhythm."""

COUNTERS = {
    metrics.RECEIVED: "received",
    metrics.STORED: "stored",
    metrics.DUPLICATES: "already_stored",
    metrics.DELETED: "deleted",
    metrics.DOUBTFUL_DELETES: "doubtful_deletes",
}
"""What each counter counts of a report."""


class Meter:
    """Sends what a drain did, out of its report, and how long what it received had waited.

    :param report: Of the drain, as far as it is.
    """

    def __init__(self, hook: GreenApiHook, report: DrainReport) -> None:
        self._hook = hook
        self._report = report
        self._sent = dataclasses.replace(report)
        self._began = time.monotonic()
        self._next_at = self._began + EVERY
        self._oldest_age: float | None = None

    def note(self, age: timedelta | None) -> None:
        """Note an answer of the queue: how long its head had waited, or ``None`` if nothing waits."""
        seconds = 0.0 if age is None else age.total_seconds()
        self._oldest_age = max(self._oldest_age or 0.0, seconds)
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + EVERY
            self.send()

    def send(self) -> None:
        """Send what was added since the last time."""
        instance = self._hook.instance_name
        for name, of in COUNTERS.items():
            metrics.count(name, getattr(self._report, of) - getattr(self._sent, of), instance=instance)
        if self._oldest_age is not None:
            metrics.gauge(metrics.OLDEST_AGE, self._oldest_age, instance=instance)
        self._sent, self._oldest_age = dataclasses.replace(self._report), None

    def end(self) -> None:
        """Send the rest, and how long the drain took."""
        self.send()
        seconds = time.monotonic() - self._began
        metrics.timing(metrics.DRAIN_DURATION, seconds, instance=self._hook.instance_name)
