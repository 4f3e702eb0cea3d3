"""The filter: match, miss or error."""

from __future__ import annotations

import json
import logging
import pickle
import time
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.filters import NotificationFilter, Verdict, judge
from airflow_green_notify.notification import Notification

TEXT = Notification(
    1,
    {
        "typeWebhook": "incomingMessageReceived",
        "senderData": {"chatId": "120363@g.us", "sender": "79001234567@c.us"},
        "messageData": {
            "typeMessage": "quotedMessage",
            "extendedTextMessageData": {"text": "Yes, approve!", "stanzaId": "BAE5"},
            "quotedMessage": {"stanzaId": "BAE5"},
        },
    },
)


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({}, Verdict.MATCH),
        ({"type_webhook": "incomingMessageReceived"}, Verdict.MATCH),
        ({"type_webhook": "incomingmessagereceived"}, Verdict.MISS),
        ({"type_webhook": ["incomingCall", "incomingMessageReceived"]}, Verdict.MATCH),
        ({"type_message": ("quotedMessage",), "chat_id": "120363@g.us"}, Verdict.MATCH),
        ({"type_message": "quotedMessage", "chat_id": "other@c.us"}, Verdict.MISS),
        ({"sender": "79001234567@c.us", "quoted_id": "BAE5"}, Verdict.MATCH),
        ({"quoted_id": "BAE"}, Verdict.MISS),
        ({"text": "approve"}, Verdict.MATCH),
        ({"text": "^approve"}, Verdict.MISS),
        ({"text": ["^no", r"(?i)^YES\b"]}, Verdict.MATCH),
        ({"status": "delivered"}, Verdict.MISS),
    ],
)
def test_filter_matches_what_fits_every_argument(arguments: dict[str, Any], verdict: Verdict) -> None:
    """Each argument must fit; of a list, one is enough."""
    assert NotificationFilter(**arguments).verdict(TEXT) is verdict


def test_filter_searches_the_beginning_of_a_text_alone() -> None:
    """Others write what is searched, and an expression takes the square of its length, or worse."""

    def message(text: str) -> Notification:
        return Notification(1, {"messageData": {"textMessageData": {"textMessage": text}}})

    assert NotificationFilter(text="end").verdict(message("x" * 4_093 + "end")) is Verdict.MATCH
    assert NotificationFilter(text="end").verdict(message("x" * 4_094 + "end")) is Verdict.MISS


def test_filter_takes_no_longer_for_a_longer_text() -> None:
    """An expression that takes the square of a text's length takes 256 times as much for all of this one."""

    def seconds(length: int) -> float:
        long = Notification(1, {"messageData": {"textMessageData": {"textMessage": "a" * length}}})
        began = time.process_time()
        assert NotificationFilter(text="a+b").verdict(long) is Verdict.MISS
        return time.process_time() - began

    assert min(seconds(65_536) for _ in range(3)) < 20 * max(seconds(4_096) for _ in range(3))


def test_filter_status_is_also_the_state_of_the_instance() -> None:
    """One argument waits for "delivered" as well as for "notAuthorized"."""
    changed = Notification(1, {"typeWebhook": "stateInstanceChanged", "stateInstance": "notAuthorized"})
    delivered = Notification(2, {"typeWebhook": "outgoingMessageStatus", "status": "delivered"})
    wanted = NotificationFilter(status=["notAuthorized", "delivered"])
    assert [wanted.verdict(n) for n in (changed, delivered)] == [Verdict.MATCH] * 2


def test_filter_number_stands_for_its_digits() -> None:
    """Chat ids of Telegram and MAX are digits: a number in the Dag finds them."""
    message = Notification(1, {"senderData": {"chatId": "-1001234567890"}})
    assert NotificationFilter(chat_id=-1001234567890).verdict(message) is Verdict.MATCH  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body", [{}, [], None, 7, {"typeWebhook": ["x"], "senderData": "x", "messageData": [1], "status": {}}]
)
def test_filter_missing_or_odd_value_is_a_miss(body: Any) -> None:
    """What a notification lacks, or carries in another form, doesn't fit; it is no error."""
    notification = Notification(1, body)
    for name in ("type_webhook", "type_message", "chat_id", "sender", "text", "status", "quoted_id"):
        assert NotificationFilter(**{name: "x"}).verdict(notification) is Verdict.MISS


def test_filter_judges_all_examples() -> None:
    """No example of the gateway's notifications is an error."""
    incoming = NotificationFilter(type_webhook="incomingMessageReceived", text=".")
    verdicts = [incoming.verdict(Notification(n["receiptId"], n["body"])) for n in example_notifications()]
    assert set(verdicts) == {Verdict.MATCH, Verdict.MISS}


def test_filter_survives_json_and_pickle() -> None:
    """A filter travels in a trigger's arguments and comes out the same, hash and all."""
    given = NotificationFilter(type_webhook=["a", "b"], text=r"^\d+$", chat_id="1@c.us")
    restored = NotificationFilter.from_dict(json.loads(json.dumps(given.as_dict())))
    assert restored == given == pickle.loads(pickle.dumps(given))
    assert hash(restored) == hash(given)
    assert given.as_dict() == {"type_webhook": ["a", "b"], "chat_id": ["1@c.us"], "text": [r"^\d+$"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "("}, "no regular expression"),
        ({"chat_id": []}, "empty list"),
        ({"sender": {"a": 1}}, "sender must be text"),
        ({"status": [None]}, "status must be text"),
        ({"chat_id": True}, "chat_id must be text"),
    ],
)
def test_filter_that_cant_be_meant_is_refused_in_the_dag(arguments: dict[str, Any], words: str) -> None:
    """A mistake shows when the Dag is parsed."""
    with pytest.raises(ValueError, match=words):
        NotificationFilter(**arguments)


@pytest.mark.parametrize(
    ("result", "verdict"),
    [(True, Verdict.MATCH), ("yes", Verdict.MATCH), (None, Verdict.MISS), ([], Verdict.MISS)],
)
def test_judge_callable_counts_by_truth(result: Any, verdict: Verdict) -> None:
    """A callable's result is taken for true or false, like everywhere in Python."""
    assert judge(lambda notification: result, TEXT) is verdict


def test_judge_filter_and_callable_alike() -> None:
    """Both forms of matching are judged by one function."""
    assert judge(NotificationFilter(text="approve"), TEXT) is Verdict.MATCH
    assert judge(NotificationFilter(text="deny"), TEXT) is Verdict.MISS


def test_judge_callable_that_raises_is_an_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """An error is never a miss; the log names its type and not its text, which may quote the conversation."""

    def failing(notification: Notification) -> bool:
        raise KeyError(notification.text)

    with caplog.at_level(logging.DEBUG):
        assert judge(failing, TEXT) is Verdict.ERROR
    assert "KeyError" in caplog.text
    assert "failing" in caplog.text
    assert "approve" not in caplog.text
