"""The imitated methods for voice calls: the one that goes on, and those of the past."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.journals import window
from airflow_green_notify.emulator.refusals import Rejection

MAX_CALLS = 10_000

Body = dict[str, Any]


async def calls_state(call: Call) -> web.Response:
    """Answer the state of the call that there is."""
    return as_json(call.instance.voice_calls.as_dict())


async def calls_dial(call: Call) -> web.Response:
    """Call somebody; what becomes of it is told by ``callsState``."""
    chat_id = arguments.chat(call, await call.json_object())
    call.instance.voice_calls.dial(chat_id, call.instance.outbox.new_id())
    return web.Response()


async def calls_accept(call: Call) -> web.Response:
    """Take the call that comes in."""
    call.instance.voice_calls.accept()
    return web.Response()


async def calls_reject(call: Call) -> web.Response:
    """Refuse the call that comes in."""
    call.instance.voice_calls.end("declined")
    return web.Response()


async def calls_hang_up(call: Call) -> web.Response:
    """End the call."""
    call.instance.voice_calls.end("hangUp")
    return web.Response()


async def calls_rtc(call: Call) -> web.StreamResponse:
    """Open the connection that tells the state of calls as it changes; no sound goes through it."""
    socket = web.WebSocketResponse()
    if not socket.can_prepare(call.request):
        raise Rejection(400, "bad request data")
    await socket.prepare(call.request)
    reader = asyncio.ensure_future(_until_closed(socket))
    try:
        with call.instance.voice_calls.watched() as changed:
            while not reader.done():
                changed.clear()
                await socket.send_json({"type": "state", "state": call.instance.voice_calls.as_dict()})
                change = asyncio.ensure_future(changed.wait())
                await asyncio.wait({reader, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
    finally:
        reader.cancel()
    return socket


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass  # what the application offers of its sound


async def last_incoming_calls(call: Call) -> web.Response:
    """Answer the calls that came in during the last ``minutes``, newest first."""
    return as_json(_journal(call, "incomingCall", "incoming"))


async def last_outgoing_calls(call: Call) -> web.Response:
    """Answer the calls that went out during the last ``minutes``, newest first."""
    return as_json(_journal(call, "outgoingCall", "outgoing"))


def _journal(call: Call, kind: str, direction: str) -> list[Body]:
    """Each call once, with the newest that notifications tell of it."""
    calls: dict[Any, Body] = {}
    for body in call.instance.history.calls(kind, *window(call)):
        id_message = body.get("idMessage")
        if isinstance(id_message, str) and len(calls) < MAX_CALLS:
            calls.setdefault(id_message, _entry(call, kind, direction, body))
    return list(calls.values())


def _entry(call: Call, kind: str, direction: str, body: Body) -> Body:
    participants = body["participants"] if isinstance(body.get("participants"), list) else []
    others = [each.get("wid") for each in participants if isinstance(each, dict)]
    chat_id = others[0] if kind == "outgoingCall" and others else body.get("from")
    return {
        "type": direction,
        "idMessage": body["idMessage"],
        "timestamp": body.get("timestamp", 0),
        "typeMessage": kind,
        "chatId": call.instance.people.shown(chat_id) if isinstance(chat_id, str) else "",
        "isVideo": body.get("isVideo", False),
        "duration": body.get("duration", 0),
        "status": body.get("status", ""),
        "participants": participants,
    }
