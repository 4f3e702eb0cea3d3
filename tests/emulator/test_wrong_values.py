"""Wrong values are refused with words, over HTTP and in Python alike, and change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import GreenApiEmulator

NAN = float("nan")
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("advance", {"seconds": NAN}),
    ("advance", {"seconds": float("inf")}),
    ("advance", {"seconds": -1}),
    ("advance", {"seconds": "60"}),
    ("advance", {"seconds": True}),
    ("advance", {"seconds": 10**400}),
    ("switch", {"round_trip": "abc"}),
    ("switch", {"round_trip": -1}),
    ("switch", {"round_trip": NAN}),
    ("switch", {"redelivery_after": None}),
    ("switch", {"rate_limits": "no"}),
    ("switch", {"rate_limits": 0}),
    ("switch", {"quota_chats": -1}),
    ("switch", {"quota_chats": 1.5}),
    ("switch", {"idle": ["null"]}),
    ("switch", {"contact_ids_change_after": None}),
    ("settings", {"incomingWebhook": True}),
    ("settings", {"incomingWebhook": "maybe"}),
    ("settings", {"webhookUrl": 1}),
    ("settings", {"wid": None}),
    ("settings", {"delaySendMessagesMilliseconds": 100}),
    ("settings", {"autoTyping": "x"}),
    ("settings", {"noSuchSetting": "yes"}),
    ("state", {"value": "no state"}),
    ("state", {"value": ["authorized"]}),
    ("fault", {"kind": "status", "status": "abc"}),
    ("fault", {"kind": "status", "status": 99}),
    ("fault", {"kind": "status", "status": 200, "body": {}}),
    ("fault", {"kind": "status", "status": 200, "headers": {"a": 1}}),
    ("fault", {"kind": "status", "status": 200, "headers": {"A": "b\r\nSet-Cookie: x"}}),
    ("fault", {"kind": "slow", "seconds": -1}),
    ("fault", {"kind": "slow", "effect": "never"}),
    ("fault", {"kind": "502", "times": "all"}),
    ("fault", {"kind": "502", "times": 0}),
    ("fault", {"kind": "502", "after": -1}),
    ("fault", {"kind": "502", "method": 5}),
    ("fault", {"kind": ["502"]}),
    ("faults_at_random", {"seed": 1, "probabilities": []}),
    ("faults_at_random", {"seed": 1, "probabilities": {"502": -1}}),
    ("faults_at_random", {"seed": 1, "probabilities": {"502": NAN}}),
    ("faults_at_random", {"seed": "x", "probabilities": {}}),
    ("reply", {"pattern": "(", "text": "yes"}),
    ("reply", {"pattern": "a" * 1001, "text": "yes"}),
    ("reply", {"pattern": "a", "text": 1}),
    ("reply", {"pattern": "a", "text": "yes", "delay": -1}),
    ("reply", {"pattern": "a", "text": "yes", "quoted": "no"}),
    ("reply", {"pattern": "a", "text": "yes", "chat_id": 7}),
    ("media", {"name": "a.pdf", "size": 10**12}),
    ("media", {"name": "a.pdf", "size": -1}),
    ("media", {"name": "a.pdf", "size": 1.5}),
    ("media", {"name": 1, "size": 1}),
    ("media", {"name": "a.pdf", "size": 1, "expires_after": NAN}),
    ("media_message", {"name": "a.pdf", "size": 1, "chat_id": 1}),
    ("media_message", {"name": "a.pdf", "size": 1, "caption": None}),
    ("media_message", {"name": "a.pdf", "size": 1, "mime_type": 1}),
    ("media_sha256", {"url": 5}),
    ("push_traffic", {"n": -1}),
    ("push_traffic", {"n": 10**9}),
    ("push_traffic", {"n": "many"}),
    ("push_traffic", {"seed": [1]}),
    ("add_instance", {"id_instance": 5}),
    ("add_instance", {"id_instance": "²"}),
    ("add_instance", {"id_instance": "1" * 21}),
    ("add_instance", {"api_token": 5}),
    ("add_instance", {"api_token": "a\nb"}),
    ("add_instance", {"type_instance": "signal"}),
    ("add_instance", {"type_instance": ["whatsapp"]}),
    ("add_instance", {"round_trip": -1}),
]
WRONG_CALLS: list[tuple[str, bytes]] = [
    ("advance", b"1"),
    ("advance", b"null"),
    ("advance", b"[]"),
    ("advance", b""),
    ("advance", b"{}"),
    ("advance", b'{"seconds": 1, "minutes": 1}'),
    ("advance", b'{"self": 1}'),
    ("advance", b"[" * 100_000),
    ("clear_faults", b'{"kind": "502"}'),
    ("deliver_as", b'{"statuses": "read"}'),
    ("deliver_as", b'{"statuses": {"read": 1}}'),
    ("deliver_as", b'{"statuses": ["delivred"]}'),
    ("deliver_as", b'{"statuses": [1]}'),
    ("deliver_as", b'{"statuses": ["read"], "chat_id": 1}'),
    ("push", b"[1, 2]"),
    ("push", b"NaN"),
    ("push", b'{"a": [{"b": Infinity}]}'),
    ("push", b'{"n": 1}\n{"n": NaN}'),
    ("push", b"[" * 100_000),
    ("push", b"{} x"),
]


def told(client: Any, name: str, body: bytes) -> requests.Response:
    """Send something to the control plane."""
    url = f"{client.gateway.url}/_emulator/{name}"
    return requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=30)


def everything(gateway: GreenApiEmulator) -> Any:
    """What a call could have changed."""
    return gateway.switch(), gateway.settings(), gateway.queue(), len(gateway.instances)


@pytest.mark.parametrize(("name", "arguments"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_value_is_refused_over_http(client: Any, name: str, arguments: dict[str, Any]) -> None:
    """With 400 and words, and without a failure of the emulator."""
    before = everything(client.gateway)
    answer = told(client, name, json.dumps(arguments).encode())
    assert answer.status_code == 400
    assert answer.text
    assert "Traceback" not in answer.text
    assert everything(client.gateway) == before
    assert client.get("getStateInstance").json() == {"stateInstance": "authorized"}


@pytest.mark.parametrize(("name", "arguments"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_value_is_refused_in_python(name: str, arguments: dict[str, Any]) -> None:
    """As over HTTP: one place checks both."""
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        getattr(GreenApiEmulator(), name)(**arguments)


@pytest.mark.parametrize(("name", "body"), WRONG_CALLS, ids=lambda value: str(value)[:60])
def test_call_of_a_wrong_form_is_refused_over_http(client: Any, name: str, body: bytes) -> None:
    """Arguments that are missing, too many, or no object at all, and what is no notification."""
    before = everything(client.gateway)
    answer = told(client, name, body)
    assert answer.status_code == 400
    assert answer.text
    assert "Traceback" not in answer.text
    assert everything(client.gateway) == before


@pytest.mark.parametrize(
    "body",
    [[1, 2], (1,), NAN, {"a": NAN}, {1, 2}, b"x", {"a": object()}],
    ids=lambda body: type(body).__name__,
)
def test_push_of_what_is_no_notification_is_refused_in_python(body: Any) -> None:
    """And nothing of the same call is pushed."""
    gateway = GreenApiEmulator()
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        gateway.push({"n": 1}, body)
    assert gateway.audit() == []


def test_body_that_is_a_list_can_be_pushed_in_an_envelope(client: Any) -> None:
    """What the gateway could send can still be tried."""
    client.gateway.push({"receiptId": 1, "body": [1, 2]})
    assert client.receive()["body"] == [1, 2]


def test_value_in_an_error_is_short(client: Any) -> None:
    """However long the wrong value was."""
    answer = client.control("state", value="x" * 10_000)
    assert answer.status_code == 400
    assert len(answer.text) < 1000


def test_token_that_is_refused_is_not_repeated() -> None:
    """It is a secret even so."""
    with pytest.raises(ValueError, match="api_token") as caught:
        GreenApiEmulator(api_token="5ecret\n")
    assert "5ecret" not in str(caught.value)


def test_clock_stays_where_dates_can_be_written(client: Any) -> None:
    """However often it is moved."""
    year = 365 * 86_400
    for _ in range(100):
        client.gateway.advance(10 * year)
    with pytest.raises(ValueError, match="clock"):
        client.gateway.advance(10 * year)
    assert client.post("sendMessage").status_code == 400


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "((a*)b?)*", "(?:x[)]*)*", "(.*a){1,}", r"(\(*)*", "(a{2,})+"]
)
def test_pattern_that_may_take_for_ever_is_refused(client: Any, pattern: str) -> None:
    """It would stop the emulator for good, on a message that is made for it."""
    answer = client.control("reply", pattern=pattern, text="yes")
    assert answer.status_code == 400
    assert "for ever" in answer.text


@pytest.mark.parametrize(
    "pattern",
    [
        "Deploy",
        "^(yes|no)$",
        r"(\d{3}-){2}\d+",
        "(a+)b",
        "[(+]+",
        r"\(a+\)+",
        "(?i)re: .*",
        "(ab)+",
        "a|b+",
        "",
    ],
)
def test_pattern_that_ends_is_taken(client: Any, pattern: str) -> None:
    """Groups and repetitions are fine, one within the other isn't."""
    assert client.control("reply", pattern=pattern, text="yes").status_code == 200
