"""The imitated methods about single messages: looked up, edited, deleted, marked as read."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments, bodies
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.validation import optional_text, text

DEFAULT_COUNT = 100
EVER = (float("-inf"), float("inf"))

Entry = dict[str, Any]


async def get_message(call: Call) -> web.Response:
    """Answer one message as journals have it, with its present status."""
    data = await call.json_object()
    chat_id, id_message = arguments.chat(call, data), text(data, "idMessage")
    entry = find_entry(call, chat_id, id_message)
    if entry is None:
        raise Rejection(400, f"Message not found by id {id_message}")
    return as_json(entry)


async def get_chat_history(call: Call) -> web.Response:
    """Answer the messages of a chat, newest first."""
    data = await call.json_object()
    chat_id = arguments.chat(call, data)
    count = arguments.number(data, "count") if data.get("count") is not None else DEFAULT_COUNT
    entries = sorted(_entries(call, chat_id), key=_timestamp, reverse=True)
    return as_json(entries[: max(0, int(min(count, 1e9)))])


async def edit_message(call: Call) -> web.Response:
    """Change the text of a message that was sent; the edit is a message of its own."""
    data = await call.json_object()
    chat_id, id_message = arguments.chat(call, data), text(data, "idMessage")
    message = text(data, "message", limit=arguments.MAX_MESSAGE[call.instance.type_instance])
    entry = _own_entry(call, chat_id, id_message)
    field = "caption" if "downloadUrl" in entry else "textMessage"
    content = {"idMessageEdited": id_message, "message": message}
    edit = bodies.edited_data(id_message, field, message)
    new_id = call.instance.outbox.change("editMessage", chat_id, content, edit)
    call.instance.history.edit(new_id, edit["editedMessageData"])
    return as_json({"idMessage": new_id})


async def delete_message(call: Call) -> web.Response:
    """Delete a message for everybody, or for the account alone; the answer is empty."""
    data = await call.json_object()
    chat_id, id_message = arguments.chat(call, data), text(data, "idMessage")
    alone = arguments.flag(data, "onlySenderDelete")
    entry = find_entry(call, chat_id, id_message)
    if entry is None or entry.get("isDeleted"):
        raise Rejection(400, "Message by id not found")
    content = {"idMessageDeleted": id_message, "onlySenderDelete": alone}
    new_id = call.instance.outbox.change("deleteMessage", chat_id, content, bodies.deleted_data(id_message))
    call.instance.history.delete(new_id, {"stanzaId": id_message})
    return web.Response()


async def read_chat(call: Call) -> web.Response:
    """Mark the messages of a chat as read, up to one of them or all."""
    data = await call.json_object()
    chat_id, id_message = arguments.chat(call, data), optional_text(data, "idMessage")
    if not id_message:
        received = call.instance.history.received(*EVER, _part(call, chat_id))
        newest = next((body for body in received if _is(call, body, chat_id)), {})
        id_message = str(newest.get("idMessage", ""))
    call.instance.chats[chat_id].read_until = id_message
    return as_json({"setRead": True})


def find_entry(call: Call, chat_id: str, id_message: str) -> Entry | None:
    """A message of a chat in the journals' form."""
    history, people = call.instance.history, call.instance.people
    message = call.instance.outbox.by_id.get(id_message)
    if message is not None:
        same_chat = people.key(message.chat_id) == people.key(chat_id)
        return history.sent_entry(message) if same_chat else None
    bodies_of_id = history.messages(float("inf"), id_message)
    body = next((body for body in bodies_of_id if _is(call, body, chat_id, id_message)), None)
    return None if body is None else history.entry(body, history.statuses(*EVER, id_message))


def _own_entry(call: Call, chat_id: str, id_message: str) -> Entry:
    entry = find_entry(call, chat_id, id_message)
    if entry is None or entry["type"] != "outgoing" or entry.get("isDeleted"):
        raise Rejection(400, "Message by id not found")
    return entry


def _entries(call: Call, chat_id: str) -> list[Entry]:
    latest = call.instance.clock.now() - call.instance.switches.journal_lag
    history, people = call.instance.history, call.instance.people
    key = people.key(chat_id)
    sent = (message for message in history.sent(float("-inf"), latest) if people.key(message.chat_id) == key)
    entries = [history.sent_entry(message) for message in sent]
    part = _part(call, chat_id)
    found = [body for body in history.messages(latest, part) if _is(call, body, chat_id)]
    statuses = history.statuses(float("-inf"), latest, part) if found else {}
    return entries + [history.entry(body, statuses) for body in found]


def _part(call: Call, chat_id: str) -> str:
    """What stands in every notification of a chat: a LID ends with the digits of the phone number."""
    return call.instance.people.key(chat_id).partition("@")[0]


def _is(call: Call, body: Entry, chat_id: str, id_message: str | None = None) -> bool:
    """Whether a notification is that of a message of the chat, or of that one message."""
    sender, people = body.get("senderData"), call.instance.people
    chat = sender.get("chatId") if isinstance(sender, dict) else None
    same = isinstance(chat, str) and people.key(chat) == people.key(chat_id)
    return same and (id_message is None or body.get("idMessage") == id_message)


def _timestamp(entry: Entry) -> float:
    value = entry["timestamp"]
    return value if isinstance(value, (int, float)) else 0
