"""The Dags of the soak: a stream, consumers and approvals behind it, a handler, and watchers beside it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_green_notify.consume import commit
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiProcessStoredOperator,
    GreenApiReadNewOperator,
)
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

STREAMED = int(os.environ["SOAK_STREAMED"])
WATCHED = range(STREAMED + 1, STREAMED + 1 + int(os.environ["SOAK_WATCHED"]))
STORE = SqlStore("green_api_warehouse", table="soak")
OF_WATCHED = SqlStore("green_api_warehouse", table="watched")
HANDLED = SqlStore("green_api_warehouse", table="handled")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ONE_RUN = {"catchup": False, "max_active_runs": 1, "start_date": BEGIN}
EACH_MINUTE = "* * * * *"


def handle(notification: Any) -> None:
    """Do nothing, as a handler that is done quickly."""


@dag(schedule="@continuous", **ONE_RUN)
def stream() -> None:
    GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=[f"green_api_{number}" for number in range(STREAMED)],
        store=STORE,
        linger=300,
        on_instance_error="warn",
        retries=2,
    )


@dag(schedule=EACH_MINUTE, **ONE_RUN)
def consume() -> None:
    page = GreenApiReadNewOperator(
        task_id="read", store=STORE, consumer="soak", page_size=10_000, skip_if_empty=True
    ).output

    @task
    def work(page: dict[str, Any]) -> int:
        return sum(1 for _ in read_batch(page))

    work(page) >> task(commit)(page)


@dag(schedule=EACH_MINUTE, **ONE_RUN)
def work_by_chat() -> None:
    GreenApiProcessStoredOperator(task_id="work", store=STORE, consumer="by_chat", handler=handle, retries=2)


@dag(schedule=EACH_MINUTE, **ONE_RUN)
def handle_queue() -> None:
    GreenApiProcessNotificationsOperator(
        task_id="handle",
        green_api_conn_id=f"green_api_{STREAMED}",
        handler=handle,
        dead_letter=HANDLED,
        retries=2,
    )


@dag(schedule=None, catchup=False, max_active_runs=1000, max_active_tasks=1000)
def approval() -> None:
    GreenApiStoredNotificationSensor(
        task_id="wait",
        store=STORE,
        matching={"type_webhook": "incomingMessageReceived", "quoted_id": "{{ dag_run.conf['asked'] }}"},
        deferrable=True,
        timeout=6 * 3600,
    )


def make_watched(number: int) -> None:
    """Make the Dag of an instance whose queue a doorbell watches."""
    bell = AssetWatcher(name=f"bell_{number}", trigger=GreenApiDoorbellTrigger(f"green_api_{number}"))

    @dag(dag_id=f"watched_{number}", schedule=[Asset(f"bell_{number}", watchers=[bell])], **ONE_RUN)
    def watched() -> None:
        GreenApiDrainNotificationsOperator(
            task_id="drain", green_api_conn_id=f"green_api_{number}", store=OF_WATCHED, skip_if_empty=True
        )

    watched()


stream()
consume()
work_by_chat()
handle_queue()
approval()
for each in WATCHED:
    make_watched(each)
