"""A long poll that is open while something happens to its instance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

STARTING = "instance in starting process try later"
NOT_AUTHORIZED = "instance is starting or not authorized"
WEBHOOK_URL = "custom webhook url is set"

Poll = Callable[[Any], "Future[Any]"]


@pytest.fixture
def poll() -> Iterator[Poll]:
    """Open a poll of a minute, and return once the gateway holds it."""
    with ThreadPoolExecutor() as pool:

        def begin(client: Any) -> Future[Any]:
            before = len(client.gateway.requests())
            answer = pool.submit(client.get, "receiveNotification", receiveTimeout=60)
            while len(client.gateway.requests()) == before:
                time.sleep(0.005)
            return answer

        yield begin


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda gateway: gateway.settings(webhookUrl="https://example.org/hook"), WEBHOOK_URL),
        (lambda gateway: gateway.state("notAuthorized"), NOT_AUTHORIZED),
        (lambda gateway: gateway.state("pendingPassword"), NOT_AUTHORIZED),
        (lambda gateway: gateway.state("starting"), STARTING),
        (lambda gateway: gateway.state("expired"), "Instance account is expired"),
        (lambda gateway: gateway.state("deleted"), "Instance is deleted"),
    ],
)
def test_open_poll_ends_as_a_new_one_would(client: Any, poll: Poll, happens: Any, words: str) -> None:
    """At once, in words, and without the notification that comes afterwards."""
    answer = poll(client)
    happens(client.gateway)
    client.gateway.push({"n": 1})
    response = answer.result(timeout=20)
    assert response.status_code == 400
    assert words in response.text
    assert client.gateway.audit()[0]["deliveries"] == 0


@pytest.mark.parametrize("method", ["reboot", "setSettings"])
def test_open_poll_ends_when_the_instance_restarts(emulate: Any, poll: Poll, method: str) -> None:
    """By a reboot, or for the sake of new settings."""
    client = emulate(settings_delay=300)
    answer = poll(client)
    if method == "reboot":
        client.get("reboot")
    else:
        client.post("setSettings", incomingWebhook="no")
    response = answer.result(timeout=20)
    assert (response.status_code, response.text) == (400, STARTING)


def test_open_poll_ends_when_a_webhook_url_comes_into_effect(emulate: Any, poll: Poll) -> None:
    """Set through the API, without a restart that would end the poll before."""
    client = emulate()
    answer = poll(client)
    client.post("setSettings", webhookUrl="http://127.0.0.1:9/hook")
    assert WEBHOOK_URL in answer.result(timeout=20).text


@pytest.mark.parametrize("state", ["blocked", "yellowCard", "sleepMode", "authorized"])
def test_open_poll_goes_on_in_a_state_that_lets_it(client: Any, poll: Poll, state: str) -> None:
    """What comes then is handed out."""
    answer = poll(client)
    client.gateway.state(state)
    client.gateway.push({"n": 1})
    assert answer.result(timeout=20).json()["body"] == {"n": 1}


def test_open_poll_ends_when_all_notifications_are_switched_off(client: Any, poll: Poll) -> None:
    """Empty and at once, as a new one does then."""
    answer = poll(client)
    off = {name: "no" for name in client.gateway.settings() if name.endswith("Webhook")}
    client.gateway.settings(**off)
    response = answer.result(timeout=20)
    assert (response.status_code, response.content) == (200, b"null")


def test_open_poll_ends_when_its_token_is_replaced(client: Any, poll: Poll) -> None:
    """What comes afterwards is for the new token alone."""
    answer = poll(client)
    client.get("updateApiToken")
    client.gateway.push({"n": 1})
    assert answer.result(timeout=20).status_code == 401
    assert client.receive()["body"] == {"n": 1}
