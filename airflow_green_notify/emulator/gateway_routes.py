"""From the path of a request to an imitated method, with the gateway's refusals on the way."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import quote, unquote

from aiohttp import HttpVersion11, web

from airflow_green_notify.emulator.answers import cut, refused
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.headers import PREFLIGHT, dress
from airflow_green_notify.emulator.instance import Instance
from airflow_green_notify.emulator.media import MediaStore
from airflow_green_notify.emulator.methods import METHODS, Method
from airflow_green_notify.emulator.paths import path_of, segments_of
from airflow_green_notify.emulator.refusals import Refusal, Rejection

log = logging.getLogger(__name__)

PREFIX = "waInstance"
UNNAMED_INSTANCE = "Parameter idInstance not an integer"
UNNAMED_TOKEN = "Parameter apiTokenInstance not define"  # noqa: S105

Door = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Gateway:
    """All instances of one emulator and the door to them.

    All of it belongs to the event loop of the emulator.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.media = MediaStore(self.clock)
        self.instances: dict[str, Instance] = {}
        self.doors: dict[str, Door] = {"_media": self.media.handle}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        segments = segments_of(request)
        door = self.doors.get(segments[0]) if segments else None
        try:
            if "Expect" in request.headers:
                await _answer_expectation(request)
            if door is not None:
                return await door(request)
            return await self._imitate(request, segments)
        except Refusal as refusal:
            return refusal.answer(path_of(request), self.clock.now())
        except ConnectionError:
            raise
        except Exception:
            log.error("The emulator failed:\n%s", self._redacted(traceback.format_exc(), segments))
            return refused(500, "The emulator failed; its log says how.")

    async def _imitate(self, request: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=PREFLIGHT)
        prefix, name, token, rest = [*map(unquote, segments), "", "", "", ""][:4]
        try:
            method, instance = self._find(prefix, name, request, token)
            call = Call(request, instance, token, rest, request.raw_path.partition("?")[2])
            call.require_token()
        except Refusal as refusal:
            self._note_stray(prefix, name, request.method, refusal.status)
            raise
        return await self._exchange(method, call)

    def _find(self, prefix: str, name: str, request: web.BaseRequest, token: str) -> tuple[Method, Instance]:
        """The method and the instance that a path names."""
        verb = request.method if request.method != "HEAD" else "GET"  # as Express does
        method = METHODS.get(name.lower())
        if prefix[: len(PREFIX)].lower() != PREFIX.lower() or method is None or verb not in method.verbs:
            raise Rejection(404, f"Cannot {verb} {path_of(request)}")
        id_instance = prefix[len(PREFIX) :]
        if not (id_instance.isascii() and id_instance.isdigit()):
            raise Refusal(refused(400, UNNAMED_INSTANCE))
        if not token:
            raise Refusal(refused(400, UNNAMED_TOKEN))
        instance = self.instances.get(id_instance)
        if instance is None:
            raise Refusal(refused(403, "Forbidden"))
        return method, instance

    def _note_stray(self, prefix: str, name: str, verb: str, status: int) -> None:
        """Log a request that reaches no method; one that names no instance, with the first."""
        instance = self.instances.get(prefix[len(PREFIX) :]) or next(iter(self.instances.values()))
        method = METHODS.get(name.lower())
        instance.note_request(method.name if method else "unknown", verb)["status"] = status

    async def _exchange(self, method: Method, call: Call) -> web.StreamResponse:
        instance = call.instance
        record = instance.note_request(method.name, call.request.method)
        fault = instance.faults.next(method.name)
        half_way = instance.switches.round_trip / 2
        if half_way:
            await asyncio.sleep(half_way)
        if fault is not None:
            record["fault"] = fault.kind
        try:
            response = await (
                fault.answer(partial(_effect, method, call)) if fault else _effect(method, call)
            )
        except Rejection as rejection:
            response = rejection.answer(path_of(call.request), instance.account.told_time())
        if half_way:
            await asyncio.sleep(half_way)
        if response is None:
            return cut(call.request)
        dress(response, instance.switches.idle, instance.account.told_time())
        record["status"] = response.status
        return response

    def _redacted(self, text: str, segments: list[str]) -> str:
        """A text without any token, that of the request included, which may be none any more."""
        for token in {*map(unquote, segments[2:3]), *(each.api_token for each in self.instances.values())}:
            text = text.replace(token, "***").replace(quote(token, safe=""), "***") if token else text
        return text


async def _answer_expectation(request: web.BaseRequest) -> None:
    """Let a client go on that waits for leave to send its body."""
    if request.headers["Expect"].lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer itself has been sent


async def _effect(method: Method, call: Call) -> web.StreamResponse:
    try:
        return await _answer(method, call)
    except Refusal as refusal:
        return refusal.answer(path_of(call.request), call.instance.account.told_time())


async def _answer(method: Method, call: Call) -> web.StreamResponse:
    instance = call.instance
    if instance.switches.rate_limits and not instance.rates.allow(method.name):
        raise Refusal(refused(429, "Too Many Requests"))
    call.require(method.needs)
    return await method.handler(call)
