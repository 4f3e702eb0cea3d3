"""Many notifications at once behind a doorbell, and what Airflow makes of its rings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from airflow_green_notify.emulator import traffic
from tests.live.conftest import Live, on_each, on_postgres
from tests.live.kill_triggerer import LYING_SECONDS
from tests.live.running_airflow import until

pytestmark = pytest.mark.live

RING_AGAIN_AFTER = 10.0  # of the doorbell in dags/killed_waiters.py
SCHEDULER_SECONDS = 20.0

CONSUMED = """
    SELECT e.timestamp, r.queued_at FROM asset_event e JOIN asset a ON a.id = e.asset_id
    JOIN dagrun_asset_event d ON d.event_id = e.id JOIN dag_run r ON r.id = d.dag_run_id WHERE a.name = 'rung'
"""


@on_each
def test_burst_is_stored_whole_and_leaves_no_event_lying(live: Live) -> None:
    """500 at once: all are stored once, and no ring waits for its run longer than ring_again_after."""
    before = len(live.waiters.stored_keys())
    with live.waiters.working(live.airflow):
        live.waiters.rung.push(*traffic(seed=500, n=500))
        until(lambda: not live.waiters.rung.queue(), 120, "empty queue")
        assert live.airflow.lying_events("rung", RING_AGAIN_AFTER + SCHEDULER_SECONDS) == 0
    keys = live.waiters.stored_keys()
    assert len(keys) == len(set(keys)) == before + 500
    lay = [seconds_between(rung, run) for rung, run in live.airflow.query(CONSUMED)]
    assert max(lay) <= RING_AGAIN_AFTER + SCHEDULER_SECONDS


@on_postgres
def test_events_stored_while_no_scheduler_ran_reach_a_run(live: Live) -> None:
    """Four are in events, and deleted, before a scheduler is back: their runs don't wait for a fifth."""
    with live.airflow.running("take_events"):
        until(lambda: live.airflow.is_watched_by("GreenApiNotificationTrigger"), 60, "watcher")
        live.airflow.terminate("scheduler")
        live.waiters.carried.push(*traffic(seed=4, n=4))
        until(lambda: not live.waiters.carried.queue(), 60, "empty queue")
        live.airflow.start_scheduler()
        assert live.airflow.lying_events("carried", LYING_SECONDS) == 0


def seconds_between(first: Any, last: Any) -> float:
    """PostgreSQL gives moments, SQLite their text."""
    return (datetime.fromisoformat(str(last)) - datetime.fromisoformat(str(first))).total_seconds()
