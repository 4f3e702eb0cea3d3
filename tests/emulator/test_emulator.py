"""The server: start, stop, threads, many waiters, several instances."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import requests

from airflow_green_notify.emulator import GreenApiEmulator
from tests.emulator.conftest import Client


def test_connection_leads_to_the_gateway() -> None:
    """The connection JSON has all that the provider's hook needs."""
    with GreenApiEmulator() as gateway:
        connection = json.loads(gateway.connection)
        assert connection == {
            "conn_type": "greenapi",
            "host": gateway.url,
            "login": gateway.id_instance,
            "password": gateway.api_token,
            "port": gateway.port,
            "extra": {"media_url": gateway.url},
        }
        assert gateway.url == f"http://127.0.0.1:{gateway.port}"
        assert gateway.id_instance == "1101000001"


def test_tokens_are_random_unless_given() -> None:
    """Each emulator has its own token, long enough to be found in a log."""
    tokens = {GreenApiEmulator().api_token for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) == 50 for token in tokens)
    assert GreenApiEmulator(api_token="given").api_token == "given"


def test_emulator_listens_on_loopback_only() -> None:
    """It isn't reached even at another address of the same machine."""
    with GreenApiEmulator() as gateway, pytest.raises(OSError, match=r"refused|timed out|unreachable"):
        socket.create_connection(("127.0.0.2", gateway.port), timeout=5)


def test_emulator_may_be_used_before_and_after_it_runs(body: Any) -> None:
    """Pushing before the start and reading after the stop need no server."""
    gateway = GreenApiEmulator()
    gateway.push(body())
    with gateway:
        url = f"{gateway.url}/waInstance{gateway.id_instance}/receiveNotification/{gateway.api_token}"
        assert requests.get(url, timeout=20).json()["body"] == body()
    assert gateway.audit()[0]["deliveries"] == 1
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=20)


def test_emulator_restarted_keeps_port_and_queue(client: Any, body: Any) -> None:
    """An outage of the gateway: refused while it is down, and all is there when it is back."""
    client.gateway.push(body())
    receipt_id = client.receive()["receiptId"]
    port = client.gateway.port
    client.gateway.stop()
    with pytest.raises(requests.ConnectionError):
        client.receive()
    client.gateway.start()
    assert client.gateway.port == port
    assert client.delete(receipt_id).json()["result"] is True


def test_stop_cuts_a_connection_that_was_accepted_just_now() -> None:
    """A client that came at the moment of the stop is told at once, and doesn't wait for an answer."""
    for _ in range(5):
        gateway = GreenApiEmulator().start()
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10.0) as client:
            client.sendall(b"GET /_emulator/queue HTTP/1.1\r\nHost: localhost\r\n\r\n")
            gateway.stop()
            with suppress(ConnectionResetError):
                while client.recv(65536):
                    pass


def test_agenda_goes_on_after_a_restart(client: Any) -> None:
    """A reply that was scripted before the outage comes after it."""
    client.gateway.reply("Deploy", "yes", delay=0.05)
    client.post("sendMessage", chatId="1@c.us", message="Deploy?")
    client.gateway.stop()
    client.gateway.start()
    assert client.receive(60) is not None


def test_stop_cuts_those_who_wait(client: Any) -> None:
    """A held receive doesn't hold up the end of the gateway."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.receive, 60)
        while not client.gateway.requests():
            time.sleep(0.01)
        client.gateway.stop()
        with pytest.raises(requests.ConnectionError):
            answer.result(timeout=20)


def test_start_twice_and_a_taken_port_are_errors(client: Any) -> None:
    """Neither goes unnoticed, and after the failed start the emulator can be used otherwise."""
    with pytest.raises(RuntimeError):
        client.gateway.start()
    second = GreenApiEmulator(port=client.gateway.port)
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        second.start()
    second.stop()
    second.port = 0
    with second:
        assert second.url != client.gateway.url


def test_url_before_the_start_is_an_error() -> None:
    """Nobody gets a URL with the port 0."""
    with pytest.raises(RuntimeError):
        _ = GreenApiEmulator().url


@pytest.mark.parametrize(
    "options", [{"id_instance": "11a"}, {"id_instance": ""}, {"type_instance": "signal"}]
)
def test_impossible_instance_is_refused(options: dict[str, str]) -> None:
    """An id of other than digits, or an unknown product, is an error at once."""
    with pytest.raises(ValueError, match="must be"):
        GreenApiEmulator(**options)


def test_instances_have_queues_tokens_and_ids_of_their_own(client: Any, body: Any) -> None:
    """What is pushed to one is not seen on the other, and the token of one doesn't open the other."""
    other = client.gateway.add_instance()
    assert other.id_instance != client.gateway.id_instance
    other.push(body())
    assert client.receive() is None
    own_token = client.url("getStateInstance").replace(client.gateway.id_instance, other.id_instance)
    assert client.session.get(own_token).status_code == 401
    client.instance = other
    assert client.receive()["body"] == body()
    with pytest.raises(ValueError, match="already"):
        client.gateway.add_instance(id_instance=other.id_instance)


