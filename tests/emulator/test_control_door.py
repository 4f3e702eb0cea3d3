"""Who may command the emulator: programs and pages of this machine."""

from __future__ import annotations

from typing import Any

import pytest
import requests


def ask(client: Any, **headers: str) -> requests.Response:
    """Read from the control plane with some headers."""
    return requests.get(f"{client.gateway.url}/_emulator/instances", headers=headers, timeout=20)


def push(client: Any, **headers: str | None) -> requests.Response:
    """Push a notification with some headers."""
    url = f"{client.gateway.url}/_emulator/push"
    sent = {"Content-Type": "application/json", **headers}
    return requests.post(url, data=b"{}", headers=sent, timeout=20)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("port", ["", ":1", ":18090"])
def test_host_of_this_machine_is_let_in(client: Any, host: str, port: str) -> None:
    """By each of its names, with any port: it may be forwarded."""
    assert ask(client, Host=host + port).status_code == 200
    assert push(client, Host=host + port).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:18090",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@127.0.0.1.nip.io",
        "192.168.0.1",
        "0.0.0.0",  # noqa: S104
        "[::2]",
        "[::1",
        "localhost:x",
        "",
    ],
)
def test_host_that_was_made_to_lead_here_is_refused(client: Any, host: str) -> None:
    """A page whose name turned to 127.0.0.1 reads no token and commands nothing."""
    for answer in (ask(client, Host=host), push(client, Host=host)):
        assert answer.status_code in (400, 403)
        assert answer.text
        assert client.gateway.api_token not in answer.text
    assert client.gateway.queue() == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://", "", "x"]
)
def test_page_of_another_origin_is_refused(client: Any, origin: str) -> None:
    """Whatever else it sends."""
    for answer in (ask(client, Origin=origin), push(client, Origin=origin)):
        assert answer.status_code == 403
        assert "Origin" in answer.text
    assert client.gateway.queue() == []


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:18090", "https://[::1]:8443"])
def test_page_of_this_machine_is_let_in(client: Any, origin: str) -> None:
    """A developer's own page may use it."""
    assert push(client, Origin=origin, **{"Sec-Fetch-Site": "same-site"}).status_code == 200


def test_request_that_a_foreign_page_causes_is_refused(client: Any) -> None:
    """A picture or a link on it sends no Origin, but the browser tells of the site."""
    answer = ask(client, **{"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, client.gateway.api_token in answer.text) == (403, False)
    assert push(client, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert ask(client, **{"Sec-Fetch-Site": "none"}).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", None],
)
def test_body_that_a_form_could_send_is_refused(client: Any, content_type: str | None) -> None:
    """A page may send these to anybody, without asking first."""
    answer = push(client, **{"Content-Type": content_type})
    assert answer.status_code == 415
    assert "application/json" in answer.text
    assert client.gateway.queue() == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/x-ndjson"])
def test_both_types_of_json_are_taken(client: Any, content_type: str) -> None:
    """With parameters or without."""
    assert push(client, **{"Content-Type": content_type}).json() == {"pushed": 1}


def test_preflight_allows_nothing(client: Any) -> None:
    """A browser that asks whether it may is not told so."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = requests.options(f"{client.gateway.url}/_emulator/push", headers=headers, timeout=20)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
