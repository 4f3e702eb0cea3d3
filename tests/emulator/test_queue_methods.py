"""Receiving, deleting, counting and clearing, as the vendor documents them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

ODD_BODIES = [
    {},
    {"typeWebhook": "somethingNew"},
    {"typeWebhook": 7, "senderData": [], "messageData": "text", "timestamp": "never"},
    {"text": "a\u0000b"},
    {"text": "lone \ud83d surrogate"},
    {"text": "'; DROP TABLE x; -- ../../etc/passwd {{ ti.xcom_pull() }} \u2028 é 漢"},
    {"text": "x" * 5_000_000},
    [],
    "only text",
    None,
]


def held(client: Any) -> bool:
    """Whether the last request is still without an answer."""
    return client.gateway.requests()[-1]["status"] is None


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that will come."""
    while not condition():
        time.sleep(0.01)


@pytest.mark.parametrize("odd", ODD_BODIES, ids=lambda odd: str(odd)[:20].encode("ascii", "replace").decode())
def test_receive_of_an_odd_body_passes_it_unharmed(client: Any, odd: Any) -> None:
    """Whatever was pushed comes over the wire as it was, and is audited as it was."""
    client.gateway.push({"receiptId": 0, "body": odd})
    assert client.receive()["body"] == odd
    assert client.gateway.audit()[0]["body"] == odd
    assert client.gateway.queue() == [odd]


def test_lone_surrogates_are_escaped_on_the_wire(client: Any) -> None:
    """The answer is plain ASCII, so that a lone surrogate can be in it at all."""
    client.gateway.push({"text": "\ud83d"})
    assert b'"\\ud83d"' in client.get("receiveNotification").content


def test_receive_in_parallel_shows_the_head_to_both(client: Any, body: Any) -> None:
    """In head mode two consumers who wait both see the notification that comes."""
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(client.receive, 60) for _ in range(2)]
        wait_until(lambda: len(client.gateway.requests()) == 2)
        client.gateway.push(body())
        assert [answer.result(timeout=20)["body"] for answer in answers] == [body(), body()]
    assert client.gateway.audit()[0]["deliveries"] == 2


@pytest.mark.parametrize("receive_timeout", ["-5", "0", "0.01", "-inf", "nan"])
def test_receive_timeout_below_the_documented_is_honoured(client: Any, receive_timeout: str) -> None:
    """Fractions and values below 5 are taken as they are; negative ones are none."""
    assert client.get("receiveNotification", receiveTimeout=receive_timeout).content == b"null"


@pytest.mark.parametrize("receive_timeout", ["61", "1e9", "inf", "soon", ""])
def test_receive_timeout_that_is_no_sensible_number_is_tolerated(
    client: Any, body: Any, receive_timeout: str
) -> None:
    """No value makes the gateway refuse, and none makes it answer empty at once."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.receive, receive_timeout)
        wait_until(lambda: bool(client.gateway.requests()) and held(client))
        client.gateway.push(body())
        assert answer.result(timeout=20)["body"] == body()


def test_receive_with_instant_empty_answers_at_once(emulate: Any) -> None:
    """The switch makes empty answers come at once, whatever the timeout says."""
    client = emulate(instant_empty=True)
    assert client.session.get(client.url("receiveNotification") + "?receiveTimeout=60", timeout=20).ok


@pytest.mark.parametrize(
    "receipt_id", ["1.0", "1e0", "10e-1", "0x1", "0b1", "+1", "01", "%201", "1%0A", "%C2%A01", ".1e1"]
)
def test_delete_reads_the_receipt_as_javascript_does(client: Any, body: Any, receipt_id: str) -> None:
    """Whatever ``Number()`` takes for 1 is 1."""
    client.gateway.push(body())
    client.receive()
    assert client.delete(receipt_id).json()["result"] is True


@pytest.mark.parametrize(
    "receipt_id", ["1.5", "-1", "0", "%20", "Infinity", "9" * 5000, "1e999", "0x" + "f" * 400]
)
def test_delete_of_a_number_that_is_no_receipt_answers_false(client: Any, body: Any, receipt_id: str) -> None:
    """It is a number, so the gateway looks for it."""
    client.gateway.push(body())
    client.receive()
    assert client.delete(receipt_id).json()["result"] is False
    assert client.gateway.queue() == [body()]


@pytest.mark.parametrize(
    "receipt_id", ["abc", "", "1_0", "%D9%A1", "0x", "+0x1", "1e", ".", "--1", "infinity", "1 1"]
)
def test_delete_with_a_receipt_that_is_no_number_answers_500(client: Any, body: Any, receipt_id: str) -> None:
    """A receipt id that is no integer is an internal error of the gateway and deletes nothing."""
    client.gateway.push(body())
    client.receive()
    answer = client.delete(receipt_id)
    assert answer.status_code == 500
    assert answer.json()["message"] == "Parameter receiptId must be a Number!"
    assert client.gateway.queue() == [body()]


def test_delete_before_any_receive_deletes_nothing(client: Any, body: Any) -> None:
    """A receipt id means nothing unless it was handed out."""
    client.gateway.push(body())
    assert client.delete(1).json()["result"] is False
    assert client.gateway.queue() == [body()]


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_clear_webhooks_queue_removes_all_that_waits(client: Any, body: Any, verb: str) -> None:
    """Both verbs clear; the audit tells cleared from deleted."""
    client.gateway.push(body(1), body(2))
    receipt_id = client.receive()["receiptId"]
    answer = client.session.request(verb, client.url("clearWebhooksQueue"))
    assert answer.json() == {"isCleared": True, "reason": ""}
    assert client.receive() is None
    assert client.delete(receipt_id).json()["result"] is False
    assert all(item["cleared_at"] and not item["deleted_at"] for item in client.gateway.audit())
