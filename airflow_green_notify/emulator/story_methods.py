"""The imitated methods for statuses, also called stories: what an account shows to its contacts."""

from __future__ import annotations

import mimetypes
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments, bodies
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.journals import window
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.story import Story
from airflow_green_notify.emulator.validation import invalid, optional_text, text

BROADCAST = "status@broadcast"
FONTS = ("SERIF", "SANS_SERIF", "NORICAN_REGULAR", "BRYNDAN_WRITE", "OSWALD_HEAVY")
BLACK = "#000000"

Entry = dict[str, Any]


async def send_text_status(call: Call) -> web.Response:
    """Show a text on a colour."""
    data = await call.json_object()
    message, font = text(data, "message"), optional_text(data, "font") or FONTS[0]
    if font not in FONTS:
        raise invalid(f"'font' must be one of [{', '.join(FONTS)}]")
    shown = bodies.api_text_data(message)
    looks = {"backgroundColor": optional_text(data, "backgroundColor") or BLACK, "font": font}
    shown["extendedTextMessageData"] |= looks
    return _show(call, shown, data)


async def send_voice_status(call: Call) -> web.Response:
    """Show a sound that lies behind a URL."""
    return await _show_file(call, "audio/ogg")


async def send_media_status(call: Call) -> web.Response:
    """Show a picture or film that lies behind a URL."""
    return await _show_file(call, None)


async def delete_status(call: Call) -> web.Response:
    """Show a status no more; the answer is empty."""
    story = _story(call, text(await call.json_object(), "idMessage"))
    story.deleted = True
    return web.Response()


async def get_status_statistic(call: Call) -> web.Response:
    """Answer who was shown a status, and who has seen it."""
    story = _story(call, call.parameter("idMessage", ""))
    people, course = call.instance.people, call.instance.outbox.course(BROADCAST)
    viewers = story.participants or [each.chat_id for each in people.known.values() if each.contact_name]
    seen = {"timestamp": int(story.at), "status": course.statuses[-1] if course.statuses else "sent"}
    return as_json([{"participant": people.shown(viewer)} | seen for viewer in viewers])


async def get_outgoing_statuses(call: Call) -> web.Response:
    """Answer the statuses that were shown during the last ``minutes``, newest first."""
    earliest, latest = window(call)
    stories = [story for story in call.instance.stories.values() if earliest <= story.at <= latest]
    return as_json([_entry(call, story) for story in reversed(stories) if not story.deleted])


async def get_incoming_statuses(call: Call) -> web.Response:
    """Answer the statuses that others have shown during the last ``minutes``, newest first."""
    history = call.instance.history
    entries = [history.incoming_entry(body) for body in history.received(*window(call), BROADCAST)]
    return as_json([entry for entry in entries if entry["chatId"] == BROADCAST])


async def _show_file(call: Call, mime_type: str | None) -> web.Response:
    data = await call.json_object()
    url, name, caption = text(data, "urlFile"), text(data, "fileName"), optional_text(data, "caption")
    mime_type = mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _show(call, bodies.file_data(url, name, mime_type, caption), data)


def _show(call: Call, shown: Entry, data: Entry) -> web.Response:
    participants = arguments.texts(data, "participants") if data.get("participants") is not None else []
    for participant in participants:
        arguments.chat(call, {"participants": participant}, "participants")
    id_message = call.instance.outbox.new_id()
    story = Story(id_message, call.instance.clock.now(), shown, participants)
    call.instance.stories[id_message] = story
    return as_json({"idMessage": id_message})


def _story(call: Call, id_message: str) -> Story:
    story = call.instance.stories.get(id_message)
    if story is None or story.deleted:
        raise Rejection(400, f"Message not found by id {id_message}")
    return story


def _entry(call: Call, story: Story) -> Entry:
    course = call.instance.outbox.course(BROADCAST)
    shown = {"participants": story.participants} if story.participants else {}
    return {
        "type": "outgoing",
        "idMessage": story.id_message,
        "timestamp": int(story.at),
        "typeMessage": story.data["typeMessage"],
        "chatId": BROADCAST,
        **call.instance.history.payload(story.data),
        **shown,
        "statusMessage": course.statuses[-1] if course.statuses else "sent",
        "sendByApi": True,
    }
