"""The bodies of refusals: JSON of four keys with the path in it, or a form of their own."""

from __future__ import annotations

import gzip
import re
import time
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

CHAT = "12025550101@c.us"


def message_of(client: Any, response: Any, status: int) -> str:
    """The message of a refusal in the recorded form, whose other three keys are checked."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    body = response.json()
    assert list(body) == ["statusCode", "timestamp", "path", "message"]
    assert body["statusCode"] == status
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert abs(datetime.fromisoformat(body["timestamp"]).timestamp() - time.time()) < 60
    path = response.request.url.removeprefix(client.gateway.url).partition("?")[0]
    assert body["path"] == path
    return body["message"]


@pytest.mark.parametrize("prefix", ["", "/v3"])
def test_unknown_method_is_404_in_json_that_repeats_the_path_twice(client: Any, prefix: str) -> None:
    """So the token stands in it twice, and a client must not log it."""
    url = client.url("noSuchMethod", prefix=prefix)
    response = client.session.get(url)
    path = url.removeprefix(client.gateway.url)
    assert message_of(client, response, 404) == f"Cannot GET {path}"
    assert response.text.count(client.gateway.api_token) == 2


def test_wrong_verb_is_404_in_json(client: Any) -> None:
    """As a GET on deleteNotification was answered."""
    response = client.session.get(client.url("deleteNotification", 1))
    path = f"/waInstance{client.gateway.id_instance}/deleteNotification/{client.gateway.api_token}/1"
    assert message_of(client, response, 404) == f"Cannot GET {path}"


@pytest.mark.parametrize(
    ("receipt_id", "words"),
    [
        ("abc", "Parameter receiptId must be a Number!"),
        ("7", "Cannot read properties of undefined (reading 'findUnAckedMessage')"),
    ],
)
def test_500_of_a_delete_is_json(emulate: Any, receipt_id: str, words: str) -> None:
    """Both documented texts come in the form of the other errors."""
    client = emulate(missing_receipt="500")
    assert message_of(client, client.delete(receipt_id), 500) == words


def test_failure_by_script_is_json(client: Any) -> None:
    """A 500 that a test scripts looks like the gateway's own, before and after the effect."""
    for kind in ("500", "500_after"):
        client.gateway.fault(kind)
        assert message_of(client, client.get("getSettings"), 500) == "Internal Server Error"


def test_path_stays_as_it_was_sent(emulate: Any) -> None:
    """Percent-encoded where the client encoded it."""
    client = emulate(api_token="a b/c")
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/sendMessage/a%20b%2Fc"
    body = client.session.post(url, json={}).json()
    assert body["path"] == url.removeprefix(client.gateway.url)


def test_time_of_an_error_is_the_gateways(client: Any) -> None:
    """It follows the clock that a test moves."""
    client.gateway.advance(86400)
    stamp = datetime.fromisoformat(client.post("sendMessage").json()["timestamp"])
    assert stamp.timestamp() - time.time() == pytest.approx(86400, abs=60)


def test_refusal_of_account_and_queue_is_plain_text(client: Any) -> None:
    """Only the words of these are known, no JSON around them."""
    client.gateway.settings(webhookUrl="http://127.0.0.1:9/hook")
    refused = client.get("receiveNotification")
    client.gateway.state("starting")
    starting = client.get("getSettings")
    for response in (refused, starting):
        assert response.status_code == 400
        assert response.headers["Content-Type"].startswith("text/plain")
        assert client.gateway.api_token not in response.text


@pytest.mark.parametrize(
    ("chat_id", "words"),
    [
        ("", "'chatId' is not allowed to be empty"),
        (None, "'chatId' must be a string"),
        (7, "'chatId' must be a string"),
        ("Anna", "formats"),
        ("12025550101", "formats"),
        ("+12025550101@c.us", "formats"),
        ("12025550101@c.us ", "formats"),
        ("-100200300", "formats"),
        ("120363000000000000@newsletter", "formats"),
        ("a@g.us", "formats"),
    ],
)
def test_chat_id_that_is_none_is_refused_on_whatsapp(client: Any, chat_id: Any, words: str) -> None:
    """A Dag with a wrong chat fails its test as it would fail on the real gateway."""
    expected = (
        "'chatId' must be one of the next formats: 'phone_number@c.us', 'chat_id@lid' or 'group_id@g.us'"
        if words == "formats"
        else words
    )
    response = client.post("sendMessage", chatId=chat_id, message="a")
    assert message_of(client, response, 400) == f"Validation failed. Details: {expected}"
    assert client.gateway.sent() == []


