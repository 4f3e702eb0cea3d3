"""Many notifications at once behind a doorbell, and what Airflow makes of its rings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from airflow_green_notify.emulator import traffic
from tests.live.conftest import Live, on_each
from tests.live.live_airflow import until

pytestmark = [pytest.mark.live, on_each]

RING_AGAIN_AFTER = 10.0  # of the doorbell in dags/killed_waiters.py
SCHEDULER_SECONDS = 20.0

UNCONSUMED = """
    SELECT e.timestamp FROM asset_event e JOIN asset a ON a.id = e.asset_id
    LEFT JOIN dagrun_asset_event d ON d.event_id = e.id WHERE a.name = 'rung' AND d.event_id IS NULL
"""
CONSUMED = """
    SELECT e.timestamp, r.queued_at FROM asset_event e JOIN asset a ON a.id = e.asset_id
    JOIN dagrun_asset_event d ON d.event_id = e.id JOIN dag_run r ON r.id = d.dag_run_id WHERE a.name = 'rung'
"""


def test_burst_is_stored_whole_and_leaves_no_event_lying(live: Live) -> None:
    """500 at once: all are stored once, and no ring waits for its run longer than ring_again_after."""
    before = len(live.waiters.stored_keys())
    with live.waiters.working(live.airflow):
        live.waiters.rung.push(*traffic(seed=500, n=500))
        until(lambda: not live.waiters.rung.queue(), 120, "empty queue")
        until(lambda: not live.airflow.query(UNCONSUMED), RING_AGAIN_AFTER + SCHEDULER_SECONDS, "consumption")
    keys = live.waiters.stored_keys()
    assert len(keys) == len(set(keys)) == before + 500
    lay = [seconds_between(rung, run) for rung, run in live.airflow.query(CONSUMED)]
    assert max(lay) <= RING_AGAIN_AFTER + SCHEDULER_SECONDS


def seconds_between(first: Any, last: Any) -> float:
    """PostgreSQL gives moments, SQLite their text."""
    return (datetime.fromisoformat(str(last)) - datetime.fromisoformat(str(first))).total_seconds()
