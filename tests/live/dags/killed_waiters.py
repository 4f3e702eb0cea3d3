"""What waits while triggerers die: a doorbell that drains, notifications in events, a deferred sensor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_green_notify.operators import (
    GreenApiDeleteNotificationOperator,
    GreenApiDrainNotificationsOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger, GreenApiNotificationTrigger, read_events

RUNG = Asset(
    "rung",
    watchers=[
        AssetWatcher(
            name="doorbell",
            trigger=GreenApiDoorbellTrigger("green_api_rung", ring_again_after=10.0, receive_timeout=5.0),
        )
    ],
)
CARRIED = Asset(
    "carried",
    watchers=[
        AssetWatcher(
            name="carrier",
            trigger=GreenApiNotificationTrigger(
                "green_api_carried", ring_again_after=10.0, receive_timeout=5.0
            ),
        )
    ],
)
AGAIN = {"retries": 20, "retry_delay": timedelta(seconds=1)}


@dag(schedule=[RUNG], catchup=False, max_active_runs=1, default_args=AGAIN)
def drain_when_rung() -> None:
    GreenApiDrainNotificationsOperator(
        task_id="drain",
        store=SqlStore("green_api_store"),
        green_api_conn_id="green_api_rung",
        receive_timeout=1,
    )


@dag(schedule=[CARRIED], catchup=False, max_active_runs=1)
def take_events() -> None:
    @task
    def take(triggering_asset_events: Any = None) -> None:
        print(*(notification.key for notification in read_events(triggering_asset_events[CARRIED])))

    take()


@dag(schedule=None, catchup=False, max_active_runs=1000, default_args=AGAIN)
def wait_deferred() -> None:
    conn_id = "{{ dag_run.conf['conn_id'] }}"
    wait = GreenApiNotificationSensor(
        task_id="wait", green_api_conn_id=conn_id, deferrable=True, timeout=6 * 3600, receive_timeout=1
    )
    GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, green_api_conn_id=conn_id, receive_timeout=1
    )


drain_when_rung()
take_events()
wait_deferred()
