"""Sessions of ``requests`` in which an answer ends in time, and which add nothing from the environment."""

from __future__ import annotations

import http.client
import io
import socket
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from airflow_green_notify.hooks.addresses import addresses_of
from airflow_green_notify.hooks.bounds import HEADERS

CONNECT_TIMEOUT = 10.0

MIN_CONNECT_TIMEOUT = 2.0
"""Seconds for each address of a host that has many."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What a request, or reading its answer, may end with."""

_MAX_LINE = 64 * 2**10


class _TimedStream(io.RawIOBase):
    """Reads from a socket until the time of the whole answer is over: the socket's timeout when it began."""

    def __init__(self, stream: io.RawIOBase, sock: socket.socket, max_silence: float | None) -> None:
        self._stream = stream
        self._sock = sock
        self._max_silence = max_silence
        self._ends = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left, self._max_silence or left))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Lines(io.BufferedReader):
    """Keeps no line in memory that has no end, such as a chunk's description."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return super().readline(size)
        line = super().readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise http.client.LineTooLong("chunk")
        return line


class TimedResponse(http.client.HTTPResponse):
    """An answer for which the socket's timeout is that of the whole, not of each read."""

    max_silence: float | None = None
    """Seconds for which nothing at all may come."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = _Lines(_TimedStream(self.fp.detach(), sock, self.max_silence))


class TimedHTTPConnection(HTTPConnection):
    """A connection that is made in time, however many addresses a host has, and whose answers end in time."""

    response_class = TimedResponse

    def _addresses(self) -> list[str]:
        return addresses_of(self.host, self.port)

    def _new_conn(self) -> socket.socket:
        addresses = self._addresses()
        seconds = float(self.timeout or CONNECT_TIMEOUT)
        ends = time.monotonic() + seconds
        failure: OSError = TimeoutError()
        for address in addresses:
            if time.monotonic() > ends:
                break
            try:
                # To the address itself: a second look-up of the name might give another one.
                return create_connection(
                    (address, self.port),
                    max(seconds / len(addresses), MIN_CONNECT_TIMEOUT),
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from failure
        raise NewConnectionError(self, "no connection") from failure


class TimedHTTPSConnection(TimedHTTPConnection, HTTPSConnection):
    """The same with TLS."""


Connections = tuple[type[HTTPConnection], type[HTTPSConnection]]


class TimedAdapter(HTTPAdapter):
    """Opens connections of these kinds, to a host itself and to a proxy."""

    direct: Connections = (TimedHTTPConnection, TimedHTTPSConnection)
    proxied: Connections = (TimedHTTPConnection, TimedHTTPSConnection)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(*self.direct)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _pools(*self.proxied)
        return manager


def _pools(http: type[HTTPConnection], https: type[HTTPSConnection]) -> dict[str, type[HTTPConnectionPool]]:
    return {
        "http": type("HTTPConnectionPool", (HTTPConnectionPool,), {"ConnectionCls": http}),
        "https": type("HTTPSConnectionPool", (HTTPSConnectionPool,), {"ConnectionCls": https}),
    }


class _Session(requests.Session):
    """A session that leaves redirects alone, also where ``requests`` would only look where they lead.

    It reads the whole answer for that.
    """

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Any:
        return iter(())


def new_session(adapter: HTTPAdapter) -> requests.Session:
    """Return a session that takes no password from ``~/.netrc``, no proxy or certificate from the environment
    on its own, and no cookie from anybody.
    """
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(HEADERS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def timeout(seconds: float, answer: float | None = None) -> Any:
    """Return a timeout for a whole exchange.

    :param answer: Seconds of it, at most, for which the answer is waited once all is sent.
    """
    return urllib3.Timeout(connect=min(CONNECT_TIMEOUT, seconds), read=answer, total=seconds)
