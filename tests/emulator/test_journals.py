"""The journals of messages."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

CHAT = "12025550101@c.us"


def examples(*numbers: int) -> list[dict[str, Any]]:
    """Examples by their line."""
    return [example_notifications()[number - 1]["body"] for number in numbers]


def test_incoming_journal_flattens_messages_newest_first(client: Any) -> None:
    """A text and a file appear with the journal's fields, whatever else was pushed."""
    client.gateway.push(*examples(1, 5, 31, 46))
    file, text = client.get("lastIncomingMessages").json()
    assert text == {
        "type": "incoming",
        "idMessage": "3EB0A1B2C3D4E5F60101",
        "timestamp": 1790409607,
        "typeMessage": "textMessage",
        "chatId": CHAT,
        "senderId": CHAT,
        "senderName": "Anna",
        "senderContactName": "Anna Petrova",
        "textMessage": "Order 4182: where is it?",
        "deletedMessageId": "",
        "editedMessageId": "",
        "isEdited": False,
        "isDeleted": False,
    }
    assert file["typeMessage"] == "imageMessage"
    assert file["caption"] == "Broken label"
    assert file["mimeType"] == "image/jpeg"
    assert file["downloadUrl"].startswith("https://")


def test_incoming_journal_shows_structures_under_their_journal_names(client: Any) -> None:
    """Links, places and contacts are objects; the text of a link or a quote is there too."""
    client.gateway.push(*examples(3, 4, 11, 12))
    contact, place, quote, link = client.get("lastIncomingMessages").json()
    assert link["textMessage"] == link["extendedTextMessage"]["text"]
    assert quote["textMessage"] == "Yes, that one"
    assert quote["quotedMessage"]["stanzaId"] == "3EB0A1B2C3D4E5F60404"
    assert place["location"]["latitude"]
    assert contact["contact"]["displayName"]


def test_journal_outlives_the_queue(client: Any) -> None:
    """Deleted and expired notifications stay in the journal."""
    client.gateway.push(*examples(1))
    client.drain()
    client.gateway.push(*examples(2))
    client.gateway.advance(25 * 3600)
    assert client.gateway.queue() == []
    assert client.get("lastIncomingMessages").json() == []
    assert len(client.get("lastIncomingMessages", minutes=1800).json()) == 2


@pytest.mark.parametrize(("minutes", "count"), [("60", 1), ("121", 2), ("", 2), ("x", 2)])
def test_journal_reaches_back_as_far_as_asked(client: Any, minutes: str, count: int) -> None:
    """Only messages of the last minutes are answered; by default those of a day."""
    client.gateway.push(*examples(1))
    client.gateway.advance(2 * 3600)
    client.gateway.push(*examples(2))
    assert len(client.get("lastIncomingMessages", minutes=minutes).json()) == count


def test_outgoing_journal_lists_what_was_sent_once(client: Any) -> None:
    """What was sent by API is there with its status, once, also if a notification tells of it."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes", outgoingWebhook="yes")
    client.post("sendMessage", chatId=CHAT, message="Hi")
    url = "https://example.org/a.pdf"
    client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="a.pdf", caption="c")
    file, text = client.get("lastOutgoingMessages").json()
    sent = client.gateway.sent()
    assert [text["idMessage"], file["idMessage"]] == [sent[0]["idMessage"], sent[1]["idMessage"]]
    assert (text["type"], text["textMessage"], text["chatId"]) == ("outgoing", "Hi", CHAT)
    assert (text["statusMessage"], text["sendByApi"]) == ("read", True)
    assert (file["downloadUrl"], file["caption"], file["typeMessage"]) == (url, "c", "documentMessage")


def test_outgoing_journal_lists_messages_from_the_phone_with_their_last_status(client: Any) -> None:
    """Pushed notifications of outgoing messages are there, too, with the newest status that was pushed."""
    client.gateway.push(*examples(29, 30, 31, 32))
    by_api, by_phone = client.get("lastOutgoingMessages").json()
    assert (by_phone["textMessage"], by_phone["sendByApi"]) == ("On my way", False)
    assert (by_api["statusMessage"], by_api["sendByApi"]) == ("delivered", True)


def test_outgoing_journal_does_not_list_what_still_waits(client: Any) -> None:
    """A message in the send queue isn't in the journal yet."""
    client.gateway.state("blocked")
    client.post("sendMessage", chatId=CHAT, message="Hi")
    assert client.get("lastOutgoingMessages").json() == []


def test_journal_tolerates_odd_bodies(client: Any) -> None:
    """Whatever was pushed, the journal answers."""
    client.gateway.push(
        {"receiptId": 1, "body": []},
        None,
        {"typeWebhook": "incomingMessageReceived"},
        {"typeWebhook": "incomingMessageReceived", "senderData": 1, "messageData": [1]},
        {
            "typeWebhook": "incomingMessageReceived",
            "messageData": {"textMessageData": 1, "extendedTextMessageData": 2},
        },
    )
    assert len(client.get("lastIncomingMessages").json()) == 3


def test_journal_needs_an_authorized_instance(client: Any) -> None:
    """Without authorization it is refused."""
    client.gateway.state("notAuthorized")
    assert client.get("lastIncomingMessages").status_code == 400
