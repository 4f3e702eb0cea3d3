"""Sessions of ``requests`` in which an answer ends in time, and which add nothing from the environment."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_green_notify.hooks.bounds import HEADERS
from airflow_green_notify.protocol.redaction import redact

CONNECT_TIMEOUT = 10.0

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What a request, or reading its answer, may end with."""

_MAX_LINE = 64 * 2**10


class _TimedStream(io.RawIOBase):
    """Reads from a socket until the time of the whole answer is over: the socket's timeout when it began."""

    def __init__(self, stream: Any, sock: socket.socket, max_silence: float | None) -> None:
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
    """A connection whose answers end in time."""

    response_class = TimedResponse


class TimedHTTPSConnection(HTTPSConnection):
    """A connection whose answers end in time."""

    response_class = TimedResponse


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


def new_session(adapter: HTTPAdapter) -> requests.Session:
    """Return a session that takes no password from ``~/.netrc``, no proxy or certificate from the environment
    on its own, and no cookie from anybody.
    """
    session = requests.Session()
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


class _LogFilter(logging.Filter):
    """Keeps secrets out of urllib3's own log lines, which hold the path of every request at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()
        self.this_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(self.this_thread, "hides_paths", False) and isinstance(record.args, tuple):
            record.args = tuple("***" if "/" in str(arg) else arg for arg in record.args)
        message = record.getMessage()
        for token in sorted(self.tokens, key=len, reverse=True):  # one may be part of another
            message = redact(message, token)
        record.msg, record.args = message, ()
        return True


_log_filter = _LogFilter()
logging.getLogger("urllib3.connectionpool").addFilter(_log_filter)


def keep_out_of_log(token: str) -> None:
    """Replace a token in what urllib3 logs, from now on."""
    _log_filter.tokens.add(token)


@contextmanager
def paths_out_of_log() -> Iterator[None]:
    """Log requests without what follows the host: whoever holds a link to a file can read the file."""
    _log_filter.this_thread.hides_paths = True
    try:
        yield
    finally:
        _log_filter.this_thread.hides_paths = False
