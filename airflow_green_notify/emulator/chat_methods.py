"""The imitated methods about chats as a whole: listed, archived, disappearing, typed into."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.people import Person, is_group
from airflow_green_notify.emulator.validation import invalid

EPHEMERAL = (0, 86400, 604800, 7776000)  # seconds


async def get_chats(call: Call) -> web.Response:
    """Answer the chats."""
    instance = call.instance
    chats = [person for person in instance.people.known.values() if person.chat_id != instance.people.own_id]
    return as_json([_chat(call, person) for person in chats[: call.count()]])


async def archive_chat(call: Call) -> web.Response:
    """Archive a chat; the answer is empty."""
    call.instance.chats[arguments.chat(call, await call.json_object())].archived = True
    return web.Response()


async def unarchive_chat(call: Call) -> web.Response:
    """Take a chat out of the archive; the answer is empty."""
    call.instance.chats[arguments.chat(call, await call.json_object())].archived = False
    return web.Response()


async def set_disappearing_chat(call: Call) -> web.Response:
    """Let the messages of a chat disappear after a while."""
    data = await call.json_object()
    chat_id, seconds = arguments.chat(call, data), arguments.number(data, "ephemeralExpiration", texts=True)
    if seconds not in EPHEMERAL:
        raise invalid(f"'ephemeralExpiration' must be one of {list(EPHEMERAL)}")
    marks = call.instance.chats[chat_id]
    marks.ephemeral, marks.ephemeral_since = int(seconds), int(call.instance.account.told_time())
    answer = {"chatId": call.instance.people.shown(chat_id), "disappearingMessagesInChat": bool(seconds)}
    return as_json(answer | {"ephemeralExpiration": marks.ephemeral})


async def send_typing(call: Call) -> web.Response:
    """Take it that a person sees the account typing; the answer is empty."""
    arguments.chat(call, await call.json_object())
    return web.Response()


def _chat(call: Call, person: Person) -> dict[str, Any]:
    kind = "group" if is_group(person.chat_id) else "user"
    shown, marks = call.instance.people.shown(person.chat_id), call.instance.chats.of(person.chat_id)
    name = person.contact_name or person.name
    if call.instance.type_instance != "whatsapp":
        return {"chatId": shown, "name": name, "type": kind, "phoneNumber": ""}
    return {
        "archive": marks.archived,
        "id": shown,
        "ephemeralExpiration": marks.ephemeral,
        "ephemeralSettingTimestamp": marks.ephemeral_since,
        "name": name,
        "type": kind,
    }
