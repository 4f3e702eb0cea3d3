"""The journals of messages: the same messages as in the queue, flattened, whether deleted there or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.outbox import Outbox, SentMessage

DEFAULT_MINUTES = 1440
INCOMING = ("incomingMessageReceived",)
OUTGOING = ("outgoingMessageReceived", "outgoingAPIMessageReceived")
PLAIN_FIELDS = {"locationMessageData": "location", "contactMessageData": "contact"}

Entry = dict[str, Any]


async def last_incoming_messages(call: Call) -> web.Response:
    """Answer the messages that came in during the last ``minutes``, newest first."""
    return as_json([_entry("incoming", body) for body in _pushed(call, INCOMING)])


async def last_outgoing_messages(call: Call) -> web.Response:
    """Answer the messages that went out during the last ``minutes``, those sent by API first."""
    entries = [_sent_entry(call.instance.outbox, message) for message in _sent(call)]
    by_api = {entry["idMessage"] for entry in entries}
    statuses: dict[Any, Any] = {}
    for body in _pushed(call, ("outgoingMessageStatus",)):
        statuses.setdefault(body.get("idMessage"), body.get("status"))
    for body in _pushed(call, OUTGOING):
        if body.get("idMessage") not in by_api:
            status = statuses.get(body.get("idMessage"), "sent")
            sent_by_api = body["typeWebhook"] == "outgoingAPIMessageReceived"
            entries.append(_entry("outgoing", body) | {"statusMessage": status, "sendByApi": sent_by_api})
    return as_json(entries)


def _window(call: Call) -> tuple[float, float]:
    """From when to when a message must have arrived; the latest ones lag."""
    minutes = call.parameter("minutes", "")
    span = int(minutes) if minutes.isdecimal() else DEFAULT_MINUTES
    now = call.instance.clock.now()
    return now - span * 60, now - call.instance.switches.journal_lag


def _pushed(call: Call, kinds: tuple[str, ...]) -> Iterator[Entry]:
    earliest, latest = _window(call)
    for item in call.instance.queue.newest_first():
        if item.pushed_at < earliest:
            return
        body = json.loads(item.raw) if item.pushed_at <= latest else None
        if isinstance(body, dict) and body.get("typeWebhook") in kinds:
            yield body


def _sent(call: Call) -> Iterator[SentMessage]:
    earliest, latest = _window(call)
    for message in reversed(call.instance.outbox.messages):
        if message.delivered_at is not None and earliest <= message.delivered_at <= latest:
            yield message


def _entry(direction: str, body: Entry) -> Entry:
    sender, message = _object(body, "senderData"), _object(body, "messageData")
    return {
        "type": direction,
        "idMessage": body.get("idMessage", ""),
        "timestamp": body.get("timestamp", 0),
        "typeMessage": message.get("typeMessage", ""),
        "chatId": sender.get("chatId", ""),
        "senderId": sender.get("sender", ""),
        "senderName": sender.get("senderName", ""),
        "senderContactName": sender.get("senderContactName", ""),
        **_payload(message),
    }


def _payload(message: Entry) -> Entry:
    """The payload in the journals' form: what ``…MessageData`` holds lies one level higher."""
    flat: Entry = {}
    for name, value in message.items():
        if name in ("textMessageData", "fileMessageData"):
            flat |= value if isinstance(value, dict) else {}
        elif name == "extendedTextMessageData":
            flat |= {"textMessage": _object(message, name).get("text", ""), "extendedTextMessage": value}
        elif name != "typeMessage":
            flat[PLAIN_FIELDS.get(name, name)] = value
    return flat


def _sent_entry(outbox: Outbox, message: SentMessage) -> Entry:
    data = outbox.message_data(message)
    return {
        "type": "outgoing",
        "idMessage": message.id_message,
        "timestamp": int(message.delivered_at or 0),
        "typeMessage": data["typeMessage"],
        "chatId": outbox.chat_id(message),
        **_payload(data),
        "statusMessage": message.status,
        "sendByApi": True,
    }


def _object(holder: Entry, name: str) -> Entry:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
