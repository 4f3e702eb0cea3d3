"""The example Dags, loaded from their files and run with real Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def load_dag(name: str, dag_id: str | None = None) -> Any:
    """Read an example's file as Airflow does, and return its Dag of this id, or of the file's name."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag

    bag = DagBag(dag_folder=str(EXAMPLES / f"{name}.py"))
    assert bag.import_errors == {}
    dag = bag.dags[dag_id or name]
    for task in dag.tasks:
        if hasattr(task, "receive_timeout"):
            task.receive_timeout = 0.2  # an empty queue is waited for only as long as needed
    return dag


@pytest.fixture
def run_example(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """Run an example Dag to its end, with these params, and return the Dag run."""

    def run(name: str, **params: Any) -> Any:
        return run_dag(load_dag(name), run_conf=params)

    return run


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection ``green_api_warehouse`` to an empty SQLite."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_WAREHOUSE", json.dumps(connection))
    return connection["host"]


def states(run: Any) -> dict[str, str]:
    """The state of each task."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
