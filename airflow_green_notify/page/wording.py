"""How times, numbers and foreign words are shown."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_green_notify.printable import REASON, printable
from airflow_green_notify.progress import span


def words(text: object, limit: int = REASON) -> str:
    """Return foreign words on one line, without what Airflow masks; the template escapes them."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    return printable(redact(str(text)), limit)


def moment(at: datetime) -> str:
    """Return a time as the page shows it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    seconds = (now - at).total_seconds()
    return "just now" if seconds < 2 else f"{span(seconds)} ago"


def count(number: float) -> str:
    """Return a number with its thousands parted."""
    return f"{number:,.0f}"
