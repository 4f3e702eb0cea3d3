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


VOTE = Notification(71, example_notifications()[70]["body"])


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({"direction": "incoming", "chat_kind": ["private", "group"]}, Verdict.MATCH),
        ({"direction": "outgoing"}, Verdict.MISS),
        ({"chat_kind": "channel"}, Verdict.MISS),
        ({"id_message": "3EB0A1B2C3D4E5F62B2B"}, Verdict.MATCH),
        ({"id_message": "3EB0"}, Verdict.MISS),
        ({"body": {"messageData.pollMessageData.name": "Deploy on Friday?"}}, Verdict.MATCH),
        ({"body": {"messageData.pollMessageData.name": ["Release?", "Deploy on Friday?"]}}, Verdict.MATCH),
        ({"body": {"messageData.pollMessageData.name": "Deploy"}}, Verdict.MISS),
        ({"body": {"messageData.pollMessageData.votes.optionVoters": "12025550101@c.us"}}, Verdict.MATCH),
        ({"body": {"messageData.pollMessageData.votes.optionVoters": "12025550109@c.us"}}, Verdict.MISS),
        ({"body": {"messageData.pollMessageData.multipleAnswers": False}}, Verdict.MATCH),
        ({"body": {"messageData.pollMessageData.multipleAnswers": "true"}}, Verdict.MISS),
        ({"body": {"instanceData.idInstance": 7103000042}}, Verdict.MATCH),
        ({"body": {"instanceData.idInstance": "7103000042"}}, Verdict.MATCH),
        ({"body": {"instanceData": "x", "timestamp": 1790410090}}, Verdict.MISS),
        ({"body": {"messageData.pollMessageData.votes.optionVoters.x.y": "1"}}, Verdict.MISS),
        ({"not_": {"chat_kind": ["status", "channel", "broadcast"]}}, Verdict.MATCH),
        ({"not_": {"chat_kind": "group", "direction": "outgoing"}}, Verdict.MATCH),
        ({"not_": {"chat_kind": "group", "direction": "incoming"}}, Verdict.MISS),
        ({"direction": "outgoing", "not_": {"chat_kind": "channel"}}, Verdict.MISS),
        ({"not_": NotificationFilter(text="Friday")}, Verdict.MISS),
        ({"not_": {"body": {"messageData.typeMessage": "pollUpdateMessage"}}}, Verdict.MISS),
    ],
)
def test_filter_looks_at_kind_and_direction_and_into_the_body(
    arguments: dict[str, Any], verdict: Verdict
) -> None:
    """A path leads through lists, values may be given as text, and what must not be can be said."""
    assert NotificationFilter(**arguments).verdict(VOTE) is verdict


@pytest.mark.parametrize(
    "value",
    [[], [[]], [[["x"]]], {}, None, "", 10**4_000, float("nan"), {"a": []}],
    ids=lambda value: type(value).__name__,
)
def test_filter_with_a_path_never_errs(value: Any) -> None:
    """Whatever lies on the way or at its end, it fits or it doesn't."""
    wanted = NotificationFilter(body={"a.b": "x"}, not_={"body": {"a": "x"}})
    for body in ({"a": value}, {"a": {"b": value}}, {"a": [{"b": value}, value]}, value):
        assert wanted.verdict(Notification(1, body)) is Verdict.MISS


def test_filter_follows_a_path_through_deep_lists_without_recursion() -> None:
    """What others nest costs no more than what is there."""
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    assert NotificationFilter(body={"a.a.a": "x"}).verdict(Notification(1, {"a": deep}, key="0" * 32))


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
    wanted = NotificationFilter(direction="incoming", chat_kind="private", id_message="1")
    assert wanted.verdict(notification) is Verdict.MISS


def test_filter_judges_all_examples() -> None:
    """No example of the gateway's notifications is an error."""
    incoming = NotificationFilter(type_webhook="incomingMessageReceived", text=".")
    verdicts = [incoming.verdict(Notification(n["receiptId"], n["body"])) for n in example_notifications()]
    assert set(verdicts) == {Verdict.MATCH, Verdict.MISS}


def test_filter_survives_json_and_pickle() -> None:
    """A filter travels in a trigger's arguments and comes out the same, hash and all."""
    given = NotificationFilter(
        type_webhook=["a", "b"],
        text=r"^\d+$",
        chat_id="1@c.us",
        body={"a.b": ["x", 1, True]},
        not_={"chat_kind": "status", "body": {"c": "y"}},
    )
    restored = NotificationFilter.from_dict(json.loads(json.dumps(given.as_dict())))
    assert restored == given == pickle.loads(pickle.dumps(given))
    assert hash(restored) == hash(given)
    assert given.as_dict() == {
        "type_webhook": ["a", "b"],
        "chat_id": ["1@c.us"],
        "text": [r"^\d+$"],
        "body": {"a.b": ["x", "1", "true"]},
        "not_": {"chat_kind": ["status"], "body": {"c": ["y"]}},
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "("}, "no regular expression"),
        ({"chat_id": []}, "empty list"),
        ({"sender": {"a": 1}}, "sender must be text"),
        ({"status": [None]}, "status must be text"),
        ({"chat_id": True}, "chat_id must be text"),
        ({"chat_kind": "groups"}, "chat_kind is 'groups'; it must be one of private, group"),
        ({"direction": ["in"]}, "direction is 'in'; it must be one of incoming, outgoing"),
        ({"body": "messageData"}, "body must be a dict of paths"),
        ({"body": {}}, "body must be a dict of paths"),
        ({"body": {"a": []}}, r"body\['a'\] is an empty list"),
        ({"body": {"a": None}}, r"body\['a'\] must be text"),
        ({"not_": {}}, "not_ is empty"),
        ({"not_": "x"}, "not_ must be a filter"),
        ({"not_": {"not_": {"text": "x"}}}, "not_ can't hold another not_"),
        ({"not_": {"chat": "x"}}, "'chat' is no part of a filter"),
        ({"not_": {"text": None}}, "text is None"),
        ({"not_": {"text": "("}}, "no regular expression"),
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
