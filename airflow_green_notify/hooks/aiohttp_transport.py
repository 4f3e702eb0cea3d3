"""Sends calls from event loops, on aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.hooks.failures import transport_error
from airflow_green_notify.hooks.gateway_clock import GatewayClock
from airflow_green_notify.hooks.rate_limit import limit_of
from airflow_green_notify.protocol.answers import read_answer
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.upload import Upload

CONNECT_TIMEOUT = 10.0


class _SharedSession:
    """The one client session of an event loop, closed when its last user leaves."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.users = 0
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
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
        self._proxy = config.proxy or _proxy_of_environment(config.base_url)
        self._ssl = _ssl_of(config.verify)
        self._shared: _SharedSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._shared is None or self._shared.loop is not loop:
            self._shared = _session_of(loop)
            self._shared.users += 1
        return self._shared.session

    async def send(self, call: Call) -> Any:
        """Send ``call`` once and return its result.

        :raises GreenApiError: As :mod:`airflow_green_notify.errors` tells.
        """
        limit = limit_of(self._config, call)
        while wait := limit.take():  # noqa: ASYNC110 (it says for how long)
            await asyncio.sleep(wait)
        try:
            answer = await self._exchange(call)
        finally:
            limit.give_back()
        if isinstance(answer, GreenApiError):
            raise answer
        status, body, retry_after = answer
        return read_answer(call, status, body, token=self._config.api_token, retry_after=retry_after)

    async def _exchange(self, call: Call) -> tuple[int, bytes, str | None] | GreenApiError:
        try:
            async with self._session().request(
                call.verb,
                URL(self._config.url(call), encoded=True),
                json=call.payload,
                data=_chunks(call.upload) if call.upload else None,
                headers=call.headers,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT, sock_read=call.timeout
                ),
                proxy=self._proxy,
                ssl=self._ssl,
                allow_redirects=False,
            ) as response:
                self._clock.note(response.headers.get("Date"))
                return response.status, await response.read(), response.headers.get("Retry-After")
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


async def _chunks(upload: Upload) -> AsyncIterator[bytes]:
    chunks = iter(upload)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


def _proxy_of_environment(url: str) -> str | None:
    """Read ``HTTPS_PROXY`` and its kin once: aiohttp's own ``trust_env`` costs a thread for every request."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return proxy if proxy and not proxy_bypass(parts.hostname or "") else None


def _ssl_of(verify: bool | str) -> Any:
    if isinstance(verify, str):
        import ssl

        return ssl.create_default_context(cafile=verify)
    return verify
