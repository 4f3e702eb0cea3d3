"""Many instances, one Dag: drain all of them into one store when any has something, and build typed tables.

One doorbell watches all queues and rings at most every five seconds; one task drains them all, whatever rang.
An instance that fails (a refused token, an outage) fails alone: tables are built of what the others brought,
and the run fails in a task of its own, which names the instance and the remedy.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetWatcher, dag, task

from airflow_green_notify.assets import create_asset
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

INSTANCES = ["green_api_sales", "green_api_support"]  # connections of type greenapi, one for each instance
WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite

TABLES = {
    "texts": ("instance_id", "notified_at", "chat_id", "sender", "text"),
    "files": ("instance_id", "notified_at", "chat_id", "sender", "file_name", "download_url"),
    "delivery": ("instance_id", "notified_at", "chat_id", "id_message", "status"),
}

DOORBELL = AssetWatcher(
    name="green_api_fleet_doorbell", trigger=GreenApiDoorbellTrigger(INSTANCES, min_ring_interval=5)
)
FLEET = create_asset(fleet="all", name="green_api_fleet", watchers=[DOORBELL])


def table_of(notification: Notification) -> str | None:
    if notification.type_webhook == "outgoingMessageStatus":
        return "delivery"
    if notification.download_url:
        return "files"
    return "texts" if notification.text else None


@dag(schedule=[FLEET], catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def fleet_to_warehouse() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=INSTANCES,
        store=SqlStore(WAREHOUSE),
        on_instance_error="warn",
        skip_if_empty=True,
        retries=3,
    )

    @task
    def build_tables(batch: dict[str, Any]) -> dict[str, int]:
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        rows: dict[str, list[list[Any]]] = {table: [] for table in TABLES}
        for notification in read_batch(batch):
            if table := table_of(notification):
                row = notification.as_row()
                rows[table].append([row[column] for column in ("key", *TABLES[table])])
        warehouse = SqliteHook(WAREHOUSE)
        for table, columns in TABLES.items():
            warehouse.run(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, {', '.join(columns)})")
            warehouse.insert_rows(table, rows[table], target_fields=["key", *columns], replace=True)
        return {table: len(values) for table, values in rows.items()}

    @task
    def name_failed(batch: dict[str, Any]) -> None:
        failed = {name: told["error"] for name, told in batch["instances"].items() if "error" in told}
        if failed:
            raise RuntimeError("; ".join(f"{name}: {error}" for name, error in failed.items()))

    build_tables(drained.output)
    name_failed(drained.output)


fleet_to_warehouse()
