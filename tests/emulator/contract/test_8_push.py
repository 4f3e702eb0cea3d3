"""Section 8 of the contract: push delivery, here to a ``webhookUrl`` on this machine alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator


class Hook:
    """A server that notes what is pushed to it, and answers as it is told."""

    def __init__(self) -> None:
        self.pushed: list[tuple[Any, dict[str, str]]] = []
        self.statuses: list[int] = []
        self.held = threading.Event()
        self.held.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.pushed.append((json.loads(body), dict(self.headers)))
                hook.held.wait(20)
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def bodies(self) -> list[Any]:
        """What was pushed, in order."""
        return [body for body, _ in self.pushed]

    def stop(self) -> None:
        """Close it."""
        self.held.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A server to push to."""
    hook = Hook()
    yield hook
    hook.stop()


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait for something that will come."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_8_notifications_are_pushed_bare_and_in_order(client: Any, hook: Hook) -> None:
    """What waited before the URL was set, and what comes afterwards; 200 deletes."""
    client.gateway.push({"n": 1}, {"n": 2, "text": "\ud83d é"})
    client.gateway.settings(webhookUrl=hook.url)
    client.gateway.push({"n": 3})
    wait_until(lambda: not client.gateway.queue())
    assert hook.bodies == [{"n": 1}, {"n": 2, "text": "\ud83d é"}, {"n": 3}]
    assert hook.pushed[0][1]["Content-Type"] == "application/json"
    assert "Authorization" not in hook.pushed[0][1]
    audit = client.gateway.audit()
    assert [(item["deliveries"], item["deletions"]) for item in audit] == [(1, 1)] * 3


def test_8_token_of_the_url_goes_into_the_authorization(client: Any, hook: Hook) -> None:
    """As it is set, since the vendor's servers take several forms of it."""
    client.gateway.settings(webhookUrl=hook.url, webhookUrlToken="Bearer 5ecret")
    client.gateway.push({"n": 1})
    wait_until(lambda: not client.gateway.queue())
    assert hook.pushed[0][1]["Authorization"] == "Bearer 5ecret"


@pytest.mark.parametrize("status", [201, 204, 302, 400, 500])
def test_8_notification_that_is_not_confirmed_is_pushed_again_after_a_minute(
    client: Any, hook: Hook, status: int
) -> None:
    """By the gateway's clock; those behind it wait, and no redirect is followed."""
    hook.statuses = [status]
    client.gateway.settings(webhookUrl=hook.url)
    client.gateway.push({"n": 1}, {"n": 2})
    wait_until(lambda: hook.bodies)
    time.sleep(0.1)
    client.gateway.advance(59)
    time.sleep(0.1)
    assert hook.bodies == [{"n": 1}]
    client.gateway.advance(2)
    wait_until(lambda: not client.gateway.queue())
    assert hook.bodies == [{"n": 1}, {"n": 1}, {"n": 2}]


def test_8_push_waits_for_the_answer(client: Any, hook: Hook) -> None:
    """The next one isn't sent before."""
    hook.held.clear()
    client.gateway.settings(webhookUrl=hook.url)
    client.gateway.push({"n": 1}, {"n": 2})
    wait_until(lambda: hook.bodies)
    time.sleep(0.1)
    assert hook.bodies == [{"n": 1}]
    hook.held.set()
    wait_until(lambda: not client.gateway.queue())


def test_8_server_that_is_not_there_is_tried_again(client: Any, hook: Hook) -> None:
    """A refused connection is no confirmation; another URL is tried at once."""
    client.gateway.settings(webhookUrl="http://127.0.0.1:9/hook")
    client.gateway.push({"n": 1})
    wait_until(lambda: client.gateway.audit()[0]["deliveries"])
    client.gateway.settings(webhookUrl=hook.url)
    wait_until(lambda: not client.gateway.queue())
    assert hook.bodies == [{"n": 1}]


def test_8_cleared_url_gives_the_queue_back_to_polling(client: Any, hook: Hook) -> None:
    """What wasn't confirmed can be received."""
    hook.statuses = [500]
    client.gateway.settings(webhookUrl=hook.url)
    client.gateway.push({"n": 1})
    wait_until(lambda: hook.bodies)
    client.gateway.settings(webhookUrl="")
    assert client.receive()["body"] == {"n": 1}
    client.gateway.advance(120)
    time.sleep(0.1)
    assert hook.bodies == [{"n": 1}]


@pytest.mark.parametrize(
    "url", ["http://{}.evil.example/", "http://0.0.0.0:{}/", "ftp://127.0.0.1:{}/", "{}"]
)
def test_nobody_else_is_ever_called(client: Any, hook: Hook, url: str) -> None:
    """Only a name that always means this machine."""
    client.gateway.settings(webhookUrl=url.format(hook.url.rpartition(":")[2].removesuffix("/hook")))
    client.gateway.push({"n": 1})
    time.sleep(0.2)
    assert hook.bodies == []
    assert client.gateway.audit()[0]["deliveries"] == 0


def test_push_waits_while_the_instance_does_not_work(client: Any, hook: Hook) -> None:
    """And goes on by itself."""
    client.gateway.state("starting")
    client.gateway.settings(webhookUrl=hook.url)
    client.gateway.push({"n": 1})
    time.sleep(0.1)
    assert hook.bodies == []
    client.gateway.state("authorized")
    wait_until(lambda: hook.bodies)


def test_push_begins_with_the_server(hook: Hook) -> None:
    """What was pushed and set before the emulator was started isn't forgotten."""
    gateway = GreenApiEmulator()
    gateway.push({"n": 1})
    gateway.settings(webhookUrl=hook.url)
    with gateway:
        wait_until(lambda: not gateway.queue())
    assert hook.bodies == [{"n": 1}]
