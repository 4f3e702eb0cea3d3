"""Which messages a store holds already, so that a journal brings none of them twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

MESSAGE_TYPES = ("incomingMessageReceived", "outgoingMessageReceived", "outgoingAPIMessageReceived")
"""Notifications that carry a message. A status names a message too, but doesn't bring it."""


class Message(NamedTuple):
    """Identity of a message: its id is unique only within its chat, and a chat's within its instance."""

    instance_id: str | None
    chat_id: str | None
    id_message: str | None


def message_of(notification: Notification) -> Message:
    """Return the identity of the message that a notification brings."""
    return Message(notification.instance_id, notification.chat_id, notification.id_message)


def messages_among(notifications: Iterable[Notification], since: datetime) -> set[Message]:
    """Return the messages that these notifications bring, from a timestamp on."""
    return {
        message_of(notification)
        for notification in notifications
        if notification.type_webhook in MESSAGE_TYPES
        and notification.timestamp is not None
        and notification.timestamp >= since
    }
