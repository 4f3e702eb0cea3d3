"""The control plane: what :class:`.GatewayInstance` offers in Python, over HTTP.

All routes stand below ``/_emulator/``. Arguments go as a JSON object (``application/json``) whose keys are
the parameters of the method of the same name; ``?instance=<idInstance>`` chooses another instance than the
first. What is wrong is answered with 400 and words. Only programs and pages of this machine are let in.

====  =====================  ==========================================================================
POST  ``push``               notifications, one JSON value per line (NDJSON); answers ``{"pushed": n}``
POST  ``push_traffic``       ``{"seed": 0, "n": 100}``: so much realistic traffic
GET   ``audit``              what became of everything that was pushed
GET   ``queue``              the bodies that wait, head first
GET   ``requests``           the requests so far
GET   ``sent``               what was sent
GET   ``chats``              whom the instance knows, what is archived and read
POST  ``clear_requests``     forget them
POST  ``switch``             ``{"idle": "empty", …}``; answers all switches
POST  ``settings``           ``{"webhookUrl": "", …}``; answers all settings
POST  ``state``              ``{"value": "notAuthorized"}``
POST  ``restart_receipts``   receipt ids begin at 1 again
POST  ``advance``            ``{"seconds": 3600}``: moves the gateway's clock
POST  ``fault``              ``{"kind": "502", "method": "receiveNotification", "times": 3, "after": 1}``; and
                             what the kind takes, such as ``status``
POST  ``faults_at_random``   ``{"seed": 1, "probabilities": {"cut_after": 0.02}}``
POST  ``clear_faults``       nothing fails any more
POST  ``reply``              ``{"pattern": "Deploy", "text": "yes", "delay": 1, "chat_id": …, "quoted": true,
                             "sender": …}``
POST  ``deliver_as``         ``{"statuses": ["noAccount"], "chat_id": …, "description": …}``
POST  ``media``              ``{"name": "a.pdf", "size": 1000, "expires_after": 60}``; answers the URL
POST  ``media_message``      the same, in the notification of a message; answers its body
POST  ``media_sha256``       ``{"url": …}``; answers the hash
POST  ``add_instance``       ``{"type_instance": "telegram", …}``; answers the new instance
GET   ``instances``          id, token and connection of each instance
====  =====================  ==========================================================================
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import checks
from airflow_green_notify.emulator.answers import JSON, as_json, refused
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from airflow_green_notify.emulator.loopback import refusal_of
from airflow_green_notify.emulator.readings import audit_json, queue_json

PIECE = 2_000  # items of a list that are written at once
WITH_BODIES: dict[str, Callable[[GatewayInstance], Iterable[bytes]]] = {
    "audit": audit_json,
    "queue": queue_json,
}
READ = {"audit", "queue", "requests", "sent", "chats"}
CALL = {
    "push_traffic",
    "clear_requests",
    "switch",
    "settings",
    "state",
    "restart_receipts",
    "advance",
    "fault",
    "faults_at_random",
    "clear_faults",
    "reply",
    "deliver_as",
    "media",
    "media_message",
    "media_sha256",
}


class ControlPlane:
    """A thin door over HTTP to the methods of an emulator and its instances.

    :param instances: By id, the emulator's own first.
    :param add_instance: Opens one more.
    """

    def __init__(
        self, instances: Mapping[str, GatewayInstance], add_instance: Callable[..., GatewayInstance]
    ) -> None:
        self._instances = instances
        self._add_instance = add_instance

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Answer a request below ``/_emulator/``; the work is done beside the event loop."""
        door = refusal_of(request)
        if door is not None:
            return refused(*door)
        name = request.path.removeprefix("/_emulator").strip("/")
        try:
            instance = self._instance(request)
            if request.method == "GET":
                return await self._read(instance, name)
            if request.method == "POST":
                return await asyncio.to_thread(self._call, instance, name, await request.read())
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            return refused(400, f"{type(error).__name__}: {error}")
        except web.HTTPRequestEntityTooLarge:
            return refused(413, "the body is larger than the emulator reads")
        return refused(405, "only GET and POST")

    def _instance(self, request: web.BaseRequest) -> GatewayInstance:
        wanted = request.query.get("instance") or next(iter(self._instances))
        if wanted not in self._instances:
            raise LookupError(f"there is no instance {wanted[:100]}")
        return self._instances[wanted]

    async def _read(self, instance: GatewayInstance, name: str) -> web.Response:
        if name == "instances":
            return as_json([_introduction(each) for each in list(self._instances.values())])
        if name not in READ:
            return refused(404, "no such reading")
        read = WITH_BODIES.get(name, lambda instance: map(checks.as_json, getattr(instance, name)()))
        items = await asyncio.to_thread(read, instance)
        return web.Response(body=_list_of(items), headers=JSON)

    def _call(self, instance: GatewayInstance, name: str, body: bytes) -> web.Response:
        if name == "push":
            return as_json({"pushed": instance.push(*_values(body.decode("utf-8")))})
        arguments = json.loads(body) if body.strip() else {}
        if not isinstance(arguments, dict):
            raise ValueError("the arguments must be a JSON object")
        if name == "add_instance":
            return as_json(_introduction(self._add_instance(**arguments)))
        if name not in CALL:
            return refused(404, "no such call")
        positional = arguments.pop("statuses") if name == "deliver_as" and "statuses" in arguments else []
        if not isinstance(positional, list):
            raise ValueError("statuses must be a list of texts")
        return as_json(getattr(instance, name)(*positional, **arguments))


async def _list_of(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A JSON list of what is JSON, made piece by piece beside the event loop."""
    rest, opening = iter(items), b"["
    while piece := await asyncio.to_thread(lambda: b",".join(islice(rest, PIECE))):
        yield opening + piece
        opening = b","
    yield b"]" if opening == b"," else b"[]"


def _introduction(instance: GatewayInstance) -> dict[str, Any]:
    return {
        "idInstance": instance.id_instance,
        "apiTokenInstance": instance.api_token,
        "typeInstance": instance.type_instance,
        "connection": instance.connection,
    }


def _values(text: str) -> Iterator[Any]:
    """Take JSON values off the text, whatever white space stands between them."""
    decoder = json.JSONDecoder()
    text = text.strip()
    position = 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        yield value
        while position < len(text) and text[position].isspace():
            position += 1
