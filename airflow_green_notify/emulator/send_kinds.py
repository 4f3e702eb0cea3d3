"""The imitated methods for sending what is neither a plain text nor a file."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments, bodies
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.sending import send
from airflow_green_notify.emulator.validation import CONTACTS, invalid, optional_text, text

MAX_QUESTION = 255  # characters
MAX_OPTION = 100
OPTIONS = range(2, 13)
MAX_BUTTON = 25
BUTTONS = range(1, 4)
BUTTON_TYPES = ("copy", "call", "url")

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


async def send_interactive_buttons(call: Call) -> web.Response:
    """Take buttons into the send queue by which a person calls, opens or copies something."""
    return await _send_buttons(call, "sendInteractiveButtons", "interactiveButtons", None)


async def send_interactive_buttons_reply(call: Call) -> web.Response:
    """Take buttons into the send queue by which a person answers."""
    return await _send_buttons(call, "sendInteractiveButtonsReply", "interactiveButtonsReply", "reply")


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


async def _send_buttons(call: Call, method: str, kind: str, type_of_all: str | None) -> web.Response:
    data = await call.json_object()
    chat_id = arguments.chat(call, data, forms=CONTACTS)
    texts = {"titleText": optional_text(data, "header"), "contentText": text(data, "body")}
    texts |= {"footerText": optional_text(data, "footer")}
    buttons = [_button(button, type_of_all) for button in arguments.objects(data, "buttons")]
    if len(buttons) not in BUTTONS:
        raise invalid(f"'buttons' must contain 1 to {BUTTONS.stop - 1} items")
    content: Data = {name: data[name] for name in ("header", "body", "footer", "buttons") if name in data}
    return _sent(
        call, method, chat_id, content, {"typeMessage": kind, kind: texts | {"buttons": buttons}}, data
    )


def _button(button: Data, type_of_all: str | None) -> Data:
    text(button, "buttonId")
    text(button, "buttonText", limit=MAX_BUTTON)
    kind = type_of_all or text(button, "type")
    if type_of_all is None and kind not in BUTTON_TYPES:
        raise invalid(f"'type' must be one of [{', '.join(BUTTON_TYPES)}]")
    return {"type": kind} | button | {"type": kind}


def _check_options(names: list[str]) -> None:
    if len(names) not in OPTIONS:
        few = len(names) < OPTIONS.start
        bound = f"at least {OPTIONS.start}" if few else f"less than or equal to {OPTIONS.stop - 1}"
        raise invalid(f"'options' must contain {bound} items")
    if len(set(names)) < len(names):
        raise invalid("'options' contains a duplicate value")


def _sent(call: Call, method: str, chat_id: str, content: Data, shown: Data, data: Data) -> web.Response:
    return as_json({"idMessage": send(call, method, chat_id, content, shown, data)})
