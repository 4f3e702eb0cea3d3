"""The emulator never logs a token, whatever happens."""

from __future__ import annotations

import logging
import socket
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_green_notify.emulator.faults import DETAILS

TOKEN = "5ecret token/5ecret"
OURS = ("airflow_green_notify", "aiohttp", "asyncio")


def leaks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages of the emulator's side in which the token stands."""
    formatter = logging.Formatter()
    texts = [formatter.format(record) for record in caplog.records if record.name.split(".")[0] in OURS]
    return [text for text in texts if TOKEN in text or quote(TOKEN, safe="") in text]


def send_raw(client: Any, data: bytes) -> None:
    """Send bytes that no HTTP library would."""
    with socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_token_is_in_no_log_whatever_is_asked(emulate: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, through every fault, wrong requests and broken HTTP, the token isn't logged."""
    caplog.set_level(logging.DEBUG)
    client = emulate(api_token=TOKEN)
    base = f"{client.gateway.url}/waInstance{client.gateway.id_instance}"
    token = quote(TOKEN, safe="")
    for kind in DETAILS:
        client.gateway.fault(kind, **{"status": {"status": 418}, "slow": {"seconds": 0.01}}.get(kind, {}))
        try:
            client.session.get(f"{base}/receiveNotification/{token}?receiveTimeout=0", timeout=20)
        except requests.RequestException:
            continue
    client.session.get(f"{base}/nothing/{token}")
    client.session.delete(f"{base}/deleteNotification/{token}/x")
    send_raw(client, f"GET /{token} HTTP/9.9\r\n\r\n".encode())
    send_raw(client, f"GET /{token * 1000} HTTP/1.1\r\n\r\n".encode())
    send_raw(client, f"POST /{token} HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort".encode())
    assert leaks(caplog) == []


def test_token_is_not_in_the_log_of_a_failure_of_the_emulator(
    emulate: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the emulator itself fail, its log says how, with the token left out."""
    client = emulate(api_token=TOKEN)

    def fail(method: str) -> None:
        raise RuntimeError(f"failed at /{TOKEN}/{quote(TOKEN, safe='')}")

    monkeypatch.setattr(client.gateway._instance.faults, "next", fail)
    token = quote(TOKEN, safe="")
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/getStateInstance/{token}"
    answer = client.session.get(url)
    assert answer.status_code == 500
    assert TOKEN not in answer.text
    assert "failed at /***/***" in caplog.text
    assert leaks(caplog) == []


def test_token_that_was_replaced_meanwhile_is_not_in_the_log_of_a_failure(
    emulate: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that came with it may still fail."""
    client = emulate(api_token=TOKEN)

    async def fail(seconds: float) -> None:
        client.gateway._instance.api_token = "another"
        raise RuntimeError(f"failed at /{TOKEN}/{quote(TOKEN, safe='')}")

    monkeypatch.setattr(client.gateway._instance.queue, "wait", fail)
    token = quote(TOKEN, safe="")
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/receiveNotification/{token}"
    assert client.session.get(url).status_code == 500
    assert "failed at /***/***" in caplog.text
    assert leaks(caplog) == []


def test_partner_token_is_not_in_the_log_of_a_failure(
    emulate: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is that of the partner."""
    client = emulate(partner_token=TOKEN)

    def fail(type_instance: str) -> None:
        raise RuntimeError(f"failed at /{TOKEN}/{quote(TOKEN, safe='')}")

    monkeypatch.setattr(client.gateway._gateway.doors["partner"], "_create", fail)
    url = f"{client.gateway.url}/partner/createInstance/{quote(TOKEN, safe='')}?x=1"
    assert client.session.post(url, json={}).status_code == 500
    assert "failed at /***/***" in caplog.text
    assert leaks(caplog) == []


def test_requests_log_has_no_token(emulate: Any) -> None:
    """Neither well-formed nor misplaced, the token stands in no record of a request."""
    client = emulate(api_token="5ecret")
    client.get("getStateInstance")
    client.session.get(f"{client.gateway.url}/waInstance{client.gateway.id_instance}/5ecret/getSettings")
    client.session.get(f"{client.gateway.url}/5ecret/5ecret/5ecret")
    assert "5ecret" not in str(client.gateway.requests())
