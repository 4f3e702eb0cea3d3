"""Polls, and votes as scripted answers to them."""

from __future__ import annotations

from typing import Any

import pytest

CHAT = "12025550101@c.us"
GROUP = "120363025550000042@g.us"
OPTIONS = [{"optionName": "Yes"}, {"optionName": "No"}, {"optionName": "Later"}]


def ask(client: Any, chat_id: str = CHAT, **more: Any) -> str:
    """Send a poll and return its id."""
    return client.post("sendPoll", chatId=chat_id, message="Deploy?", options=OPTIONS, **more).json()[
        "idMessage"
    ]


def votes(body: dict[str, Any]) -> dict[str, list[str]]:
    """Who stands behind which option in a notification of a vote."""
    tally = body["messageData"]["pollMessageData"]["votes"]
    return {option["optionName"]: option["optionVoters"] for option in tally}


@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram"])
def test_poll_comes_back_and_is_journaled(emulate: Any, type_instance: str) -> None:
    """Notification and journal have the documented form."""
    client = emulate(type_instance=type_instance)
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    id_message = ask(client)
    (body,) = client.gateway.queue()
    poll = {"name": "Deploy?", "options": OPTIONS, "multipleAnswers": False}
    assert body["messageData"] == {"typeMessage": "pollMessage", "pollMessageData": poll}
    (entry,) = client.get("lastOutgoingMessages").json()
    assert (entry["idMessage"], entry["pollMessageData"]) == (id_message, poll)


def test_answer_that_names_an_option_is_a_vote(client: Any) -> None:
    """The notification names the poll and tells the full tally."""
    client.gateway.reply("Deploy", "Yes")
    id_message = ask(client)
    (body,) = client.gateway.queue()
    assert body["typeWebhook"] == "incomingMessageReceived"
    assert body["senderData"]["chatId"] == CHAT
    assert body["messageData"] == {
        "typeMessage": "pollUpdateMessage",
        "pollMessageData": {
            "stanzaId": id_message,
            "name": "Deploy?",
            "votes": [
                {"optionName": "Yes", "optionVoters": [CHAT]},
                {"optionName": "No", "optionVoters": []},
                {"optionName": "Later", "optionVoters": []},
            ],
            "multipleAnswers": False,
        },
    }


def test_votes_in_a_group_add_up_and_change(client: Any) -> None:
    """Each notification has everybody's vote; who votes again has changed it."""
    client.gateway.reply("Deploy", "Yes", sender="12025550102@c.us")
    client.gateway.reply("Deploy", "No", sender="12025550103@c.us", delay=1)
    client.gateway.reply("Deploy", "No", sender="12025550102@c.us", delay=2)
    ask(client, GROUP)
    client.gateway.advance(5)
    first, second, third = client.gateway.queue()
    assert votes(first)["Yes"] == ["12025550102@c.us"]
    assert votes(second) == {"Yes": ["12025550102@c.us"], "No": ["12025550103@c.us"], "Later": []}
    assert votes(third) == {"Yes": [], "No": ["12025550103@c.us", "12025550102@c.us"], "Later": []}
    assert third["senderData"]["sender"] == "12025550102@c.us"


@pytest.mark.parametrize(("multiple", "chosen"), [(True, ["Yes", "Later"]), (False, ["Yes"])])
def test_several_options_count_where_the_poll_allows_them(
    client: Any, multiple: bool, chosen: list[str]
) -> None:
    """Otherwise the first one does."""
    client.gateway.reply("Deploy", "Yes, Later")
    ask(client, multipleAnswers=multiple)
    (body,) = client.gateway.queue()
    assert [name for name, voters in votes(body).items() if voters] == chosen


def test_answer_that_is_no_option_is_a_text(client: Any) -> None:
    """Somebody may answer a poll in words."""
    client.gateway.reply("Deploy", "What?")
    ask(client)
    (body,) = client.gateway.queue()
    assert body["messageData"]["extendedTextMessageData"]["text"] == "What?"


def test_votes_name_the_lid_where_lids_are_in_use(emulate: Any) -> None:
    """The voter appears under the id that the chat appears under."""
    client = emulate(contact_ids="lid")
    client.gateway.reply("Deploy", "Yes")
    ask(client)
    (body,) = client.gateway.queue()
    assert votes(body)["Yes"] == [body["senderData"]["chatId"]] == ["200012025550101@lid"]


@pytest.mark.parametrize("setting", ["incomingWebhook", "pollMessageWebhook"])
def test_votes_need_both_settings(client: Any, setting: str) -> None:
    """With one of the settings off, no vote enters the queue."""
    client.gateway.settings(**{setting: "no"})
    client.gateway.reply("Deploy", "Yes")
    ask(client)
    assert client.gateway.queue() == []
