"""From an entry of the journals to a notification, shaped like the one that the queue would have brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_green_notify.message import journal_key, message_of
from airflow_green_notify.notification import Notification

_FILE_FIELDS = (
    "downloadUrl",
    "caption",
    "fileName",
    "jpegThumbnail",
    "mimeType",
    "isAnimated",
    "isForwarded",
    "forwardingScore",
)
_OF_FILES_ALONE = ("downloadUrl", "fileName", "mimeType")
"""What tells a file; in chats whose messages disappear it may have no ``downloadUrl``."""

_ENVELOPE_FIELDS = (
    "type",
    "idMessage",
    "timestamp",
    "typeMessage",
    "chatId",
    "senderId",
    "senderName",
    "senderContactName",
    "statusMessage",
    "sendByApi",
)


def journal_notification(entry: Mapping[str, Any], instance_data: Mapping[str, Any]) -> Notification:
    """Return the notification for an entry, with the entry itself as ``journalEntry`` in its body.

    Its key is made of the message's identity, so that it stays the same while status, links and names in the
    journal change, and a store finds it when the queue brings the same message under another key.

    :param instance_data: What notifications of this instance carry under that name.
    """
    body = {
        "typeWebhook": _type_webhook(entry),
        "instanceData": dict(instance_data),
        "timestamp": entry.get("timestamp"),
        "idMessage": entry.get("idMessage"),
        "senderData": _sender_data(entry, instance_data),
        "messageData": _message_data(entry),
        "journalEntry": dict(entry),
    }
    notification = Notification(receipt_id=0, body=body)
    message = message_of(notification)
    return replace(notification, key=journal_key(message)) if message else notification


def _type_webhook(entry: Mapping[str, Any]) -> str:
    if entry.get("type") != "outgoing":
        return "incomingMessageReceived"
    return "outgoingAPIMessageReceived" if entry.get("sendByApi") else "outgoingMessageReceived"


def _sender_data(entry: Mapping[str, Any], instance_data: Mapping[str, Any]) -> dict[str, Any]:
    """The author of what went out is the account itself; the journal doesn't name it."""
    sender = entry.get("senderId") or (instance_data.get("wid") if entry.get("type") == "outgoing" else None)
    return {
        "chatId": entry.get("chatId"),
        "chatName": "",
        "sender": sender,
        "senderName": entry.get("senderName", ""),
        "senderContactName": entry.get("senderContactName", ""),
    }


def _message_data(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Put what the journal has flattened back where notifications have it; the rest keeps its name."""
    rest = {name: value for name, value in entry.items() if name not in _ENVELOPE_FIELDS}
    data: dict[str, Any] = {"typeMessage": entry.get("typeMessage")}
    if any(name in rest for name in _OF_FILES_ALONE):
        data["fileMessageData"] = {name: rest.pop(name) for name in _FILE_FIELDS if name in rest}
    elif entry.get("typeMessage") == "textMessage":
        data["textMessageData"] = {name: rest.pop(name) for name in ("textMessage",) if name in rest}
    elif "extendedTextMessage" in rest or "textMessage" in rest:
        data["extendedTextMessageData"] = _extended_text(rest)
    for flat, payload in (("location", "locationMessageData"), ("contact", "contactMessageData")):
        if flat in rest:
            data[payload] = rest.pop(flat)
    return data | rest


def _extended_text(rest: dict[str, Any]) -> dict[str, Any]:
    extended, text = rest.pop("extendedTextMessage", None), rest.pop("textMessage", None)
    fields = extended if isinstance(extended, dict) else {}
    return {"text": text} | fields if text else dict(fields)
