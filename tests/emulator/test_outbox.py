"""The send queue, what becomes of messages, the notifications about it, and replies."""

from __future__ import annotations

from typing import Any

import pytest

CHAT = "12025550101@c.us"
QUOTED = "3EB0C767D26A1D7F21C2"


def send(client: Any, message: str = "Deploy?", chat_id: str = CHAT, **more: Any) -> str:
    """Send a text and return its id."""
    return client.post("sendMessage", chatId=chat_id, message=message, **more).json()["idMessage"]


def kinds(client: Any) -> list[str]:
    """What waits in the queue, in short."""
    return [body.get("status") or body["typeWebhook"] for body in client.gateway.queue()]


def test_send_leaves_the_queue_alone_by_default(client: Any) -> None:
    """With the default settings sending makes no notifications."""
    send(client)
    assert client.gateway.queue() == []


@pytest.mark.parametrize(
    ("type_instance", "statuses"),
    [
        ("whatsapp", ["sent", "delivered", "read"]),
        ("telegram", ["delivered", "read"]),
        ("v3", ["delivered", "read"]),
    ],
)
def test_settings_decide_which_notifications_a_send_makes(
    emulate: Any, type_instance: str, statuses: list[str]
) -> None:
    """The message itself and its statuses come as the two settings say; the statuses are the product's."""
    client = emulate(type_instance=type_instance)
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    send(client)
    assert kinds(client) == ["outgoingAPIMessageReceived"]
    client.gateway.settings(outgoingAPIMessageWebhook="no", outgoingWebhook="yes")
    send(client)
    assert kinds(client)[1:] == statuses


def test_notification_of_a_sent_file_leads_to_it(client: Any) -> None:
    """A file sent by API comes back with a link to it."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    url = client.gateway.media("a.jpg", 10)
    client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="a.jpg", caption="label")
    (body,) = client.gateway.queue()
    assert body["messageData"]["typeMessage"] == "imageMessage"
    assert body["messageData"]["fileMessageData"]["downloadUrl"] == url
    assert body["messageData"]["fileMessageData"]["caption"] == "label"


def test_statuses_can_be_chosen_per_chat(client: Any) -> None:
    """noAccount and failed come even with statuses off; other chats go on as before."""
    client.gateway.deliver_as("noAccount", chat_id="1@c.us")
    client.gateway.deliver_as("sent", "failed")
    send(client, chat_id="1@c.us")
    send(client, chat_id="2@c.us")
    assert [(body["chatId"], body["status"]) for body in client.gateway.queue()] == [
        ("1@c.us", "noAccount"),
        ("2@c.us", "failed"),
    ]
    assert [sent["status"] for sent in client.gateway.sent()] == ["noAccount", "failed"]


def test_yellow_card_shows_in_the_status(client: Any) -> None:
    """What is sent in the state yellowCard gets that status."""
    client.gateway.settings(outgoingWebhook="yes")
    client.gateway.state("yellowCard")
    send(client)
    assert kinds(client) == ["yellowCard"]


def test_message_ids_of_other_products_are_numbers_and_chats_lose_the_suffix(emulate: Any) -> None:
    """On Telegram and MAX ids are digits, and a chat addressed by phone is named by its number."""
    client = emulate(type_instance="v3")
    client.gateway.settings(outgoingWebhook="yes", outgoingAPIMessageWebhook="yes")
    assert send(client, chat_id="12025550101@c.us").isdigit()
    message, status, _ = client.gateway.queue()
    assert (message["senderData"]["chatId"], status["chatId"]) == ("12025550101", "12025550101")
    assert message["senderData"]["chatType"] == "user"


def test_reply_comes_from_the_chat_and_quotes_the_message(client: Any) -> None:
    """A scripted reply is an incoming notification from the chat that was written to."""
    client.gateway.reply("(?i)^deploy", "yes")
    id_message = send(client)
    (body,) = client.gateway.queue()
    assert body["typeWebhook"] == "incomingMessageReceived"
    assert body["senderData"]["chatId"] == body["senderData"]["sender"] == CHAT
    assert body["messageData"]["typeMessage"] == "quotedMessage"
    assert body["messageData"]["extendedTextMessageData"] == {
        "text": "yes",
        "stanzaId": id_message,
        "participant": "12025550100@c.us",
    }
    assert body["messageData"]["quotedMessage"]["stanzaId"] == id_message
    assert body["messageData"]["quotedMessage"]["textMessage"] == "Deploy?"


def test_reply_can_be_a_plain_text(client: Any) -> None:
    """Without quoting, the reply is an ordinary text message; in a group a member sends it."""
    client.gateway.reply("Deploy", "yes", quoted=False)
    send(client, chat_id="120363025550000042@g.us")
    (body,) = client.gateway.queue()
    assert body["messageData"] == {
        "typeMessage": "textMessage",
        "textMessageData": {"textMessage": "yes"},
    }
    assert body["senderData"]["sender"] == "12025550101@c.us"


def test_reply_comes_only_to_its_pattern_and_chat(client: Any) -> None:
    """Other texts and other chats get no answer; captions count as texts."""
    client.gateway.reply("Deploy", "yes", chat_id=CHAT)
    send(client, "Something else")
    send(client, chat_id="2@c.us")
    assert client.gateway.queue() == []
    url = "https://example.org/plan.pdf"
    client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="plan.pdf", caption="Deploy this?")
    assert len(client.gateway.queue()) == 1


def test_reply_with_delay_comes_when_its_time_has_come(client: Any) -> None:
    """The delay runs on the gateway's clock, so a test can move it."""
    client.gateway.reply("Deploy", "yes", delay=3600)
    send(client)
    assert client.gateway.queue() == []
    client.gateway.advance(3600)
    assert len(client.gateway.queue()) == 1


