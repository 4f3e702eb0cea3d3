"""One Dag for all instances, with one doorbell."""

from __future__ import annotations

import os

from airflow.sdk import Asset, AssetWatcher, dag

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

CONNECTIONS = [f"green_api_{number}" for number, _ in enumerate(os.environ["BENCHMARK_INSTANCES"].split())]
DOORBELL = AssetWatcher(name="doorbell", trigger=GreenApiDoorbellTrigger(CONNECTIONS, min_ring_interval=5))
QUEUES = Asset("queues", watchers=[DOORBELL])


@dag(schedule=[QUEUES], catchup=False, max_active_runs=1)
def fleet() -> None:
    GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=CONNECTIONS,
        store=SqlStore("warehouse", table="fleet"),
        skip_if_empty=True,
        retries=2,
    )


fleet()
