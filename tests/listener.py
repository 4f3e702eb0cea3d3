"""A server on loopback that answers whatever a test wants, byte by byte."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest


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
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        super().__init__(address, _Connection)
        self.taker = taker
        self.answers = list(answers) or [answer()]
        self.tls = tls
        self.connections = 0
        self.requests: list[str] = []
        self.closed = threading.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.server_address[0]}:{self.server_address[1]}"

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
        while self._reads_request():
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

    def _reads_request(self) -> bool:
        """Read and note a request; return whether there was one that is to be answered."""
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line.decode("latin-1").strip())
        if not lines:
            return False
        self.server.requests.append("\n".join(lines))
        if self.server.taker:
            self.server.taker(self)
            return False
        length = next((int(each[15:]) for each in lines if each.lower().startswith("content-length:")), 0)
        self.rfile.read(length)
        return True


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
