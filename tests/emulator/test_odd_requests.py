"""Requests of an odd form: the gateway's own refusal, never a failure of the emulator."""

from __future__ import annotations

import socket
from typing import Any

import pytest

CHAT = "12025550101@c.us"
PART = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
FILE = PART % (b"file", b'; filename="a.pdf"', b"content")
FORM = "multipart/form-data; boundary=b"


def is_refusal_of_the_gateway(answer: Any, statuses: tuple[int, ...] = (400,)) -> bool:
    """Whether the answer has the recorded form."""
    keys = ["statusCode", "timestamp", "path", "message"]
    return answer.status_code in statuses and list(answer.json()) == keys


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b""),
        (FORM, b"garbage"),
        (FORM, b"\r\n\r\n--"),
        (FORM, PART % (b"chatId", b"", CHAT.encode())),
        (FORM, PART % (b"chatId", b"", b"\xff\xfe") + FILE + b"--b--\r\n"),
        (FORM, PART % (b"chatId", b"\r\nContent-Type: text/plain; charset=nonsense", b"1") + b"--b--\r\n"),
        (FORM, PART % (b"chatId", b"\r\nContent-Transfer-Encoding: base64", b"=x=") + b"--b--\r\n"),
        (FORM, PART % (b"chatId", b"\r\nContent-Encoding: gzip", b"no gzip") + b"--b--\r\n"),
        (FORM, PART % (b"chatId", b"", CHAT.encode()) + FILE[:-20]),
        (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"),
        (FORM, b"--b\r\nContent-Type: multipart/mixed\r\n\r\n--c--\r\n--b--\r\n"),
        (FORM, b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"--b\r\n" + b"X" * 20_000 + b": y\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=other", FILE + b"--b--\r\n"),
        ("multipart/form-data", FILE + b"--b--\r\n"),
        ("multipart/form-data; boundary=", FILE + b"--b--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 100, FILE + b"--b--\r\n"),
        ("multipart/", FILE),
        ("application/x-www-form-urlencoded", b"chatId=1"),
        ("application/json", b"{}"),
        ("nonsense", b""),
    ],
)
def test_odd_form_is_refused_as_by_the_gateway(client: Any, content_type: str, body: bytes) -> None:
    """Empty, garbage, cut off, without a boundary or with a wrong one, not UTF-8."""
    headers = {"Content-Type": content_type}
    answer = client.session.post(client.url("sendFileByUpload"), data=body, headers=headers)
    assert is_refusal_of_the_gateway(answer, (400, 500)), answer.text
    assert client.gateway.sent() == []


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "//", "http://a:b", "\x00", "é", "x" * 5000])
def test_odd_url_of_a_file_is_taken_or_refused(client: Any, url: str) -> None:
    """The emulator fetches nothing, so it needs to understand no URL that isn't its own."""
    answer = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="a.pdf")
    assert answer.status_code == 200 or is_refusal_of_the_gateway(answer)


def test_odd_url_in_a_notification_is_no_obstacle(client: Any) -> None:
    """Neither for the push nor for a fresh link."""
    body = client.gateway.media_message("a.jpg", 1)
    body["messageData"]["fileMessageData"]["downloadUrl"] = "http://["
    body["idMessage"] = "3EB0C767D26A1D7F21C2"
    client.gateway.push(body)
    answer = client.post("downloadFile", chatId=body["senderData"]["chatId"], idMessage=body["idMessage"])
    assert answer.status_code == 200 or is_refusal_of_the_gateway(answer)


@pytest.mark.parametrize("id_message", [[], {}, 1, None, True, "x"])
@pytest.mark.parametrize("journal", ["lastIncomingMessages", "lastOutgoingMessages", "getChatHistory"])
def test_journal_after_an_odd_status_is_answered(client: Any, id_message: Any, journal: str) -> None:
    """A status whose ``idMessage`` is anything."""
    for kind in ("outgoingMessageStatus", "outgoingMessageReceived", "incomingMessageReceived"):
        client.gateway.push({"typeWebhook": kind, "idMessage": id_message, "status": id_message})
        client.gateway.push({"typeWebhook": kind, "chatId": id_message, "senderData": {"chatId": id_message}})
    if journal == "getChatHistory":
        assert client.post(journal, chatId=CHAT).status_code == 200
    else:
        assert client.get(journal).status_code == 200


@pytest.mark.parametrize("minutes", ["", "x", "-1", "1e3", "NaN", "²", "9" * 400, "9" * 5000, "%ff"])
@pytest.mark.parametrize("journal", ["lastIncomingMessages", "lastOutgoingMessages"])
def test_odd_minutes_of_a_journal_are_answered(client: Any, journal: str, minutes: str) -> None:
    """As its default, or as what they can mean."""
    assert client.session.get(f"{client.url(journal)}?minutes={minutes}").status_code in (200, 400)


@pytest.mark.parametrize("method", ["sendMessage", "sendFileByUrl", "downloadFile", "setSettings"])
@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": ' * 5_000 + b"1" + b"}" * 5_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"chatId": ' + b"9" * 10_000 + b"}",
        b'{"chatId": 1e999, "message": -0}',
        b'{"\\ud800": "\\udfff"}',
        b"\x00",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda payload: payload[:12].decode("latin-1").encode("unicode_escape").decode(),
)
def test_odd_json_is_refused_as_by_the_gateway(client: Any, method: str, payload: bytes) -> None:
    """Deep, huge numbers, lone surrogates, a byte order mark."""
    assert is_refusal_of_the_gateway(client.session.post(client.url(method), data=payload))


def ask_raw(client: Any, request: bytes) -> bytes:
    """Send bytes as they are, and read until the emulator closes."""
    with socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize("size", [b"5", b"zz", b"-1", b"FFFFFFFFFFFFFFFFFFFF"])
def test_broken_chunks_are_refused(client: Any, size: bytes) -> None:
    """A body whose end never comes, or whose sizes are no numbers."""
    path = client.url("sendMessage").removeprefix(client.gateway.url).encode()
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    answer = ask_raw(client, head + size + b"\r\n{}")
    assert b"emulator failed" not in answer
    assert client.get("getStateInstance").status_code == 200
