"""One notification a run: receive it, transform it, load it into SQLite, and only then delete it.

Whatever task dies, a retry continues: the notification stays in the queue until its row is committed, and a
row that is there already is not written twice. For more than a few a minute see ``etl_to_sqlite``.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite


@dag(schedule=None, catchup=False, tags=["green-api"], doc_md=__doc__)
def receive_load_delete() -> None:
    received = GreenApiReceiveNotificationOperator(task_id="receive")

    @task
    def transform(notification: dict[str, Any]) -> dict[str, Any]:
        row = Notification.from_dict(notification).as_row()
        return {name: row[name] for name in ("key", "type_webhook", "chat_id", "text", "status")}

    @task
    def load(row: dict[str, Any]) -> None:
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        warehouse = SqliteHook(WAREHOUSE)
        warehouse.run(
            "CREATE TABLE IF NOT EXISTS notifications "
            "(key TEXT PRIMARY KEY, type_webhook TEXT, chat_id TEXT, text TEXT, status TEXT)"
        )
        warehouse.run(
            "INSERT OR IGNORE INTO notifications VALUES (:key, :type_webhook, :chat_id, :text, :status)",
            parameters=row,
        )

    delete = GreenApiDeleteNotificationOperator(task_id="delete", notification=received.output)
    load(transform(received.output)) >> delete


receive_load_delete()
