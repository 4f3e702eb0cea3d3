"""A Dag that streams all instances; a second one whose batches are so short that gaps show."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore

CONNECTIONS = [f"green_api_{number}" for number, _ in enumerate(os.environ["BENCHMARK_INSTANCES"].split())]


def make_dag(name: str, linger: float) -> None:
    """Make a Dag whose batches take this many seconds."""

    @dag(
        dag_id=name,
        schedule="@continuous",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
    )
    def stream() -> None:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            green_api_conn_id=CONNECTIONS,
            store=SqlStore("warehouse", table=name),
            linger=linger,
            on_instance_error="warn",
            retries=2,
        )

    stream()


make_dag("stream", 300.0)
make_dag("stream_with_gaps", float(os.environ["BENCHMARK_GAPS"]))