def test_clock_is_one_for_all_instances(client: Any, body: Any) -> None:
    """Moving the clock moves the whole gateway."""
    other = client.gateway.add_instance()
    other.push(body())
    client.gateway.advance(24 * 3600)
    assert other.queue() == []


def test_pushes_from_many_threads_are_all_there(client: Any) -> None:
    """The Python side is safe to use from any thread, also while requests are served."""
    threads = [
        threading.Thread(target=lambda base=base: [client.gateway.push({"n": base + n}) for n in range(50)])
        for base in range(0, 400, 50)
    ]
    for thread in threads:
        thread.start()
    taken = []
    while len(taken) < 400:
        taken += [body["n"] for body in client.drain()]
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(400))


def test_failure_in_the_middle_of_an_answer_cuts_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the rest of a file that the emulator failed to make."""
    url = client.gateway.media("a.bin", 100)

    def fail(name: str, size: int) -> Any:
        raise RuntimeError("no content")

    monkeypatch.setattr("airflow_green_notify.emulator.media.media_content", fail)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.session.get(url, timeout=20)


def until_asked(instances: list[Any]) -> None:
    """Wait until each of the instances was asked something."""
    for instance in instances:
        while not instance.requests():
            time.sleep(0.01)


async def test_thousand_waiters_are_all_served(client: Any) -> None:
    """A thousand instances are waited for at once, and each waiter gets the notification of its own."""
    instances = [client.gateway.add_instance() for _ in range(1000)]
    connector = aiohttp.TCPConnector(limit=0)

    async with aiohttp.ClientSession(connector=connector) as session:

        async def wait_for(instance: Any) -> Any:
            path = f"waInstance{instance.id_instance}/receiveNotification/{instance.api_token}"
            async with session.get(f"{client.gateway.url}/{path}?receiveTimeout=60") as response:
                return (await response.json())["body"]

        waiting = [asyncio.create_task(wait_for(instance)) for instance in instances]
        await asyncio.to_thread(until_asked, instances)
        for instance in instances:
            instance.push(instance.id_instance)
        assert await asyncio.gather(*waiting) == [instance.id_instance for instance in instances]


def test_emulator_imports_neither_airflow_nor_the_provider() -> None:
    """It stands alone: the standard library and aiohttp, no code shared with what it tests.

    The package's own version comes with the package.
    """
    code = (
        "import sys, airflow_green_notify.emulator, airflow_green_notify.emulator.__main__;"
        "print([m for m in sys.modules if m.split('.')[0] in ('airflow', 'requests', 'tenacity')"
        " or m.startswith('airflow_green_notify.') and not m.startswith('airflow_green_notify.emulator')"
        " and m != 'airflow_green_notify.version'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_realistic_emulator_begins_as_a_new_instance_of_the_gateway() -> None:
    """No notification is on, and empty answers come at once."""
    with GreenApiEmulator.realistic(rate_limits=False) as gateway:
        client = Client(gateway, gateway)
        settings = client.get("getSettings").json()
        assert {value for name, value in settings.items() if name.endswith("Webhook")} == {"no"}
        assert client.session.get(client.url("receiveNotification") + "?receiveTimeout=60", timeout=20).ok


def test_realistic_emulator_takes_its_time() -> None:
    """Settings, the end of pushing, counts and the send queue are as slow as on the gateway."""
    with GreenApiEmulator.realistic(rate_limits=False) as gateway:
        client = Client(gateway, gateway)
        client.post("setSettings", incomingWebhook="yes", webhookUrl="https://example.org/hook")
        gateway.advance(299)
        assert client.get("getStateInstance").json() == {"stateInstance": "starting"}
        gateway.advance(1)
        assert client.get("getSettings").json()["incomingWebhook"] == "yes"
        client.post("setSettings", webhookUrl="")
        gateway.advance(300)
        assert "webhook url is set" in client.get("receiveNotification", receiveTimeout=0).text
        gateway.advance(60)
        assert client.get("getWebhooksCount").json() == {"count": 0}
        gateway.push({"n": 1})
        assert client.get("getWebhooksCount").json() == {"count": 0}
        gateway.advance(10)
        assert client.get("getWebhooksCount").json() == {"count": 1}
        for text in "ab":
            client.post("sendMessage", chatId="12025550101@c.us", message=text)
        gateway.advance(0.6)
        first, second = gateway.sent()
        assert first["delivered_at"]
        assert not second["delivered_at"]


def test_option_goes_before_the_realistic_one() -> None:
    """A test that needs no delay of settings has none."""
    assert GreenApiEmulator.realistic(settings_delay=0.0).switch()["settings_delay"] == 0
