"""What tests of operators share: a task state that outlives a try, and Dags of one task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator


class TaskState(dict[str, Any]):
    """Stands in for ``context["task_state_store"]`` where no Airflow runs the operator."""

    set = dict.__setitem__

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def context() -> Any:
    """A context that holds nothing but the task's state."""
    return {"task_state_store": TaskState()}


@pytest.fixture
def run_task(run_dag: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run one task in a Dag of its own, with real Airflow, and return its task instance."""

    def run(operator: type[BaseOperator], *, retries: int = 0, **arguments: Any) -> Any:
        with DAG(f"dag_of_{request.node.originalname}", schedule=None) as dag:
            operator(task_id="task", retries=retries, retry_delay=timedelta(0), **arguments)
        return run_dag(dag).get_task_instance("task")

    return run
