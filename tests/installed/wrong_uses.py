"""What mypy must refuse: each line names the error that it expects, and that it isn't there is one, too."""

from __future__ import annotations

from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiSendMessageOperator,
)
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch


def of_a_text(text: str) -> None:
    print(text)


def wrong(notification: Notification) -> None:
    GreenApiDrainNotificationsOperator(task_id="a")  # type: ignore[call-arg]
    GreenApiDrainNotificationsOperator(task_id="b", store="warehouse")  # type: ignore[arg-type]
    GreenApiDrainNotificationsOperator(task_id="c", store=SqlStore("w"), green_api_conn_id=1)  # type: ignore[arg-type]
    GreenApiProcessNotificationsOperator(task_id="d", handler=of_a_text)  # type: ignore[arg-type]
    GreenApiProcessNotificationsOperator(task_id="e", handler=print, on_error="ignore")  # type: ignore[arg-type]
    GreenApiSendMessageOperator(task_id="f", message=1)  # type: ignore[arg-type]
    GreenApiSendMessageOperator(task_id="g", message="x", on_failed="warn")  # type: ignore[arg-type]
    SqlStore(table="chats")  # type: ignore[call-arg]
    ObjectStorageStore("s3://bucket", format="csv")  # type: ignore[arg-type]
    NotificationFilter(typ_webhook="incomingCall")  # type: ignore[call-arg]
    NotificationFilter(text=1)  # type: ignore[arg-type]
    GreenApiHook().send_message("12025550101@c.us")  # type: ignore[call-arg]
    GreenApiHook().delete_notification(notification.id_message)  # type: ignore[arg-type]
    GreenApiHook().receive_message()  # type: ignore[attr-defined]
    read_batch(1)  # type: ignore[arg-type]
    notification.text.lower()  # type: ignore[union-attr]
    notification.receipt_id = 1  # type: ignore[misc]
