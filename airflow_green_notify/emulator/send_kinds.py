"""The imitated methods for sending what is neither a plain text nor a file."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments, bodies
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.sending import send
from airflow_green_notify.emulator.validation import invalid, optional_text, text

MAX_QUESTION = 255  # characters
MAX_OPTION = 100
OPTIONS = range(2, 13)

Data = dict[str, Any]


async def send_poll(call: Call) -> web.Response:
    """Take a poll into the send queue."""
    data = await call.json_object()
    chat_id, question = arguments.chat(call, data), text(data, "message", limit=MAX_QUESTION)
    names = [text(option, "optionName", limit=MAX_OPTION) for option in arguments.objects(data, "options")]
    _check_options(names)
    multiple = arguments.flag(data, "multipleAnswers")
    content = {"message": question, "options": data["options"], "multipleAnswers": multiple}
    return _sent(call, "sendPoll", chat_id, content, bodies.poll_data(question, names, multiple), data)


async def send_location(call: Call) -> web.Response:
    """Take a place into the send queue."""
    data = await call.json_object()
    chat_id = arguments.chat(call, data)
    place: Data = {name: arguments.number(data, name) for name in ("latitude", "longitude")}
    names = {name: optional_text(data, name) for name in ("nameLocation", "address")}
    shown = bodies.location_data(place | names)
    return _sent(call, "sendLocation", chat_id, place | names, shown, data)


async def send_contact(call: Call) -> web.Response:
    """Take a contact into the send queue."""
    data = await call.json_object()
    chat_id, contact = arguments.chat(call, data), data.get("contact")
    if not isinstance(contact, dict):
        raise invalid("'contact' is required" if contact is None else "'contact' must be an object")
    if not contact.get("phoneContact") and not contact.get("chatId"):
        raise invalid("'contact.phoneContact' is required")
    shown = bodies.contact_data(contact, call.instance.type_instance)
    return _sent(call, "sendContact", chat_id, {"contact": contact}, shown, data)


async def send_link(call: Call) -> web.Response:
    """Take a link into the send queue; it goes out as a text."""
    data = await call.json_object()
    chat_id, link = arguments.chat(call, data), text(data, "urlLink")
    return _sent(call, "sendLink", chat_id, {"urlLink": link}, bodies.api_text_data(link), data)


async def forward_messages(call: Call) -> web.Response:
    """Take messages of one chat into the send queue to another; all of them, or none."""
    data = await call.json_object()
    chat_id, source = arguments.chat(call, data), arguments.chat(call, data, "chatIdFrom")
    wanted = arguments.texts(data, "messages")
    found = [(id_message, call.instance.history.find(source, id_message)) for id_message in wanted]
    missing = [id_message for id_message, shown in found if shown is None]
    if missing:
        raise Rejection(400, f"Message not found by id {missing[0]}")
    ids = []
    for id_message, shown in found:
        content = {"chatIdFrom": source, "messages": [id_message]}
        copy = bodies.forwarded(shown or {})
        ids.append(
            send(call, "forwardMessages", chat_id, content, copy, {"typingTime": data.get("typingTime")})
        )
    return as_json({"messages": ids})


def _check_options(names: list[str]) -> None:
    if len(names) not in OPTIONS:
        few = len(names) < OPTIONS.start
        bound = f"at least {OPTIONS.start}" if few else f"less than or equal to {OPTIONS.stop - 1}"
        raise invalid(f"'options' must contain {bound} items")
    if len(set(names)) < len(names):
        raise invalid("'options' contains a duplicate value")


def _sent(call: Call, method: str, chat_id: str, content: Data, shown: Data, data: Data) -> web.Response:
    return as_json({"idMessage": send(call, method, chat_id, content, shown, data)})
