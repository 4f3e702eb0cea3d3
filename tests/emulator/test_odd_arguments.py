"""Whatever methods are called with, after whatever was pushed: an answer of the gateway, no failure."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.emulator.methods import METHODS

CHAT = "12025550101@c.us"
LID = "200012025550101@lid"
GROUP = "120363025550000042@g.us"
NOT_CALLED = {"receiveNotification", "callsRtc", "updateApiToken", "logout", "setSettings"}
CHATS = [CHAT, LID, GROUP, "12025550101", "-42", "0@lid", "99999999999999999999999999@lid"]
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "٣@lid", "status@broadcast", "\ud83d", "X" * 16),
    *([], [1], [CHAT], [{}], {}, {"phoneContact": 1}, {"phoneContact": {"a": 1}, "firstName": [1]}),
    [{"optionName": "a"}, {"optionName": "b"}],
    [{"buttonId": "1", "buttonText": "t", "type": "url"}],
]
FIELDS = [
    "idMessage",
    "messages",
    "message",
    "chatIds",
    "participantChatId",
    "participantPhone",
    "options",
    "latitude",
    "longitude",
    "contact",
    "urlLink",
    "urlFile",
    "fileName",
    "caption",
    "count",
    "minutes",
    "onlySenderDelete",
    "ephemeralExpiration",
    "firstName",
    "lastName",
    "font",
    "participants",
    "body",
    "buttons",
    "header",
    "quotedMessageId",
    "typingTime",
    "code",
    "password",
    "groupName",
    "multipleAnswers",
]


def odd(rng: random.Random, value: Any) -> Any:
    """The same value with some odd ones in it."""
    if isinstance(value, dict):
        return {
            name: rng.choice(ODD) if rng.random() < 0.08 else odd(rng, each) for name, each in value.items()
        }
    return [odd(rng, each) for each in value] if isinstance(value, list) else value


def arguments(rng: random.Random, ids: list[str]) -> dict[str, Any]:
    """Arguments of which most are good enough to get somewhere."""
    given = {name: rng.choice(ODD) for name in rng.sample(FIELDS, rng.randint(0, 10))}
    for name in ("chatId", "groupId", "chatIdFrom"):
        given[name] = rng.choice(CHATS if rng.random() < 0.8 else ODD)
    if ids and rng.random() < 0.6:
        given |= {"idMessage": rng.choice(ids), "messages": [rng.choice(ids)], "message": "Deploy?"}
    return given


@pytest.mark.parametrize("contact_ids", ["c.us", "lid", "changes midway"])
@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram", "v3"])
def test_odd_arguments_and_odd_notifications_are_answered(
    emulate: Any, type_instance: str, contact_ids: str
) -> None:
    """Each method answers with success or a refusal, and what answers is JSON or empty."""
    client = emulate(type_instance=type_instance, contact_ids=contact_ids)
    client.gateway.reply("", "a")
    rng = random.Random(f"{type_instance} {contact_ids}")
    ids = [client.post("sendMessage", chatId=CHAT, message="Deploy?").json()["idMessage"]]
    for method in (method for method in METHODS.values() if method.name not in NOT_CALLED):
        for _ in range(5):
            client.gateway.push(odd(rng, rng.choice(example_notifications())["body"]))
            given = arguments(rng, ids)
            sent = {"json": given} if method.verbs[0] == "POST" else {"params": {"minutes": "5"}}
            response = client.session.request(method.verbs[0], client.url(method.name), **sent)
            assert response.status_code < 500 or method.name == "deleteNotification", response.text
            answer = json.loads(response.content or b"null") if response.ok else None
            ids += [answer["idMessage"]] if isinstance(answer, dict) and "idMessage" in answer else []
    assert json.dumps([client.gateway.chats(), client.gateway.sent()])
