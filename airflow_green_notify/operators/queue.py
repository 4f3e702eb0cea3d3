"""Receive the head of the queue, and delete it when it was handled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_green_notify.arguments import (
    Judge,
    choice_of,
    count_of,
    integer_of,
    notification_of,
    optional,
    receive_timeout_of,
)
from airflow_green_notify.drain.compare_and_delete import compare_and_delete
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import MAX_XCOM_BYTES, Notification
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class GreenApiReceiveNotificationOperator(GreenApiTask):
    """Receives the oldest notification of the queue into XCom, without deleting it.

    A crash at any point loses nothing: the notification stays at the head of the queue until
    :class:`GreenApiDeleteNotificationOperator` deletes it, and a retry receives it again.

    Thumbnails (``jpegThumbnail``) are left out; the key stays that of the whole notification. The result is
    read by ``Notification.from_dict``.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param receive_timeout: Seconds the gateway may hold the request open, 5 to 60.
    :param on_empty: What to do if nothing came within ``receive_timeout``: ``"skip"`` the task and what is
        behind it, return ``"none"``, or ``"fail"``.
    :param max_xcom_bytes: Hard limit of the result's size; a larger notification fails the task at once and
        stays in the queue, for
        :class:`~airflow_green_notify.operators.draining.GreenApiDrainNotificationsOperator` to store.
    :return: ``{"key", "receipt_id", "received_at", "body"}``, or ``None``, which makes no event of an outlet.
    :raises ValueError: An argument is wrong, as far as no template hides it.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """

    template_fields: Sequence[str] = ("green_api_conn_id", "receive_timeout", "on_empty", "max_xcom_bytes")
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "receive_timeout": receive_timeout_of,
        "on_empty": choice_of("skip", "none", "fail"),
        "max_xcom_bytes": count_of,
    }
    ui_color = "#cdeed3"

    def __init__(
        self,
        *,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float | timedelta | str = 5,
        on_empty: Literal["skip", "none", "fail"] = "skip",
        max_xcom_bytes: int | str = MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.receive_timeout = receive_timeout
        self.on_empty = on_empty
        self.max_xcom_bytes = max_xcom_bytes
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any] | None:
        given = self.judged_arguments()
        with fail_fast(), self.hook as hook:
            notification = hook.receive_notification(given.receive_timeout)
            if notification is not None:
                self.log.info("Received %r.", notification)
                return notification.as_xcom(given.max_xcom_bytes)
        text = f"No notification came within {given.receive_timeout} s."
        if given.on_empty == "skip":
            raise AirflowSkipException(text)
        if given.on_empty == "fail":
            raise AirflowFailException(text)
        self.log.info(text)
        self.tell_outlets(context, None)
        return None


class GreenApiDeleteNotificationOperator(GreenApiTask):
    """Deletes the notification it is given, if it is still at the head of the queue, and never another one.

    It receives the head, compares keys, and deletes only what matches. A crash at any point leaves the
    notification either in the queue, where a retry finds it, or deleted, which a retry recognises.

    :param notification: What :class:`GreenApiReceiveNotificationOperator` or the sensor returned (its
        ``.output``), or a :class:`~airflow_green_notify.notification.Notification`.
    :param receipt_id: Without ``notification``: delete what was handed out under this number, with no
        comparison. At most for what was received a moment ago: the number restarts, and may name another
        notification by then.
    :param if_gone: What to do if the notification is not at the head any more: ``"ignore"`` it, ``"skip"``
        or ``"fail"``.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param receive_timeout: Seconds the gateway may hold a receive open, 5 to 60.
    :return: Whether it was deleted by this task.
    :raises ValueError: An argument is wrong, as far as no template hides it.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/DeleteNotification/
    """

    template_fields: Sequence[str] = (
        "notification",
        "receipt_id",
        "if_gone",
        "green_api_conn_id",
        "receive_timeout",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"notification": "json"}
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "notification": optional(notification_of),
        "receipt_id": optional(integer_of),
        "if_gone": choice_of("ignore", "skip", "fail"),
        "receive_timeout": receive_timeout_of,
    }
    ui_color = "#f6d5d5"

    def __init__(
        self,
        *,
        notification: Notification | Mapping[str, Any] | XComArg | str | None = None,
        receipt_id: int | str | None = None,
        if_gone: Literal["ignore", "skip", "fail"] = "ignore",
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float | timedelta | str = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (notification is None) == (receipt_id is None):
            raise ValueError("Give either notification= or receipt_id=, and not both.")
        self.notification = notification.as_dict() if isinstance(notification, Notification) else notification
        self.receipt_id = receipt_id
        self.if_gone = if_gone
        self.green_api_conn_id = green_api_conn_id
        self.receive_timeout = receive_timeout
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        if known.get("notification", ...) is None and known.get("receipt_id", ...) is None:
            raise ValueError(
                "notification and receipt_id are None: the task that should return them returned nothing. "
                "Was it marked as a success, or did nothing come?"
            )

    def execute(self, context: Context) -> bool:
        given = self.judged_arguments()
        with fail_fast():
            deleted = self._stoppably(partial(self._delete, given))
        if deleted:
            self.log.info("Deleted %s.", _named(given))
        else:
            self._was_gone(given.if_gone)
        return deleted

    def _delete(self, given: SimpleNamespace) -> bool:
        if given.notification is None:
            with self.hook as hook:
                return hook.delete_notification(given.receipt_id)
        return compare_and_delete(self.hook, given.notification, receive_timeout=given.receive_timeout)

    def _was_gone(self, if_gone: str) -> None:
        text = "The notification is not at the head of the queue: deleted before, or another one came first."
        if if_gone == "skip":
            raise AirflowSkipException(text)
        if if_gone == "fail":
            raise AirflowFailException(text)
        self.log.info(text)


def _named(given: SimpleNamespace) -> str:
    if given.notification is None:
        return f"what was received under the receipt id {given.receipt_id}"
    return f"notification {getattr(given.notification, 'key', given.notification)}"
