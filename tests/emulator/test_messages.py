"""Single messages: looked up, edited, deleted, forwarded, read; and the history of a chat."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

CHAT = "12025550101@c.us"
OTHER = "12025550102@c.us"
PRODUCTS = [("whatsapp", CHAT), ("telegram", "12025550101"), ("v3", "12025550101")]


def send(client: Any, message: str = "Deploy?", chat_id: str = CHAT, **more: Any) -> str:
    """Send a text and return its id."""
    return client.post("sendMessage", chatId=chat_id, message=message, **more).json()["idMessage"]


def push(client: Any, *numbers: int) -> list[dict[str, Any]]:
    """Push examples by their line, and return their bodies."""
    bodies = [example_notifications()[number - 1]["body"] for number in numbers]
    client.gateway.push(*bodies)
    return bodies


def refusal(response: Any) -> str:
    """What a 400 says."""
    assert response.status_code == 400
    return response.text


@pytest.mark.parametrize(("type_instance", "chat_id"), PRODUCTS)
def test_sent_message_is_found_with_its_status(emulate: Any, type_instance: str, chat_id: str) -> None:
    """getMessage answers what was sent in the recorded form, the chat as notifications name it."""
    client = emulate(type_instance=type_instance)
    client.gateway.settings(outgoingWebhook="yes")
    id_message = send(client)
    entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
    assert entry == {
        "type": "outgoing",
        "idMessage": id_message,
        "timestamp": entry["timestamp"],
        "typeMessage": "extendedTextMessage",
        "chatId": chat_id,
        "textMessage": "Deploy?",
        "extendedTextMessage": {
            "text": "Deploy?",
            "description": "",
            "title": "",
            "previewType": "None",
            "jpegThumbnail": "",
            "forwardingScore": 0,
            "isForwarded": False,
        },
        "statusMessage": "read",
        "sendByApi": True,
        "deletedMessageId": "",
        "editedMessageId": "",
        "isEdited": False,
        "isDeleted": False,
    }


def test_received_message_is_found_in_its_chat_alone(client: Any) -> None:
    """A message that came in is found by chat and id; in another chat it isn't there."""
    (body,) = push(client, 1)
    entry = client.post("getMessage", chatId=CHAT, idMessage=body["idMessage"]).json()
    assert (entry["type"], entry["textMessage"]) == ("incoming", "Order 4182: where is it?")
    assert refusal(client.post("getMessage", chatId=OTHER, idMessage=body["idMessage"]))


def test_unknown_message_is_refused_as_recorded(client: Any) -> None:
    """The words name the id."""
    answer = client.post("getMessage", chatId=CHAT, idMessage="3EB000000000000000")
    assert "Message not found by id 3EB000000000000000" in refusal(answer)


def test_message_that_waits_in_the_send_queue_is_pending(client: Any) -> None:
    """Before it has left the send queue, a message has no status yet."""
    client.gateway.state("blocked")
    id_message = send(client)
    entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
    assert entry["statusMessage"] == "pending"


def test_history_of_a_chat_is_newest_first_and_bounded(client: Any) -> None:
    """Received and sent messages of the chat alone, as many as asked for."""
    push(client, 1, 2, 29)
    first = send(client)
    client.gateway.advance(2)
    last = send(client)
    send(client, chat_id=OTHER)
    history = client.post("getChatHistory", chatId=CHAT).json()
    ids = [entry["idMessage"] for entry in history]
    assert ids.index(last) < ids.index(first)
    assert {entry["chatId"] for entry in history} == {CHAT}
    assert [entry["type"] for entry in history].count("incoming") == 1
    assert len(client.post("getChatHistory", chatId=CHAT, count=1).json()) == 1


def test_edit_alters_the_history_and_comes_back_as_a_notification(client: Any) -> None:
    """An edit has an id of its own; the message shows its text and names it, as recorded."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    id_message = send(client)
    answer = client.post("editMessage", chatId=CHAT, idMessage=id_message, message="Deployed.")
    id_edit = answer.json()["idMessage"]
    entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
    assert (entry["textMessage"], entry["extendedTextMessage"]["text"]) == ("Deployed.", "Deployed.")
    assert (entry["isEdited"], entry["editedMessageId"]) == (True, id_edit)
    edit = client.gateway.queue()[-1]
    assert (edit["typeWebhook"], edit["idMessage"]) == ("outgoingAPIMessageReceived", id_edit)
    assert edit["messageData"] == {
        "typeMessage": "editedMessage",
        "editedMessageData": {"textMessage": "Deployed.", "stanzaId": id_message},
    }


def test_edit_of_a_file_is_an_edit_of_its_caption(client: Any) -> None:
    """The text of a file is its caption."""
    url = "https://example.org/a.pdf"
    sent = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="a.pdf", caption="old").json()
    client.post("editMessage", chatId=CHAT, idMessage=sent["idMessage"], message="new")
    assert client.post("getMessage", chatId=CHAT, **sent).json()["caption"] == "new"


def test_deletion_is_empty_and_marks_the_message(client: Any) -> None:
    """Deleting answers nothing, marks the message, stands in the journal, and comes back; once only."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    id_message = send(client)
    answer = client.post("deleteMessage", chatId=CHAT, idMessage=id_message)
    assert (answer.status_code, answer.content) == (200, b"")
    entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
    newest = client.get("lastOutgoingMessages").json()[0]
    assert (entry["isDeleted"], entry["deletedMessageId"]) == (True, newest["idMessage"])
    assert newest["deletedMessageData"] == {"stanzaId": id_message}
    assert client.gateway.queue()[-1]["messageData"]["typeMessage"] == "deletedMessage"
    assert "Message by id not found" in refusal(
        client.post("deleteMessage", chatId=CHAT, idMessage=id_message)
    )
    assert "Message by id not found" in refusal(
        client.post("editMessage", chatId=CHAT, idMessage=id_message, message="a")
    )


