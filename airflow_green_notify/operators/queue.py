"""Receive the head of the queue, and delete it when it was handled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import BaseOperator

from airflow_green_notify.deletion import compare_and_delete
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import MAX_XCOM_BYTES, Notification
from airflow_green_notify.stoppable import StopsWhenTold

if TYPE_CHECKING:
    from airflow.sdk import Context


def _checked_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise AirflowFailException(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}.")


class GreenApiReceiveNotificationOperator(BaseOperator):
    """Receives the oldest notification of the queue into XCom, without deleting it.

    A crash at any point loses nothing: the notification stays at the head of the queue until
    :class:`GreenApiDeleteNotificationOperator` deletes it, and a retry receives it again.

    Thumbnails (``jpegThumbnail``) are left out; the key stays that of the whole notification. The result is
    read by ``Notification.from_dict``.

    :param green_api_conn_id: The connection, of type ``green_api``.
    :param receive_timeout: Seconds the gateway may hold the request open, 5 to 60.
    :param on_empty: What to do if nothing came within ``receive_timeout``: ``"skip"`` the task and what is
        behind it, return ``"none"``, or ``"fail"``.
    :param max_xcom_bytes: Hard limit of the result's size; a larger notification fails the task at once and
        stays in the queue, for
        :class:`~airflow_green_notify.operators.draining.GreenApiDrainNotificationsOperator` to store.
    :return: ``{"key", "receipt_id", "received_at", "body"}``, or ``None``.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """

    template_fields: Sequence[str] = ("green_api_conn_id", "receive_timeout", "on_empty")
    ui_color = "#cdeed3"

    def __init__(
        self,
        *,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float = 5,
        on_empty: Literal["skip", "none", "fail"] = "skip",
        max_xcom_bytes: int = MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.receive_timeout = receive_timeout
        self.on_empty = on_empty
        self.max_xcom_bytes = max_xcom_bytes

    def execute(self, context: Context) -> dict[str, Any] | None:
        _checked_choice("on_empty", self.on_empty, ("skip", "none", "fail"))
        with fail_fast(), GreenApiHook(self.green_api_conn_id) as hook:
            notification = hook.receive_notification(float(self.receive_timeout))
            if notification is not None:
                self.log.info("Received %r.", notification)
                return notification.as_xcom(self.max_xcom_bytes)
        text = f"No notification came within {self.receive_timeout} s."
        if self.on_empty == "skip":
            raise AirflowSkipException(text)
        if self.on_empty == "fail":
            raise AirflowFailException(text)
        self.log.info(text)
        return None


class GreenApiDeleteNotificationOperator(StopsWhenTold, BaseOperator):
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
    :param green_api_conn_id: The connection, of type ``green_api``.
    :param receive_timeout: Seconds the gateway may hold a receive open, 5 to 60.
    :return: Whether it was deleted by this task.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/DeleteNotification/
    """

    template_fields: Sequence[str] = (
        "notification",
        "receipt_id",
        "if_gone",
        "green_api_conn_id",
        "receive_timeout",
    )
    ui_color = "#f6d5d5"

    def __init__(
        self,
        *,
        notification: Notification | Mapping[str, Any] | str | None = None,
        receipt_id: int | str | None = None,
        if_gone: Literal["ignore", "skip", "fail"] = "ignore",
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.notification = notification
        self.receipt_id = receipt_id
        self.if_gone = if_gone
        self.green_api_conn_id = green_api_conn_id
        self.receive_timeout = receive_timeout

    def execute(self, context: Context) -> bool:
        _checked_choice("if_gone", self.if_gone, ("ignore", "skip", "fail"))
        if (self.notification is None) == (self.receipt_id is None):
            raise AirflowFailException("Give either notification= or receipt_id=; one of them, not None.")
        with fail_fast():
            deleted = self._stoppably(self._delete)
        if not deleted:
            self._was_gone()
        return deleted

    def _delete(self) -> bool:
        hook = GreenApiHook(self.green_api_conn_id)
        if self.notification is None:
            with hook:
                return hook.delete_notification(_integer(self.receipt_id))
        wanted = _notification_of(self.notification)
        return compare_and_delete(hook, wanted, receive_timeout=float(self.receive_timeout))

    def _was_gone(self) -> None:
        text = "The notification is not at the head of the queue: deleted before, or another one came first."
        if self.if_gone == "skip":
            raise AirflowSkipException(text)
        if self.if_gone == "fail":
            raise AirflowFailException(text)
        self.log.info(text)


def _integer(receipt_id: int | str | None) -> int:
    try:
        return int(str(receipt_id))
    except ValueError:
        raise GreenApiConfigError(f"receipt_id is {receipt_id!r}; it must be an integer.") from None


def _notification_of(notification: Notification | Mapping[str, Any] | str) -> Notification:
    """Accept what XCom gives: the value itself, or JSON text rendered from it."""
    if isinstance(notification, Notification):
        return notification
    try:
        value = json.loads(notification) if isinstance(notification, str) else notification
        return Notification.from_dict(value)
    except ValueError as error:
        raise GreenApiConfigError(
            f"{error} Give the receiving task's .output rather than a Jinja expression, or set "
            "render_template_as_native_obj=True on the Dag."
        ) from None
