"""Many instances, one Dag: drain all of them into one store when any has something.

One doorbell watches all queues and rings at most every five seconds; one task drains them all, whatever rang.
An instance that fails (a refused token, an outage) fails alone: the Dag works on what the others brought, and
the run fails in a task of its own, which names the instance and the remedy.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow.sdk import AssetWatcher, dag, task

from airflow_green_notify.assets import create_asset
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

INSTANCES = ["green_api_sales", "green_api_support"]  # connections of type greenapi, one for each instance

DOORBELL = AssetWatcher(
    name="green_api_fleet_doorbell", trigger=GreenApiDoorbellTrigger(INSTANCES, min_ring_interval=5)
)
FLEET = create_asset(fleet="all", name="green_api_fleet", watchers=[DOORBELL])


@dag(schedule=[FLEET], catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def fleet_to_warehouse() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=INSTANCES,
        store=SqlStore("green_api_warehouse"),
        on_instance_error="warn",
        skip_if_empty=True,
        retries=3,
    )

    @task
    def count(batch: dict[str, Any]) -> dict[str, int]:
        return dict(Counter(str(each.instance_id) for each in read_batch(batch)))

    @task
    def name_failed(batch: dict[str, Any]) -> None:
        failed = {name: told["error"] for name, told in batch["instances"].items() if "error" in told}
        if failed:
            raise RuntimeError("; ".join(f"{name}: {error}" for name, error in failed.items()))

    count(drained.output)
    name_failed(drained.output)


fleet_to_warehouse()