@pytest.mark.parametrize("setting", ["outgoingAPIMessageWebhook", "editedMessageWebhook"])
def test_edit_comes_back_only_as_the_settings_say(client: Any, setting: str) -> None:
    """With notifications of edits or of what is sent by API off, none comes."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    client.gateway.settings(**{setting: "no"})
    id_message = send(client)
    before = len(client.gateway.queue())
    client.post("editMessage", chatId=CHAT, idMessage=id_message, message="a")
    assert len(client.gateway.queue()) == before


def test_edit_and_deletion_by_the_other_side_alter_the_history(client: Any) -> None:
    """A pushed edit and a pushed deletion change what they name."""
    original = example_notifications()[0]["body"]
    client.gateway.push({**original, "idMessage": "3EB0A1B2C3D4E5F60404"})
    push(client, 17, 18)
    entry = client.post("getMessage", chatId=CHAT, idMessage="3EB0A1B2C3D4E5F60404").json()
    assert (entry["textMessage"], entry["isEdited"], entry["isDeleted"]) == ("Order 4183, sorry", True, True)


def test_message_of_somebody_else_can_not_be_edited(client: Any) -> None:
    """Only what the account sent can be edited."""
    (body,) = push(client, 1)
    answer = client.post("editMessage", chatId=CHAT, idMessage=body["idMessage"], message="a")
    assert "Message by id not found" in refusal(answer)


def test_forwarded_messages_are_sent_again_and_marked(client: Any) -> None:
    """Each forwarded message has a new id, the same content, and is marked as forwarded."""
    client.gateway.settings(outgoingAPIMessageWebhook="yes")
    (body,) = push(client, 5)
    sent = send(client)
    wanted = [body["idMessage"], sent]
    answer = client.post("forwardMessages", chatId=OTHER, chatIdFrom=CHAT, messages=wanted)
    image, text = client.gateway.queue()[-2:]
    assert answer.json() == {"messages": [image["idMessage"], text["idMessage"]]}
    assert image["messageData"]["fileMessageData"]["isForwarded"] is True
    assert image["messageData"]["fileMessageData"]["caption"] == "Broken label"
    assert text["messageData"]["extendedTextMessageData"]["forwardingScore"] == 1
    assert {image["senderData"]["chatId"], text["senderData"]["chatId"]} == {OTHER}


def test_forwarding_an_unknown_message_sends_nothing(client: Any) -> None:
    """All of the messages are forwarded, or none."""
    sent = send(client)
    answer = client.post("forwardMessages", chatId=OTHER, chatIdFrom=CHAT, messages=[sent, "X" * 16])
    assert f"Message not found by id {'X' * 16}" in refusal(answer)
    assert len(client.gateway.sent()) == 1


def test_read_marks_are_kept_per_chat(client: Any) -> None:
    """A chat is read up to the message that is named, by default up to its newest."""
    first, second = push(client, 1, 5)
    assert client.post("readChat", chatId=CHAT, idMessage=first["idMessage"]).json() == {"setRead": True}
    assert client.gateway.chats()[0]["readUntil"] == first["idMessage"]
    assert client.post("readChat", chatId=CHAT).json() == {"setRead": True}
    assert client.gateway.chats()[0]["readUntil"] == second["idMessage"]


@pytest.mark.parametrize(("setting", "number"), [("incomingWebhook", 1), ("outgoingMessageWebhook", 29)])
def test_journals_leave_out_what_the_settings_had_off(client: Any, setting: str, number: int) -> None:
    """What came while its setting was off is in no journal later either; what is sent by API always is."""
    client.gateway.settings(**{setting: "no"})
    push(client, number)
    sent = send(client)
    client.gateway.settings(**{setting: "yes"})
    entries = client.get("lastIncomingMessages").json() + client.get("lastOutgoingMessages").json()
    assert [entry["idMessage"] for entry in entries] == [sent]


def test_journals_know_statuses_only_as_the_settings_say(client: Any) -> None:
    """Without notifications of statuses a message stays at the first one, unless it failed."""
    send(client)
    client.gateway.deliver_as("sent", "failed", description="SWE004: too many")
    send(client)
    failed, sent = client.get("lastOutgoingMessages").json()
    assert sent["statusMessage"] == "sent"
    assert (failed["statusMessage"], failed["description"]) == ("failed", "SWE004: too many")


def test_statuses_come_apart(emulate: Any) -> None:
    """With a delay each status comes later than the one before; getMessage follows."""
    client = emulate(status_delay=10)
    client.gateway.settings(outgoingWebhook="yes")
    id_message = send(client)
    seen = []
    for _ in range(3):
        entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
        seen.append((entry["statusMessage"], len(client.gateway.queue())))
        client.gateway.advance(10)
    assert seen == [("sent", 1), ("delivered", 2), ("read", 3)]


def test_file_that_was_sent_has_a_fresh_link(client: Any) -> None:
    """downloadFile answers for what was sent, too; not for a text."""
    url = client.gateway.media("a.pdf", 10)
    sent = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="a.pdf").json()["idMessage"]
    link = client.post("downloadFile", chatId=CHAT, idMessage=sent).json()["downloadUrl"]
    assert len(client.session.get(link).content) == 10
    assert client.post("downloadFile", chatId=CHAT, idMessage=send(client)).status_code == 400
