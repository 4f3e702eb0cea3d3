"""The demo to look around in, as a new user runs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from airflow_green_notify.demo import examples
from tests.demo.processes_left import left
from tests.demo.program import running_demo

pytestmark = pytest.mark.live

CONNECTIONS = {f"green_api_{name}" for name in ("default", "sales", "support", "warehouse")}
SCHEDULER = ["scheduler", "--skip-serve-logs"]
TEAMS = {f"green_api_{name}" for name in ("sales", "delivery", "telephony")}


def test_demo_shows_dags_that_run_and_real_connections_and_leaves_no_process(tmp_path: Path) -> None:
    """One after the other: the first successful run, what is there to be seen, and the end."""
    with running_demo(tmp_path) as demo:
        demo.read_until("The first Dag run succeeded")
        connections = {each["connection_id"]: each for each in demo.get("connections")["connections"]}
        assert set(connections) == CONNECTIONS
        assert connections["green_api_sales"]["conn_type"] == "greenapi"
        dags = {each["dag_id"]: each["is_paused"] for each in demo.get("dags?limit=1000")["dags"]}
        assert {name for name, is_paused in dags.items() if not is_paused} == set(examples.RUNNING)
        assert demo.get("importErrors")["import_errors"] == []
        assets = {each["name"]: each for each in demo.get("assets")["assets"]}
        for team in TEAMS:
            [drain] = assets[team]["producing_tasks"]
            assert (drain["dag_id"], drain["task_id"]) == ("three_teams_one_queue", "drain")
            assert [each["dag_id"] for each in assets[team]["scheduled_dags"]] == [team]
        assert demo.end(signal.SIGINT) == 0
    [home] = tmp_path.glob("green-api-demo-*")
    assert str(home) in demo.said[-1]
    assert left("AIRFLOW_HOME", str(home)) == []


def test_demo_ends_with_a_reason_when_a_part_of_airflow_dies(tmp_path: Path) -> None:
    """A demo without a scheduler would look as if nothing happened."""
    with running_demo(tmp_path) as demo:
        demo.read_until("Airflow runs")
        [home] = tmp_path.glob("green-api-demo-*")
        [scheduler] = [pid for pid, command in left("AIRFLOW_HOME", str(home)) if command[-2:] == SCHEDULER]
        os.kill(scheduler, signal.SIGKILL)
        demo.read_until("Stopped")
        assert demo.wait() == 1
    assert any("Airflow's scheduler ended by itself, with exit code -9" in line for line in demo.said)
    assert left("AIRFLOW_HOME", str(home)) == []
