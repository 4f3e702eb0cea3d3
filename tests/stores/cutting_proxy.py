"""A proxy before a server, which cuts connections when told to."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any, Literal


class CuttingProxy:
    """Passes bytes on; ``cut`` drops the client's next bytes ("before") or the next answer ("after").

    With ``words`` it drops the next bytes that hold these, or the answer to them. While it ``is_away`` it
    hangs up on each new connection.
    """

    def __init__(self, port: int) -> None:
        self.cut: Literal["", "before", "after"] = ""
        self.words = b""
        self.is_away = False
        self.hung_up = 0
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if proxy.is_away:
                    proxy.hung_up += 1
                    return
                asked = [b""]
                with socket.create_connection(("127.0.0.1", port)) as server:
                    ends = (server, self.request, "after", asked)
                    answers = threading.Thread(target=proxy._pass, args=ends)
                    answers.start()
                    proxy._pass(self.request, server, "before", asked)
                    answers.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str, asked: list[bytes]) -> None:
        try:
            while data := source.recv(2**16):
                if direction == "before":
                    asked[0] = data
                if self.cut == direction and self.words in asked[0]:
                    self.cut = ""
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            _shut(end)


def _shut(end: Any) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
