"""Drain the queue into SQLite, build typed tables of messages, statuses and calls.

The drain stores each notification before it deletes it, so a crash loses nothing. The typed tables are built
from the batch, with the notification's key as primary key: building them again changes nothing.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore, read_batch

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite

TABLES = {
    "messages": ("notified_at", "type_message", "chat_id", "sender", "sender_name", "id_message", "text"),
    "statuses": ("notified_at", "chat_id", "id_message", "status"),
    "calls": ("notified_at", "type_webhook", "chat_id", "status"),
}


def table_of(notification: Notification) -> str | None:
    kind = notification.type_webhook or ""
    if kind.endswith("MessageReceived"):
        return "messages"
    return {"outgoingMessageStatus": "statuses", "incomingCall": "calls", "outgoingCall": "calls"}.get(kind)


@dag(schedule=None, catchup=False, tags=["green-api"], doc_md=__doc__)
def etl_to_sqlite() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain", store=SqlStore(WAREHOUSE), receive_timeout=5, retries=2
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

    build_tables(drained.output)


etl_to_sqlite()
