"""Sends calls from event loops, on aiohttp."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from yarl import URL

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.bounds import HEADERS, Answer
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.hooks.failures import transport_error
from airflow_green_notify.hooks.gateway_clock import GatewayClock
from airflow_green_notify.hooks.rate_limit import limit_of
from airflow_green_notify.hooks.route import routes_of, tls_context
from airflow_green_notify.protocol.calls import Call, Result
from airflow_green_notify.protocol.upload import Upload

CONNECT_TIMEOUT = 10.0

SIP = 32 * 2**10
"""Bytes that are read from a connection at once. aiohttp parses them in one go: a quarter of a megabyte of
``100 Continue`` or of one-byte chunks holds up the event loop for a tenth of a second."""


class _SippingSocket(socket.socket):
    def recv(self, size: int, /, *flags: int) -> bytes:
        return super().recv(min(size, SIP), *flags)

    def recv_into(self, buffer: Any, size: int = 0, /, *flags: int) -> int:
        return super().recv_into(buffer, min(size or len(buffer), SIP), *flags)


def _new_socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    return _SippingSocket(family, kind, protocol)


MAX_INTERIM = 10
"""How many answers such as ``100 Continue`` may stand before the one that counts."""


class _Response(aiohttp.ClientResponse):
    """An answer that no flood of interim ones stands before.

    aiohttp would read them for as long as they come, and the garbage that they make holds up the event loop.
    """

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        protocol, left = connection.protocol, MAX_INTERIM

        async def read() -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise aiohttp.ClientPayloadError("too many interim answers")
            return await type(protocol).read(protocol)

        if not hasattr(protocol, "__dict__"):
            return await super().start(connection)
        protocol.read = read
        try:
            return await super().start(connection)
        finally:
            del protocol.read


class _SharedSession:
    """The one client session of an event loop, closed when its last user leaves."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.users = 0
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=_new_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_Response,
            headers=HEADERS,
            middlewares=[_never_repeat],
        )


_sessions: dict[asyncio.AbstractEventLoop, _SharedSession] = {}


def _session_of(loop: asyncio.AbstractEventLoop) -> _SharedSession:
    if loop not in _sessions:
        for ended in [each for each in _sessions if each.is_closed()]:
            del _sessions[ended]
        _sessions[loop] = _SharedSession(loop)
    return _sessions[loop]


class _NoAnswer(Exception):
    """Carries a failure past aiohttp."""


async def _never_repeat(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending GET and DELETE again by itself after a cut.

    A receipt id is good for one delete: sent again, it may name another notification by then.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NoAnswer from error


class AiohttpTransport:
    """One instance, reached through the event loop's shared session."""

    def __init__(self, config: InstanceConfig, clock: GatewayClock) -> None:
        self._config = config
        self._clock = clock
        self._routes = routes_of(config)
        self._tls_contexts: dict[str, ssl.SSLContext] = {}
        self._shared: _SharedSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._shared is None or self._shared.loop is not loop:
            self._shared = _session_of(loop)
            self._shared.users += 1
        return self._shared.session

    async def _tls(self, verify: bool | str) -> ssl.SSLContext | bool:
        if isinstance(verify, bool):
            return verify
        if verify not in self._tls_contexts:
            self._tls_contexts[verify] = await asyncio.to_thread(tls_context, verify)
        return self._tls_contexts[verify]

    async def send(self, call: Call[Result]) -> Result:
        """Send ``call`` once and return its result.

        :raises GreenApiError: As :mod:`airflow_green_notify.errors` tells.
        """
        outcome = await self._outcome(call)
        if isinstance(outcome, GreenApiError):
            raise outcome
        return outcome

    async def _outcome(self, call: Call[Result]) -> Result | GreenApiError:
        limit = limit_of(self._config, call)
        while wait := limit.take():  # noqa: ASYNC110 (it says for how long)
            await asyncio.sleep(wait)
        try:
            answer = await self._exchange(call)
        finally:
            limit.give_back()
        if not isinstance(answer, Answer):
            return answer
        if answer.is_quick:
            return answer.outcome(self._config.api_token)
        return await asyncio.to_thread(answer.outcome, self._config.api_token)

    async def _exchange(self, call: Call[Result]) -> Answer[Result] | GreenApiError:
        route = self._routes[call.media]
        tls = await self._tls(route.verify)
        try:
            async with self._session().request(
                call.verb,
                URL(self._config.url(call), encoded=True),
                data=_chunks(call.upload) if call.upload else call.body,
                headers=call.headers,
                timeout=aiohttp.ClientTimeout(
                    total=call.timeout, sock_connect=CONNECT_TIMEOUT, sock_read=call.answer_timeout
                ),
                proxy=route.proxy,
                ssl=tls,
                allow_redirects=False,
            ) as response:
                self._clock.note(response.headers.get("Date"))
                answer = Answer(call, response.status, response.headers)
                await _read(response.content, answer)
                return answer
        except (aiohttp.ClientError, _NoAnswer, OSError, ValueError, TimeoutError) as error:
            return transport_error(
                call, (error.__cause__ or error) if isinstance(error, _NoAnswer) else error
            )

    async def close(self) -> None:
        """Leave the shared session; the last to leave closes it."""
        shared, self._shared = self._shared, None
        if shared is None or shared.loop is not asyncio.get_running_loop():
            return
        shared.users -= 1
        if not shared.users:
            del _sessions[shared.loop]
            await shared.session.close()


async def _read(content: aiohttp.StreamReader, answer: Answer[Any]) -> None:
    async for data in content.iter_any():
        for _ in answer.take(data):
            await asyncio.sleep(0)
        if answer.is_enough:
            return
    answer.end()


async def _chunks(upload: Upload) -> AsyncIterator[bytes]:
    chunks = iter(upload)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
