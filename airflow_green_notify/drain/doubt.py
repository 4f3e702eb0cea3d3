"""What happens after a delete, or an attempt, whose end is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.errors import GreenApiError


def doubt_wait(attempt: int, doubt: GreenApiError | None) -> float:
    """Seconds before looking again after a doubtful delete: from 0.1 up to 5, or what the gateway asks."""
    asked = getattr(doubt, "retry_after", None) or 0.0
    return max(min(0.1 * 2.5**attempt, 5.0), min(asked, 60.0))
