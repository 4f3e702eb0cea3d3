"""Which example Dags the demo lets run."""

from __future__ import annotations

from airflow_green_notify.demo import examples


def test_each_example_dag_runs_or_is_paused_for_a_reason() -> None:
    """None is forgotten, none is gone."""
    from airflow.models import DagBag

    there = set(DagBag(dag_folder=str(examples.folder())).dags)
    assert sorted([*examples.RUNNING, *examples.PAUSED]) == sorted(there)
    assert all(examples.PAUSED.values())
