"""Section 1 of the contract: ReceiveNotification."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

DAY = 24 * 3600
EXAMPLES = [envelope["body"] for envelope in example_notifications()]


def held(client: Any, requests: int = 1) -> None:
    """Wait until so many requests are open."""
    deadline = time.monotonic() + 20
    while sum(request["status"] is None for request in client.gateway.requests()) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def later(pool: ThreadPoolExecutor, receive: Callable[..., Any], *arguments: Any) -> Future[Any]:
    return pool.submit(receive, *arguments)


def test_1_1_the_request_is_a_plain_get_of_the_documented_path(client: Any, body: Any) -> None:
    """Nothing but the request line is needed."""
    client.gateway.push(body())
    connection = HTTPConnection("127.0.0.1", client.gateway.port, timeout=20)
    path = f"/waInstance{client.gateway.id_instance}/receiveNotification/{client.gateway.api_token}"
    connection.request("GET", f"{path}?receiveTimeout=5")
    assert json.loads(connection.getresponse().read())["body"] == body()
    connection.close()


def test_1_1_receive_timeout_is_5_by_default_and_the_least_that_is_documented(client: Any) -> None:
    """With 5, with nothing, with no number, with no name: the poll is held for five seconds."""

    def seconds(query: str) -> float:
        began = time.monotonic()
        response = client.session.get(f"{client.url('receiveNotification')}{query}")
        assert (response.status_code, response.content) == (200, b"null")
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(seconds, ["", "?receiveTimeout=5", "?receiveTimeout=soon", "?5"]))
    assert all(4.9 < each < 8 for each in took)


@pytest.mark.parametrize("value", ["60", "61", "3600"])
def test_1_1_receive_timeout_up_to_60_and_beyond_is_held(client: Any, body: Any, value: str) -> None:
    """A poll of 60 s waits; inferred: so does one of more, for 60 s at most."""
    with ThreadPoolExecutor() as pool:
        answer = later(pool, client.receive, value)
        held(client)
        client.gateway.push(body())
        assert answer.result(20)["body"] == body()


@pytest.mark.parametrize("value", ["2", "0", "-1"])
def test_1_1_receive_timeout_below_5_is_tolerated(client: Any, body: Any, value: str) -> None:
    """Inferred: a value below 5, which a vendor's client sends, is no error."""
    client.gateway.push(body())
    assert client.get("receiveNotification", receiveTimeout=value).status_code == 200


@pytest.mark.parametrize("spelling", ["receiveNotification", "ReceiveNotification", "RECEIVENOTIFICATION"])
def test_1_1_the_method_name_is_found_in_any_case(client: Any, body: Any, spelling: str) -> None:
    """Inferred: the path is matched whatever the case of the method."""
    client.gateway.push(body())
    assert client.session.get(client.url(spelling)).json()["body"] == body()


def test_1_2_a_notification_comes_alone_in_its_envelope(client: Any, body: Any) -> None:
    """One notification per call, in an object of ``receiptId`` and ``body`` and nothing else."""
    client.gateway.push(body(1), body(2))
    response = client.get("receiveNotification")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    envelope = response.json()
    assert envelope.keys() == {"receiptId", "body"}
    assert type(envelope["receiptId"]) is int
    assert envelope["body"] == body(1)


@pytest.mark.parametrize(("idle", "wire"), [("null", b"null"), ("empty", b"")])
def test_1_2_an_empty_answer_is_null_or_zero_bytes(emulate: Any, idle: str, wire: bytes) -> None:
    """Both recorded wire forms are HTTP 200 and exactly these bytes."""
    response = emulate(idle=idle).get("receiveNotification", receiveTimeout=0)
    assert (response.status_code, response.content) == (200, wire)
    assert response.headers["Content-Length"] == str(len(wire))


def test_1_2_the_back_end_that_answers_null_sends_security_headers(emulate: Any) -> None:
    """The older back end has headers as Helmet sets them, and an ETag."""
    headers = emulate(idle="null").get("receiveNotification", receiveTimeout=0).headers
    assert {"ETag", "X-Content-Type-Options", "Strict-Transport-Security"} <= set(headers)


def test_1_2_the_back_end_that_answers_nothing_sends_bare_cors_headers(emulate: Any) -> None:
    """The newer back end has CORS headers and no ETag."""
    headers = emulate(idle="empty").get("receiveNotification", receiveTimeout=0).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" not in headers


def test_1_3_what_waits_comes_at_once(client: Any, body: Any) -> None:
    """A poll of 60 s on a queue that isn't empty isn't held."""
    client.gateway.push(body())
    began = time.monotonic()
    assert client.receive(60)["body"] == body()
    assert time.monotonic() - began < 5


def test_1_3_an_empty_queue_holds_the_poll_until_something_arrives(client: Any, body: Any) -> None:
    """What arrives during the poll ends it."""
    with ThreadPoolExecutor() as pool:
        answer = later(pool, client.receive, 60)
        held(client)
        assert not answer.done()
        client.gateway.push(body())
        assert answer.result(20)["body"] == body()


