"""A Dag per instance, each with a doorbell of its own."""

from __future__ import annotations

import os

from airflow.sdk import AssetWatcher, dag

from airflow_green_notify.assets import create_asset
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger


def make_dag(number: int, instance_id: str) -> None:
    """Make the Dag of one instance."""
    connection = f"green_api_{number}"
    doorbell = AssetWatcher(name=f"doorbell_{number}", trigger=GreenApiDoorbellTrigger(connection))
    queue = create_asset(instance_id=instance_id, name=f"queue_{number}", watchers=[doorbell])

    @dag(dag_id=f"instance_{number}", schedule=[queue], catchup=False, max_active_runs=1)
    def drain_instance() -> None:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            green_api_conn_id=connection,
            store=SqlStore("warehouse", table="instances"),
            skip_if_empty=True,
            retries=2,
        )

    drain_instance()


for place, instance in enumerate(os.environ["BENCHMARK_INSTANCES"].split()):
    make_dag(place, instance)
