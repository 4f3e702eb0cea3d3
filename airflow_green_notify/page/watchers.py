"""How a watcher is shown: when it last looked, and why it did not ring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_green_notify.page.wording import ago, moment, words
from airflow_green_notify.printable import NAME, TEXT
from airflow_green_notify.stores.report import Report

_STOPPED_AFTER = timedelta(minutes=5)
"""How long after its last report a watcher, which reports once a minute, is taken for one that ended."""


@dataclass(frozen=True)
class WatcherView:
    """When a watcher last looked, and why it did not ring."""

    kind: str
    name: str
    looked: str
    rang: str
    why: str


def watcher_view(report: Report, now: datetime) -> WatcherView:
    """Return how a watcher is shown."""
    body = report.body
    fails = body.get("state") == "failing"
    rang_at = _time(body.get("rang_at"))
    waiting_since = _time(body.get("waiting_since"))
    why = words(body.get("why") or "", TEXT)
    if waiting_since:
        why = f"A notification waits since {moment(waiting_since)}. {why}".strip()
    has_stopped = now - report.at > _STOPPED_AFTER
    if has_stopped:
        why = f"It has not looked since: nobody watches now, unless it was to end. It said then: {why}"
    return WatcherView(
        "bad" if fails else "fair" if has_stopped else "good",
        words(report.name, NAME),
        f"{ago(report.at, now)} ({moment(report.at)})",
        f"{ago(rang_at, now)} ({moment(rang_at)})" if rang_at else "not yet",
        why or "It says nothing.",
    )


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