@pytest.mark.parametrize(
    "chat_id", [CHAT, "200000000000042@lid", "120363025550000042@g.us", "12025550101-1588888888@g.us"]
)
def test_chat_id_of_each_form_is_taken_on_whatsapp(client: Any, chat_id: str) -> None:
    """A phone, a LID, and both forms of a group."""
    assert client.post("sendMessage", chatId=chat_id, message="a").status_code == 200


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_chat_id_on_telegram_and_max_is_a_number_or_a_phone(emulate: Any, type_instance: str) -> None:
    """A group's is negative; the form of the refusal is inferred from WhatsApp's."""
    client = emulate(type_instance=type_instance)
    for chat_id in ("10000042", "-1001234567890", "79990000000@c.us"):
        assert client.post("sendMessage", chatId=chat_id, message="a").status_code == 200
    for chat_id in ("anna", "120363025550000042@g.us", "200000000000042@lid"):
        response = client.post("sendMessage", chatId=chat_id, message="a")
        assert message_of(client, response, 400) == (
            "Validation failed. Details: 'chatId' must be one of the next formats: "
            "'phone_number@c.us' or 'chatId'"
        )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "'chatId' is required"),
        ({"chatId": CHAT}, "'message' is required"),
        ({"chatId": CHAT, "message": ""}, "'message' is not allowed to be empty"),
        ({"chatId": CHAT, "message": None}, "'message' must be a string"),
        (
            {"chatId": CHAT, "message": "a", "quotedMessageId": "Q1"},
            "'message id' must be at least 16 symbols",
        ),
        ({"chatId": CHAT, "message": "a", "quotedMessageId": 5}, "'quotedMessageId' must be a string"),
        ({"chatId": CHAT, "message": "a", "linkPreview": "test"}, "'linkPreview' must be a boolean"),
    ],
)
def test_argument_of_a_message_is_refused_in_the_recorded_words(client: Any, data: Any, words: str) -> None:
    """What is missing, of the wrong type or too short."""
    response = client.post("sendMessage", **data)
    assert message_of(client, response, 400) == f"Validation failed. Details: {words}"
    assert client.gateway.sent() == []


def test_quoted_id_is_short_on_the_other_products(emulate: Any) -> None:
    """Telegram's message ids are numbers of ten digits (inferred: the limit is recorded on WhatsApp)."""
    client = emulate(type_instance="telegram")
    answer = client.post("sendMessage", chatId="10000042", message="a", quotedMessageId="5242880000")
    assert answer.status_code == 200


@pytest.mark.parametrize(("type_instance", "limit"), [("whatsapp", 20000), ("telegram", 4096), ("v3", 4000)])
def test_emoji_counts_two_towards_the_length(emulate: Any, type_instance: str, limit: int) -> None:
    """The gateway counts in UTF-16, as JavaScript does."""
    client = emulate(type_instance=type_instance)
    chat = "10000042" if type_instance != "whatsapp" else CHAT

    def send(message: str) -> Any:
        data = f'{{"chatId": "{chat}", "message": "{message}"}}'.encode()
        return client.session.post(client.url("sendMessage"), data=data)

    assert send("😀" * (limit // 2)).status_code == 200
    assert message_of(client, send("😀" * (limit // 2) + "a"), 400) == (
        f"Validation failed. Details: 'message' length must be less than or equal to {limit} characters long"
    )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "Unexpected end of JSON input"),
        (b'{"chatId": "a', "Unexpected end of JSON input"),
        (b'{"chatId": ', "Unexpected end of JSON input"),
        (b"{,", "Unexpected token , in JSON at position 1"),
        (b'{"a": 1} x', "Unexpected token x in JSON at position 9"),
        (b'{"a": NaN}', "Unexpected token N in JSON at position 6"),
        (b"\xff\xfe", "Unexpected token \ufffd in JSON at position 0"),
        (b'"text"', "bad request data"),
        (b"[1]", "bad request data"),
        (b"null", "bad request data"),
        (b"[" * 100_000, "bad request data"),
    ],
)
def test_body_that_is_no_json_object_is_refused_in_json(client: Any, payload: bytes, words: str) -> None:
    """The words are those of JavaScript's parser, with the character in its place."""
    response = client.session.post(client.url("sendMessage"), data=payload)
    assert message_of(client, response, 400) == words


def test_json_above_100_kb_is_refused(client: Any) -> None:
    """With 500, whatever stands in it; one of exactly that size is read."""
    size = 100 * 1024
    frame = f'{{"chatId": "{CHAT}", "message": "a"}}'.encode()
    fitting = client.session.post(client.url("sendMessage"), data=frame + b" " * (size - len(frame)))
    assert fitting.status_code == 200
    response = client.session.post(client.url("sendMessage"), data=frame + b" " * (size - len(frame) + 1))
    assert message_of(client, response, 500) == "request entity too large"
    assert len(client.gateway.sent()) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x"])
@pytest.mark.parametrize("body", [b'{"a": 1}', b"{}", b"\xff\xfe", gzip.compress(b"{}", mtime=0)[:-1], b""])
def test_body_that_only_claims_to_be_compressed_is_refused(client: Any, encoding: str, body: bytes) -> None:
    """With 400 of the gateway's form, not with a failure of the emulator (the words are inferred)."""
    headers = {"Content-Encoding": encoding}
    response = client.session.post(client.url("sendMessage"), data=body, headers=headers)
    assert message_of(client, response, 400)
    answer = client.session.post(client.url("uploadFile"), data=body, headers=headers)
    assert client.session.get(answer.json()["urlFile"]).content == body


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_body_is_read(client: Any, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """As by any server on Express; the limit is that of the body without it."""
    url, headers = client.url("sendMessage"), {"Content-Encoding": encoding}
    body = f'{{"chatId": "{CHAT}", "message": "a"}}'.encode()
    assert client.session.post(url, data=pack(body), headers=headers).status_code == 200
    response = client.session.post(url, data=pack(body + b" " * 10_000_000), headers=headers)
    assert message_of(client, response, 500) == "request entity too large"
