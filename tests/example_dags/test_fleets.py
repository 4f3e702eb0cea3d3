"""The example Dags for many instances, run with real Airflow in this process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from tests.example_dags.conftest import load_dag, states

EACH = 40


@pytest.fixture
def fleet(green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> list[GatewayInstance]:
    """The instances of the examples, with something in each queue."""
    instances = [green_api_emulator, green_api_emulator.add_instance()]
    for seed, (name, instance) in enumerate(zip(("SALES", "SUPPORT"), instances, strict=True)):
        monkeypatch.setenv(f"AIRFLOW_CONN_GREEN_API_{name}", instance.connection)
        instance.push_traffic(seed, EACH)
    return instances


@pytest.fixture
def refused_support(fleet: list[GatewayInstance], monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of the second instance is wrong."""
    connection = json.loads(fleet[1].connection) | {"password": "f" * 50}
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_SUPPORT", json.dumps(connection))


def stream() -> Any:
    """The Dag that streams, for a second."""
    dag = load_dag("stream_to_warehouse")
    assert dag.get_task("drain").linger == 300
    dag.get_task("drain").linger = 1
    return dag


def counts(warehouse: str) -> dict[str, int]:
    """How many rows of the table come from each instance."""
    sql = "SELECT instance_id, count(*) FROM green_api_notifications GROUP BY instance_id"
    with sqlite3.connect(warehouse) as database:
        return dict(database.execute(sql))


def test_fleet_to_warehouse_stores_and_hands_on_what_all_instances_have(
    fleet: list[GatewayInstance], run_example: Callable[..., Any], warehouse: str
) -> None:
    """All queues end empty, the batch holds notifications of both instances; what comes again is skipped."""
    everything = {instance.id_instance: EACH for instance in fleet}
    bodies = [instance.queue() for instance in fleet]
    for state in ("success", "skipped"):
        run = run_example("fleet_to_warehouse")
        assert set(states(run).values()) == {state}
        assert [instance.queue() for instance in fleet] == [[], []]
        assert counts(warehouse) == everything
        counted = run.get_task_instance("count").xcom_pull(task_ids="count")
        assert counted == (everything if state == "success" else None)
        for instance, again in zip(fleet, bodies, strict=True):
            instance.push(*again)


@pytest.mark.usefixtures("refused_support")
def test_fleet_to_warehouse_works_on_the_others_and_fails_by_name_where_an_instance_is_refused(
    fleet: list[GatewayInstance], run_example: Callable[..., Any], warehouse: str
) -> None:
    """The others' rows are in the table, the run is red, and what was refused is still in its queue."""
    run = run_example("fleet_to_warehouse")
    reached = {"drain": "success", "count": "success", "name_failed": "failed"}
    assert (run.state, states(run)) == ("failed", reached)
    assert counts(warehouse) == {fleet[0].id_instance: EACH}
    assert len(fleet[1].queue()) == EACH


def test_stream_to_warehouse_stays_on_empty_queues_and_hands_on_one_batch(
    fleet: list[GatewayInstance], run_dag: Callable[..., Any], warehouse: str
) -> None:
    """It goes on for as long as it is told to, and counts what came by instance."""
    run = run_dag(stream())
    assert set(states(run).values()) == {"success"}
    assert counts(warehouse) == {instance.id_instance: EACH for instance in fleet}
    batch = run.get_task_instance("drain").xcom_pull(task_ids="drain")
    assert batch["report"]["seconds"] >= 1
    summary = run.get_task_instance("summarize").xcom_pull(task_ids="summarize")
    assert sum(summary.values()) == EACH * len(fleet)
    assert {name.split()[0] for name in summary} == {instance.id_instance for instance in fleet}


@pytest.mark.usefixtures("refused_support")
def test_stream_to_warehouse_goes_on_where_an_instance_is_refused(
    fleet: list[GatewayInstance], run_dag: Callable[..., Any], warehouse: str
) -> None:
    """The run succeeds with what the others brought, and the batch tells of the refusal."""
    run = run_dag(stream())
    assert run.state == "success"
    assert counts(warehouse) == {fleet[0].id_instance: EACH}
    batch = run.get_task_instance("drain").xcom_pull(task_ids="drain")
    assert "error" in batch["instances"]["green_api_support"]
    assert "error" not in batch["instances"]["green_api_sales"]


def test_stream_to_warehouse_runs_again_and_again_one_at_a_time() -> None:
    """Also below Airflow 3.3, where a Dag without a start never begins."""
    dag = load_dag("stream_to_warehouse")
    assert (dag.schedule, dag.max_active_runs, dag.catchup) == ("@continuous", 1, False)
    assert dag.start_date is not None