def test_reply_with_delay_comes_in_real_time_too(client: Any) -> None:
    """Nobody has to move the clock for a reply to come."""
    client.gateway.reply("Deploy", "yes", delay=0.05)
    send(client)
    assert client.receive(60)["body"]["messageData"]["extendedTextMessageData"]["text"] == "yes"


def test_reply_needs_incoming_notifications(client: Any) -> None:
    """With incomingWebhook off, a reply doesn't enter the queue."""
    client.gateway.settings(incomingWebhook="no")
    client.gateway.reply("Deploy", "yes")
    send(client)
    assert client.gateway.queue() == []


def test_send_queue_keeps_messages_until_the_instance_is_authorized(client: Any) -> None:
    """While not authorized, what is sent waits, can be seen, and goes out afterwards."""
    client.gateway.settings(outgoingWebhook="yes")
    client.gateway.state("notAuthorized")
    id_message = send(client, quotedMessageId=QUOTED)
    assert client.get("getMessagesCount").json() == {"count": 1}
    assert client.get("showMessagesQueue").json() == [
        {
            "messageID": id_message,
            "messagesIDs": [id_message],
            "type": "sendMessage",
            "body": {"chatId": CHAT, "message": "Deploy?", "quotedMessageId": QUOTED},
        }
    ]
    assert client.gateway.sent()[0]["delivered_at"] is None
    client.gateway.state("authorized")
    assert client.get("showMessagesQueue").json() == []
    assert client.gateway.sent()[0]["delivered_at"] is not None
    assert len(client.gateway.queue()) == 3


def test_send_queue_can_be_cleared(client: Any) -> None:
    """Cleared messages are never delivered, and the record says so."""
    client.gateway.state("notAuthorized")
    send(client)
    assert client.get("clearMessagesQueue").json() == {"isCleared": True}
    client.gateway.state("authorized")
    (sent,) = client.gateway.sent()
    assert sent["cleared_at"] is not None
    assert sent["delivered_at"] is None


def test_send_delay_spaces_messages(emulate: Any) -> None:
    """With a delay each message spends that time in the send queue, one after the other."""
    client = emulate(send_delay=10)
    send(client, "one")
    send(client, "two")
    waiting = []
    for _ in range(3):
        waiting.append([item["body"]["message"] for item in client.get("showMessagesQueue").json()])
        client.gateway.advance(10)
    assert waiting == [["one", "two"], ["two"], []]


def test_last_status_gives_its_reason(client: Any) -> None:
    """A failure says why, in the notification and in the journal; the status before it says nothing."""
    client.gateway.settings(outgoingWebhook="yes")
    client.gateway.deliver_as("sent", "failed", description="SWE004: too many participants")
    id_message = send(client)
    sent, failed = client.gateway.queue()
    assert "description" not in sent
    assert failed["description"] == "SWE004: too many participants"
    entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
    assert (entry["statusMessage"], entry["description"]) == ("failed", failed["description"])