def test_1_3_with_all_notifications_off_the_poll_is_not_held(client: Any) -> None:
    """Recorded: an instance whose notifications are all off answers empty in milliseconds."""
    settings = client.get("getSettings").json()
    client.post("setSettings", **{name: "no" for name in settings if name.endswith("Webhook")})
    began = time.monotonic()
    assert client.receive(20) is None
    assert time.monotonic() - began < 5
    client.post("setSettings", incomingWebhook="yes")
    with ThreadPoolExecutor() as pool:
        answer = later(pool, client.receive, 20)
        held(client)
        client.gateway.push({"n": 1})
        assert answer.result(20)["body"] == {"n": 1}


def test_1_3_one_empty_answer_is_no_proof_of_an_empty_queue(client: Any, body: Any) -> None:
    """Reported: the method answered empty while the queue held notifications."""
    client.gateway.push(body())
    client.gateway.fault("status", status=200, body="null", method="receiveNotification")
    assert client.receive() is None
    assert client.receive()["body"] == body()


def test_1_4_what_waits_is_kept_for_24_hours(client: Any, body: Any) -> None:
    """A second before it is there, a second after it is not."""
    client.gateway.push(body())
    client.gateway.advance(DAY - 5)
    assert client.receive()["body"] == body()
    client.gateway.advance(6)
    assert client.receive() is None


def test_1_4_the_order_is_first_in_first_out(client: Any) -> None:
    """Every example comes out as it was, in the order in which it came in."""
    client.gateway.push(*EXAMPLES)
    assert client.drain() == EXAMPLES


def test_1_4_only_enabled_types_enter_the_queue(client: Any) -> None:
    """The setting at the time of the event decides, not the one at the time of the poll."""
    data = {"chatId": "12025550101@c.us", "message": "Hi"}
    client.post("setSettings", outgoingAPIMessageWebhook="no", outgoingWebhook="no")
    client.post("sendMessage", **data)
    client.post("setSettings", outgoingAPIMessageWebhook="yes")
    assert client.receive() is None
    client.post("sendMessage", **data)
    client.post("setSettings", outgoingAPIMessageWebhook="no")
    assert [body["typeWebhook"] for body in client.drain()] == ["outgoingAPIMessageReceived"]


@pytest.mark.parametrize("status", ["noAccount", "failed"])
def test_1_4_some_statuses_cannot_be_switched_off(client: Any, status: str) -> None:
    """With statuses off these two enter the queue all the same."""
    client.post("setSettings", outgoingWebhook="no")
    client.gateway.deliver_as(status)
    client.post("sendMessage", chatId="12025550101@c.us", message="Hi")
    assert [body["status"] for body in client.drain()] == [status]


def test_1_4_each_instance_has_one_queue(client: Any, body: Any) -> None:
    """What one instance got, another one doesn't show."""
    other = client.gateway.add_instance()
    client.gateway.push(body(1))
    other.push(body(2))
    assert client.drain() == [body(1)]
    client.instance = other
    assert client.drain() == [body(2)]


def test_1_5_without_a_delete_the_same_notification_is_shown_again(client: Any, body: Any) -> None:
    """Until the old one is deleted, each call shows that same old one."""
    client.gateway.push(body(1), body(2))
    assert [client.receive()["body"] for _ in range(3)] == [body(1)] * 3
    client.delete(client.receive()["receiptId"])
    assert client.receive()["body"] == body(2)


def test_1_6_the_receipt_id_is_a_small_counter_that_restarts(client: Any, body: Any) -> None:
    """Recorded: 1 after months; so an id from before a restart may name another notification."""
    client.gateway.push(body(1), body(2))
    first = client.receive()["receiptId"]
    assert first == 1
    client.delete(first)
    client.gateway.restart_receipts()
    assert client.receive() == {"receiptId": 1, "body": body(2)}


@pytest.mark.parametrize(("receipt_id", "same"), [("stable", True), ("new", False)])
def test_1_6_a_redelivery_has_the_same_receipt_id_or_a_new_one(
    emulate: Any, body: Any, receipt_id: str, same: bool
) -> None:
    """Inferred: nobody knows which of the two it is, so the emulator has both."""
    client = emulate(receipt_id=receipt_id)
    client.gateway.push(body())
    assert (client.receive()["receiptId"] == client.receive()["receiptId"]) is same


@pytest.mark.parametrize(("redelivery", "seen"), [("head", [1, 1]), ("split", [1, 2])])
def test_1_7_two_consumers_see_the_same_head_or_share_the_queue(
    emulate: Any, body: Any, redelivery: str, seen: list[int]
) -> None:
    """Inferred: sources disagree, so the emulator has both."""
    client = emulate(redelivery=redelivery, redelivery_after=60)
    client.gateway.push(body(1), body(2))
    assert [client.receive()["body"] for _ in range(2)] == [body(number) for number in seen]


def test_1_8_a_webhook_url_is_a_400_and_no_empty_answer(client: Any) -> None:
    """A set ``webhookUrl`` refuses the poll, also one of no length."""
    client.post("setSettings", webhookUrl="http://127.0.0.1:9/")
    response = client.get("receiveNotification", receiveTimeout=0)
    assert response.status_code == 400
    assert "custom webhook url is set" in response.text


def test_1_8_an_instance_without_authorization_is_refused(client: Any) -> None:
    """Inferred: the standard 400 of that state; one observer got an empty answer instead."""
    client.gateway.state("notAuthorized")
    response = client.get("receiveNotification", receiveTimeout=0)
    assert response.status_code == 400
    assert "instance is starting or not authorized" in response.text
