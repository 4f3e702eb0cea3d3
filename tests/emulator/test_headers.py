"""The headers around the answers, and those of the request that want one."""

from __future__ import annotations

import base64
import hashlib
import socket
from typing import Any

import pytest


def test_back_end_that_answers_null_has_security_headers_and_an_etag(client: Any) -> None:
    """As Helmet and Express set them."""
    answer = client.get("receiveNotification", receiveTimeout=0)
    digest = base64.b64encode(hashlib.sha1(b"null", usedforsecurity=False).digest()).decode().rstrip("=")
    assert answer.headers["ETag"] == f'W/"4-{digest}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" in answer.headers


def test_back_end_that_answers_nothing_has_cors_headers_alone(emulate: Any) -> None:
    """And neither ETag nor security headers."""
    answer = emulate(idle="empty").get("receiveNotification", receiveTimeout=0)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Expose-Headers"] == "*"
    assert not {"ETag", "X-Content-Type-Options", "Strict-Transport-Security"} & set(answer.headers)


def test_preflight_of_a_method_is_answered(client: Any) -> None:
    """A page that knows a token may call the gateway."""
    answer = client.session.options(client.url("sendMessage"), headers={"Origin": "https://shop.example"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_head_is_answered_as_get_without_a_body(client: Any) -> None:
    """As by any server on Express."""
    answer = client.session.head(client.url("getStateInstance"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(b'{"stateInstance":"authorized"}'))
    assert client.session.head(client.url("sendMessage")).status_code == 404


@pytest.mark.parametrize("method", ["sendMessage", "uploadFile"])
def test_client_that_waits_for_leave_to_send_gets_it(client: Any, method: str) -> None:
    """As curl does before a large body; else it would wait a second."""
    path = client.url(method).removeprefix(client.gateway.url)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")


def test_control_plane_has_no_cors_headers(client: Any) -> None:
    """No page elsewhere is to read it."""
    answer = client.session.get(f"{client.gateway.url}/_emulator/instances")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
