"""A user's Dag file, which mypy checks against the installed wheel: all of it is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, assert_type

from airflow.sdk import AssetWatcher, dag, task

from airflow_green_notify.assets import create_asset
from airflow_green_notify.errors import GreenApiError, GreenApiUnavailableError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.notifiers import GreenApiNotifier
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiCallOperator,
    GreenApiConfigureInstanceOperator,
    GreenApiDownloadMediaOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiProcessStoredOperator,
    GreenApiReadNewOperator,
    GreenApiSendFileOperator,
    GreenApiSendMessageOperator,
    GreenApiSendPollOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor, GreenApiStoredNotificationSensor
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, open_batch, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger, read_events

INSTANCES = ["green_api_support", "green_api_sales"]
WAREHOUSE = SqlStore("warehouse", table="chats")
ARCHIVE = ObjectStorageStore("s3://bucket/notifications", conn_id="aws", format="parquet")
ORDERS = NotificationFilter(
    type_webhook=["incomingMessageReceived", "outgoingMessageStatus"],
    text="(?i)order",
    not_=NotificationFilter(chat_kind="group"),
    body={"senderData.sender": "12025550101@c.us"},
)
BELL = create_asset(
    fleet="shop",
    watchers=[
        AssetWatcher(
            name="bell", trigger=GreenApiDoorbellTrigger(INSTANCES, min_waiting=10, report_to=WAREHOUSE)
        )
    ],
)


def is_urgent(notification: Notification) -> bool:
    return "urgent" in (notification.text or "")


def reply(notification: Notification) -> str | None:
    return "Thank you" if notification.text else None


def answer(notification: Notification) -> None:
    """A handler of the user's own."""
    hook = GreenApiHook(notification.instance_id or "green_api_default", max_attempts=3)
    try:
        sent = hook.send_message(
            notification.chat_id or "", "Thank you", quoted_message_id=notification.id_message
        )
    except GreenApiUnavailableError as error:
        assert_type(error.retryable, bool)
        raise
    except GreenApiError as error:
        print(error)
        return
    assert_type(sent, str)


@dag(
    schedule=[BELL],
    catchup=False,
    on_failure_callback=GreenApiNotifier(chat_id="12025550101@c.us", message="{{ dag.dag_id }}"),
)
def shop() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        store=WAREHOUSE,
        accept=ORDERS,
        unmatched=ARCHIVE,
        routes=[(BELL, ORDERS)],
        green_api_conn_id=INSTANCES,
        max_notifications=1000,
        max_seconds=timedelta(minutes=4),
        until=datetime(2026, 1, 1),
        linger="{{ params.linger }}",
        skip_if_empty=True,
        on_instance_error="warn",
        retries=3,
        pool="green_api",
    )
    GreenApiProcessNotificationsOperator(
        task_id="process", handler=answer, dead_letter=SqlStore("warehouse", "dead"), max_attempts=5
    )
    GreenApiProcessStoredOperator(
        task_id="work",
        store=WAREHOUSE,
        handler=answer,
        consumer="support",
        matching=is_urgent,
        max_parallel=4,
    )
    GreenApiReadNewOperator(task_id="read", store=WAREHOUSE, consumer="reports", start="now", page_size=500)
    GreenApiBackfillMessagesOperator(task_id="backfill", store=ARCHIVE, minutes=60, journals=["incoming"])
    GreenApiDownloadMediaOperator(task_id="media", notifications=drained.output, path="s3://bucket/media")
    GreenApiSendMessageOperator(task_id="send", chat_id="12025550101@c.us", message="Hello", wait_for="read")
    GreenApiSendFileOperator(task_id="file", chat_id=12025550101, file="/tmp/report.pdf", deferrable=True)  # noqa: S108
    GreenApiSendPollOperator(task_id="poll", chat_id="12025550101@c.us", message="When?", options=["1", "2"])
    GreenApiConfigureInstanceOperator(task_id="configure", switch_on=["incomingWebhook"], max_wait=60)
    GreenApiCallOperator(task_id="call", verb="GET", method="getSettings", repeat=True)
    GreenApiNotificationSensor(
        task_id="wait", matching=ORDERS, unmatched="keep", mode="reschedule", timeout=60
    )
    GreenApiStoredNotificationSensor(task_id="stored", store=WAREHOUSE, matching=is_urgent, deferrable=True)

    @task
    def report(batch: dict[str, Any]) -> list[str]:
        found = read_batch(batch)
        assert_type(next(iter(found)), Notification)
        return [notification.text or "" for notification in found]

    report(drained.output)  # type: ignore[arg-type]  # Airflow types no result of a task
    GreenApiSendMessageOperator(task_id="answers", messages=reply, notifications=drained.output)


def own_loop(context: Any) -> dict[str, Any]:
    """Receive, store, delete by hand."""
    hook = GreenApiHook("green_api_support")
    received = hook.receive_notification(receive_timeout=10)
    assert_type(received, Notification | None)
    with open_batch(SqlStore("warehouse"), context) as store:
        if received is not None:
            assert_type(store.put(received), bool)
            assert_type(hook.delete_notification(received.receipt_id), bool)
        return store.close()


async def from_events(events: list[Any]) -> Iterator[Notification]:
    """What a Dag reads from the events of its asset."""
    assert_type(await GreenApiHook().aget_state_instance(), str)
    return read_events(events)


shop()
