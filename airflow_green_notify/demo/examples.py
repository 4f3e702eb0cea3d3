"""The example Dags, and which of them run by themselves in the demo."""

from __future__ import annotations

from pathlib import Path

RUNNING = (
    "three_teams_one_queue",
    "green_api_sales",
    "green_api_delivery",
    "green_api_telephony",
    "stream_to_warehouse",
    "support_desk",
    "warehouse_models",
    "dead_letter_replay",
    "approvals_beside_etl",
    "alert_on_failure",
)
"""Those that need nothing else: they have a schedule, an asset that starts them, or wait for a click."""

_DEFAULT_HAS_A_READER = "reads green_api_default, whose reader is three_teams_one_queue; pause that first"
_FLEET_HAS_A_READER = "reads the instances that stream_to_warehouse streams; pause that first"

PAUSED = {
    "answer_late_voters": _DEFAULT_HAS_A_READER,
    "answer_messages": _DEFAULT_HAS_A_READER,
    "answer_with_a_model": "needs a connection to a language model, named model",
    "approve_by_chat": _DEFAULT_HAS_A_READER,
    "approve_by_poll": _DEFAULT_HAS_A_READER,
    "archive_media": _DEFAULT_HAS_A_READER,
    "backfill_after_outage": _DEFAULT_HAS_A_READER,
    "etl_to_sqlite": _DEFAULT_HAS_A_READER,
    "fleet_to_warehouse": _FLEET_HAS_A_READER,
    "handle_message": "is started by one_run_per_message",
    "on_new_notifications": _DEFAULT_HAS_A_READER,
    "one_run_per_message": _DEFAULT_HAS_A_READER,
    "receive_load_delete": _DEFAULT_HAS_A_READER,
    "wait_for_reply": _DEFAULT_HAS_A_READER,
}
"""The others, and why: a queue has one reader."""


def folder() -> Path:
    """Where they lie: in an installed package within it, in a checkout beside it."""
    package = Path(__file__).parents[1]
    installed = package / "example_dags"
    return installed if installed.is_dir() else package.parent / "example_dags"
