"""What reads the table beside the drains: a consumer in pages, one chat by chat, and approvals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from airflow_green_notify.consume import commit
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiProcessStoredOperator,
    GreenApiReadNewOperator,
    GreenApiSendMessageOperator,
)
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.stores import SqlStore, read_batch
from tests.production.witness import CHAT, QUESTION, STORE, WAREHOUSE, note

TABLE = SqlStore(WAREHOUSE, table=STORE)
RETRIES = 100
START = datetime(2026, 1, 1, tzinfo=UTC)


@dag(schedule=timedelta(seconds=30), start_date=START, catchup=False, max_active_runs=1)
def in_pages() -> None:
    read = GreenApiReadNewOperator(
        task_id="read", store=TABLE, consumer="in_pages", skip_if_empty=True, retries=RETRIES
    )

    @task(retries=RETRIES)
    def work(page: dict[str, Any]) -> None:
        note("read_in_pages", [each.key for each in read_batch(page)])

    work(read.output) >> task(commit, retries=RETRIES)(read.output)


def handle(notification: Notification) -> None:
    """Note that a notification was handled."""
    note("handled", [notification.key])


@dag(schedule="@continuous", start_date=START, catchup=False, max_active_runs=1)
def chat_by_chat() -> None:
    GreenApiProcessStoredOperator(
        task_id="process",
        store=TABLE,
        consumer="chat_by_chat",
        handler=handle,
        max_attempts=1000,
        linger=60,
        retries=RETRIES,
    )


@dag(schedule=None, catchup=False, max_active_runs=1000)
def approval() -> None:
    ask = GreenApiSendMessageOperator(
        task_id="ask",
        green_api_conn_id="{{ dag_run.conf['connection'] }}",
        chat_id=CHAT,
        message=QUESTION,
        retries=RETRIES,
    )
    GreenApiStoredNotificationSensor(
        task_id="answer",
        store=TABLE,
        matching={"quoted_id": ask.output, "direction": "incoming", "text": "Yes"},
        deferrable=True,
        timeout=6 * 3600,
        retries=RETRIES,
    )


in_pages()
chat_by_chat()
approval()
