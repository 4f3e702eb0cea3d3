"""The queue of notifications, and the queue of what is to be sent."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import LIST_BOUNDS, QUEUE_BOUNDS, Call, ValidRefusal
from airflow_green_notify.protocol.limits import checked_receive_timeout

GONE = ValidRefusal(500, "findUnAckedMessage", False)
"""\"The message to delete was not found\" is the other form of ``200 {"result": false}``."""


def receive_notification(receive_timeout: float = 5) -> Call[Notification | None]:
    """Receive the oldest notification without deleting it.

    The gateway keeps showing it until it is deleted. A crash after this call loses nothing. An empty
    answer is not proof of an empty queue.

    :param receive_timeout: Seconds the gateway may hold the request open, 5 to 60.
    :return: The notification, or ``None`` if none came within ``receive_timeout``.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """
    seconds = checked_receive_timeout(receive_timeout)
    return Call(
        "receiveNotification",
        "GET",
        results.notification,
        query={"receiveTimeout": f"{seconds:g}"},  # documented as an integer: 5, not 5.0
        hold=seconds,
        may_be_empty=True,
        bounds=QUEUE_BOUNDS,
    )


def delete_notification(receipt_id: int) -> Call[bool]:
    """Delete the notification that was *just* received under ``receipt_id``.

    Never repeated on its own: when it raises a retryable error, receive again and compare the keys.

    :param receipt_id: The handle of the last receive. It may name another notification later.
    :return: ``True`` if it was deleted; ``False`` if the gateway doesn't know the receipt id any more.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/DeleteNotification/
    """
    return Call(
        "deleteNotification",
        "DELETE",
        results.flag("result"),
        path=(str(receipt_id),),
        idempotent=False,
        good_refusal=GONE,
    )


def get_webhooks_count() -> Call[int]:
    """Return how many notifications wait, as the gateway counted up to 10 s ago.

    A hint, never a stop condition: wrong zeros have been reported.

    .. seealso:: https://green-api.com/en/docs/api/queues/GetWebhooksCount/
    """
    return Call("getWebhooksCount", "GET", results.count)


def clear_webhooks_queue() -> Call[bool]:
    """Delete every waiting notification, unseen and for ever.

    :return: ``True``.
    :raises GreenApiUnavailableError: It was cleared less than a minute ago; ``retry_after`` says how
        many seconds are left.

    .. seealso:: https://green-api.com/en/docs/api/queues/ClearWebhooksQueue/
    """
    return Call("clearWebhooksQueue", "DELETE", results.cleared, idempotent=False)


def show_messages_queue() -> Call[list[dict[str, Any]]]:
    """Return what waits in the send queue, at most its first 500 messages.

    .. seealso:: https://green-api.com/en/docs/api/queues/ShowMessagesQueue/
    """
    return Call("showMessagesQueue", "GET", results.objects, hold=15.0, may_be_empty=True, bounds=LIST_BOUNDS)


def get_messages_count() -> Call[int]:
    """Return how many messages wait in the send queue.

    .. seealso:: https://green-api.com/en/docs/api/queues/GetMessagesCount/
    """
    return Call("getMessagesCount", "GET", results.count)


def clear_messages_queue() -> Call[bool]:
    """Take every message out of the send queue: none of them is sent.

    Never repeated on its own, since what was queued meanwhile would go too.

    :return: Whether it was cleared.

    .. seealso:: https://green-api.com/en/docs/api/queues/ClearMessagesQueue/
    """
    return Call("clearMessagesQueue", "GET", results.flag("isCleared"), idempotent=False)
