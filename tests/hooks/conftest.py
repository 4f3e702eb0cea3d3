"""Both ways to call a hook, and a server that answers whatever a test wants."""

from __future__ import annotations

import inspect
import json
import socketserver
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook, rate_limit

TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"


@pytest.fixture(autouse=True)
def _no_limits_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh gateway has counted no requests yet, although its instance has the id of the one before."""
    monkeypatch.setattr(rate_limit, "_limits", {})


class Asker:
    """Calls a hook's methods by their plain names, on the one side or the other."""

    def __init__(self, side: str) -> None:
        self.side = side

    async def __call__(self, hook: GreenApiHook, method: str, *args: Any, **kwargs: Any) -> Any:
        prefix = "a" if self.side == "async" else ""
        result = getattr(hook, prefix + method)(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Asker:
    """Each test that asks is run with the plain methods and with their async twins."""
    return Asker(request.param)


@pytest.fixture
async def make_hook() -> AsyncIterator[Callable[..., GreenApiHook]]:
    """Make hooks that are closed at the end of the test."""
    hooks: list[GreenApiHook] = []

    def make(*args: Any, **kwargs: Any) -> GreenApiHook:
        hooks.append(GreenApiHook(*args, **kwargs))
        return hooks[-1]

    yield make
    for hook in hooks:
        hook.close()
        await hook.aclose()


def answer(body: bytes = b"null", status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer after which the connection stays open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Listener(socketserver.ThreadingTCPServer):
    """A server that answers its requests with prepared bytes, the last of them for ever.

    Instead of bytes, ``None`` closes the connection without an answer, ``...`` never answers, and a function
    gives the pieces of an answer, after which the connection is closed.

    :param taker: Gets each connection after the head of a request, and does the rest.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(
        self,
        *answers: Any,
        tls: ssl.SSLContext | None = None,
        taker: Callable[[socketserver.StreamRequestHandler], None] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.taker = taker
        self.answers = list(answers) or [answer()]
        self.tls = tls
        self.connections = 0
        self.requests: list[str] = []
        self.closed = threading.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> Any:
        connection, address = super().get_request()
        if self.tls:
            connection.settimeout(5)
            connection = self.tls.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Connection(socketserver.StreamRequestHandler):
    server: Listener

    def handle(self) -> None:
        self.server.connections += 1
        while head := self._read_request():
            self.server.requests.append(head)
            answers = self.server.answers
            reply = answers.pop(0) if len(answers) > 1 else answers[0]
            if reply is None:
                return
            if reply is ...:
                self.server.closed.wait()
                return
            if callable(reply):
                for piece in reply():
                    self.wfile.write(piece)
                return
            self.wfile.write(reply)

    def _read_request(self) -> str:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line.decode("latin-1").strip())
        if self.server.taker:
            self.server.taker(self)
            return ""
        length = next((int(each[15:]) for each in lines if each.lower().startswith("content-length:")), 0)
        self.rfile.read(length)
        return "\n".join(lines)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Start listeners that are stopped at the end of the test."""
    listeners: list[Listener] = []

    def start(*answers: Any, **kwargs: Any) -> Listener:
        listener = Listener(*answers, **kwargs)
        listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        return listener

    start.answer = answer  # type: ignore[attr-defined]
    yield start
    for listener in listeners:
        listener.closed.set()
        listener.shutdown()
        listener.server_close()


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"api_token": TOKEN}


@pytest.fixture
def gateway(green_api_emulator: GreenApiEmulator, connect: Callable[..., None]) -> GreenApiEmulator:
    """A gateway to which the default connection leads.

    Token and extras are the same in every test: Airflow's secrets masker gets slower with each it learns.
    """
    connect(green_api_emulator.url)
    return green_api_emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the default connection."""

    def set_connection(host: str | None, **fields: Any) -> None:
        connection = {
            "conn_type": "green_api",
            "host": host,
            "login": "1101000001",
            "password": TOKEN,
            **fields,
        }
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", json.dumps(connection))

    return set_connection
