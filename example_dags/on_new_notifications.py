"""Run when something waits in the queue: drain it into SQLite, and count messages per chat.

The doorbell looks at the queue from the triggerer and rings; the Dag drains. One run may find many
notifications, or none: what a ring announced may lie in the batch of the run before.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetWatcher, dag, task

from airflow_green_notify.assets import create_asset
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite

QUEUE = create_asset(
    instance_id=1101000001,  # the idInstance of the connection green_api_default
    name="green_api_queue",
    watchers=[AssetWatcher(name="green_api_doorbell", trigger=GreenApiDoorbellTrigger())],
)


@dag(schedule=[QUEUE], catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def on_new_notifications() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain", store=SqlStore(WAREHOUSE), skip_if_empty=True, retries=3
    )

    @task
    def load(batch: dict[str, Any]) -> int:
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        rows = [
            (notification.key, notification.chat_id, notification.timestamp)
            for notification in read_batch(batch)
            if notification.type_webhook == "incomingMessageReceived"
        ]
        warehouse = SqliteHook(WAREHOUSE)
        warehouse.run("CREATE TABLE IF NOT EXISTS chat_messages (key TEXT PRIMARY KEY, chat_id, sent_at)")
        warehouse.insert_rows(
            "chat_messages", rows, target_fields=["key", "chat_id", "sent_at"], replace=True
        )
        return len(rows)

    load(drained.output)


on_new_notifications()
