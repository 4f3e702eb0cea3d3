"""A Dag that streams all instances, and approvals that wait beside it for the answers to their questions."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.stores import SqlStore

CONNECTIONS = [f"green_api_{number}" for number, _ in enumerate(os.environ["BENCHMARK_INSTANCES"].split())]
STORE = SqlStore("warehouse", table="approvals")


@dag(
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
)
def stream() -> None:
    GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=CONNECTIONS,
        store=STORE,
        linger=3600,
        on_instance_error="warn",
        retries=2,
    )


@dag(schedule=None, catchup=False, max_active_runs=10_000, max_active_tasks=10_000)
def approval() -> None:
    GreenApiStoredNotificationSensor(
        task_id="wait",
        store=STORE,
        matching={"type_webhook": "incomingMessageReceived", "quoted_id": "{{ dag_run.conf['asked'] }}"},
        deferrable=True,
        timeout=6 * 3600,
    )


stream()
approval()
