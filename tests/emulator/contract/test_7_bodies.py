"""Section 7 of the contract: the bodies of notifications, those that the emulator makes and the examples."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

CHAT = {"whatsapp": "12025550101@c.us", "telegram": "10000101", "v3": "10000101"}
PRODUCTS = tuple(CHAT)
EXAMPLES = [envelope["body"] for envelope in example_notifications()]
TYPES = {
    "incomingMessageReceived",
    "outgoingMessageReceived",
    "outgoingAPIMessageReceived",
    "outgoingMessageStatus",
    "stateInstanceChanged",
    "quotaExceeded",
    "incomingCall",
    "outgoingCall",
    "statusInstanceChanged",
    "deviceInfo",
    "incomingBlock",
}
PAYLOADS = {
    "textMessage": "textMessageData",
    "extendedTextMessage": "extendedTextMessageData",
    "quotedMessage": "extendedTextMessageData",
    "imageMessage": "fileMessageData",
    "videoMessage": "fileMessageData",
    "documentMessage": "fileMessageData",
    "audioMessage": "fileMessageData",
    "stickerMessage": "fileMessageData",
    "locationMessage": "locationMessageData",
    "contactMessage": "contactMessageData",
    "contactsArrayMessage": "messageData",
    "reactionMessage": "extendedTextMessageData",
    "pollMessage": "pollMessageData",
    "pollUpdateMessage": "pollMessageData",
    "editedMessage": "editedMessageData",
    "deletedMessage": "deletedMessageData",
    "groupInviteMessage": "groupInviteMessageData",
    "buttonsMessage": "buttonsMessage",
    "buttonsResponseMessage": "buttonsResponseMessage",
    "listMessage": "listMessage",
    "listResponseMessage": "listResponseMessage",
    "templateMessage": "templateMessage",
    "templateButtonsReplyMessage": "templateButtonReplyMessage",
    "interactiveButtons": "interactiveButtons",
    "interactiveButtonsReply": "interactiveButtonsReply",
}
EXTENDED = {"text", "description", "title", "previewType", "jpegThumbnail", "forwardingScore", "isForwarded"}


def everything_on(client: Any) -> None:
    settings = client.get("getSettings").json()
    client.post("setSettings", **{name: "yes" for name in settings if name.endswith("Webhook")})


def after_sending(client: Any, **more: Any) -> list[dict[str, Any]]:
    """What the queue brings after a text was sent."""
    everything_on(client)
    client.post("sendMessage", chatId=CHAT[client.instance.type_instance], message="Hi", **more)
    return list(client.drain())


@pytest.mark.parametrize("type_webhook", sorted(TYPES))
def test_7_1_every_documented_kind_comes_through_the_queue(client: Any, type_webhook: str) -> None:
    """The examples have it, and it comes as it was pushed."""
    bodies = [body for body in EXAMPLES if body["typeWebhook"] == type_webhook]
    assert bodies
    client.gateway.push(*bodies)
    assert client.drain() == bodies


def test_7_1_an_unknown_kind_comes_through_the_queue(client: Any) -> None:
    """Nothing in the queue depends on knowing a kind."""
    client.gateway.push({"typeWebhook": "somethingNew"}, {"typeWebhook": 7})
    assert client.drain() == [{"typeWebhook": "somethingNew"}, {"typeWebhook": 7}]


@pytest.mark.parametrize("product", PRODUCTS)
def test_7_2_each_body_says_whose_it_is_and_when(emulate: Any, product: str) -> None:
    """``instanceData`` of three fields, UNIX time in seconds; the receipt id stands beside the body."""
    client = emulate(type_instance=product)
    client.gateway.media_message("a.png", 10, chat_id=CHAT[product])
    for body in [*client.drain(), *after_sending(client)]:
        data = body["instanceData"]
        assert data.keys() == {"idInstance", "wid", "typeInstance"}
        assert data["idInstance"] == int(client.gateway.id_instance)
        assert (type(data["wid"]), data["typeInstance"]) == (str, product)
        assert type(body["timestamp"]) is int
        assert abs(body["timestamp"] - time.time()) < 60
        assert "receiptId" not in body


def test_7_2_the_example_of_a_quota_has_no_timestamp(client: Any) -> None:
    """As on the page and in the vendor's schema; its data stands under ``quotaData``."""
    (body,) = (body for body in EXAMPLES if body["typeWebhook"] == "quotaExceeded")
    assert "timestamp" not in body
    assert {"method", "used", "total", "status", "description"} <= body["quotaData"].keys()


@pytest.mark.parametrize("product", PRODUCTS)
def test_7_3_sender_data_has_the_fields_of_the_product(emulate: Any, product: str) -> None:
    """Telegram and MAX add three; an outgoing message names the chat it went to and the own account."""
    client = emulate(type_instance=product)
    client.gateway.media_message("a.png", 10, chat_id=CHAT[product])
    incoming, outgoing = client.drain()[0], after_sending(client)[0]
    fields = {"chatId", "sender", "chatName", "senderName", "senderContactName"}
    if product != "whatsapp":
        fields |= {"chatType", "senderType", "senderPhoneNumber"}
    assert incoming["senderData"].keys() == outgoing["senderData"].keys() == fields
    assert incoming["senderData"]["sender"] == CHAT[product]
    assert outgoing["senderData"]["chatId"] == CHAT[product]
    assert outgoing["senderData"]["sender"] != CHAT[product]


@pytest.mark.parametrize(("product", "digits"), [("whatsapp", False), ("telegram", True), ("v3", True)])
def test_7_4_message_ids_are_strings_in_the_form_of_the_product(
    emulate: Any, product: str, digits: bool
) -> None:
    """Hexadecimal on WhatsApp, digits on the others; every event of a message names the same one."""
    client = emulate(type_instance=product)
    ids = {body["idMessage"] for body in after_sending(client)}
    (id_message,) = ids
    assert id_message.isdigit() if digits else int(id_message, 16)


@pytest.mark.parametrize("type_message", sorted(PAYLOADS))
def test_7_5_every_documented_kind_of_message_has_its_payload(client: Any, type_message: str) -> None:
    """The examples have the kind under the documented key, and it comes as it was pushed."""
    bodies = [body for body in EXAMPLES if body.get("messageData", {}).get("typeMessage") == type_message]
    assert any(PAYLOADS[type_message] in body["messageData"] for body in bodies)
    client.gateway.push(*bodies)
    assert client.drain() == bodies


def test_7_5_a_text_sent_by_api_comes_back_as_an_extended_one(client: Any) -> None:
    """Recorded: with ``previewType`` "None" and the empty fields."""
    body = after_sending(client)[0]
    assert body["typeWebhook"] == "outgoingAPIMessageReceived"
    assert body["messageData"]["typeMessage"] == "extendedTextMessage"
    data = body["messageData"]["extendedTextMessageData"]
    assert data.keys() >= EXTENDED
    assert (data["text"], data["previewType"], data["description"]) == ("Hi", "None", "")


def test_7_5_a_quote_sent_by_api_names_what_it_quotes(client: Any) -> None:
    """The text under ``extendedTextMessageData``, the other message under ``quotedMessage``."""
    quoted = "3EB0A1B2C3D4E5F60102"
    data = after_sending(client, quotedMessageId=quoted)[0]["messageData"]
    assert data["typeMessage"] == "quotedMessage"
    assert data["extendedTextMessageData"]["text"] == "Hi"
    assert data["quotedMessage"]["stanzaId"] == quoted


def test_7_5_a_reply_carries_the_text_of_what_it_quotes(client: Any) -> None:
    """Recorded: a quoted extended text has both ``textMessage`` and ``extendedTextMessage``."""
    client.gateway.reply("Hi", "yes")
    data = after_sending(client)[-1]["messageData"]
    assert data["quotedMessage"]["typeMessage"] == "extendedTextMessage"
    assert data["quotedMessage"]["textMessage"] == "Hi"
    assert data["quotedMessage"]["extendedTextMessage"]["text"] == "Hi"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image"), ("a.mp4", "video"), ("a.mp3", "audio"), ("a.pdf", "document"), ("a", "document")],
)
def test_7_5_a_file_has_the_payload_of_files(client: Any, name: str, kind: str) -> None:
    """The ending decides on the kind; all eight fields are there."""
    client.gateway.media_message(name, 10, caption="label")
    data = client.receive()["body"]["messageData"]
    assert data["typeMessage"] == f"{kind}Message"
    assert data["fileMessageData"].keys() == {
        *("downloadUrl", "caption", "fileName", "jpegThumbnail"),
        *("isAnimated", "mimeType", "forwardingScore", "isForwarded"),
    }


@pytest.mark.parametrize(
    ("product", "statuses"),
    [
        ("whatsapp", ["sent", "delivered", "read"]),
        ("telegram", ["delivered", "read"]),
        ("v3", ["delivered", "read"]),
    ],
)
def test_7_6_a_sent_message_goes_through_the_statuses_of_the_product(
    emulate: Any, product: str, statuses: list[str]
) -> None:
    """``sent`` is WhatsApp's alone; chat, message and status stand at the top of the body."""
    client = emulate(type_instance=product)
    found = [body for body in after_sending(client) if body["typeWebhook"] == "outgoingMessageStatus"]
    assert [body["status"] for body in found] == statuses
    for body in found:
        assert (body["chatId"], body["sendByApi"]) == (CHAT[product], True)


@pytest.mark.parametrize("status", ["failed", "noAccount", "notInGroup", "yellowCard", "suspended"])
def test_7_6_a_message_can_get_any_documented_status(client: Any, status: str) -> None:
    """Whatever a test chooses comes as the status of the message."""
    client.gateway.deliver_as("sent", status)
    assert [body.get("status") for body in after_sending(client)][1:] == ["sent", status]


def test_7_6_failed_may_come_though_the_message_was_delivered(client: Any) -> None:
    """Reported; and an empty status, too."""
    client.gateway.deliver_as("failed", "delivered", "")
    assert [body.get("status") for body in after_sending(client)][1:] == ["failed", "delivered", ""]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("stateInstanceChanged", {"stateInstance"}),
        ("statusInstanceChanged", {"statusInstance"}),
        ("incomingCall", {"from", "status", "idMessage"}),
        ("outgoingCall", {"from", "status", "idMessage"}),
        ("incomingBlock", {"chatId", "chatState"}),
        ("quotaExceeded", {"quotaData"}),
    ],
)
def test_7_7_the_examples_of_other_events_have_their_fields(kind: str, fields: set[str]) -> None:
    """Each of them, in every example."""
    bodies = [body for body in EXAMPLES if body["typeWebhook"] == kind]
    assert bodies
    assert all(fields <= body.keys() for body in bodies)


@pytest.mark.parametrize(
    ("setting", "method", "more"),
    [
        ("editedMessageWebhook", "editMessage", {"message": "Hello"}),
        ("deletedMessageWebhook", "deleteMessage", {}),
    ],
)
@pytest.mark.parametrize("value", ["yes", "no"])
def test_7_5_edits_and_deletions_come_only_with_their_settings_on(
    client: Any, setting: str, method: str, more: dict[str, str], value: str
) -> None:
    """With it on, the notification names the message that was changed."""
    chat_id = CHAT["whatsapp"]
    client.post("setSettings", **{setting: value, "outgoingAPIMessageWebhook": "yes"})
    id_message = client.post("sendMessage", chatId=chat_id, message="Hi").json()["idMessage"]
    client.drain()
    assert client.post(method, chatId=chat_id, idMessage=id_message, **more).status_code == 200
    changes = [body["messageData"] for body in client.drain()]
    assert bool(changes) is (value == "yes")
    for data in changes:
        assert data[f"{data['typeMessage']}Data"]["stanzaId"] == id_message


def test_7_7_a_change_of_the_state_tells_of_itself(client: Any) -> None:
    """With the setting on; the event has the new state."""
    client.get("logout")
    assert [(body["typeWebhook"], body["stateInstance"]) for body in client.gateway.queue()] == [
        ("stateInstanceChanged", "notAuthorized")
    ]
    client.gateway.state("authorized")
    client.post("setSettings", stateWebhook="no")
    client.get("clearWebhooksQueue")
    client.get("logout")
    assert client.gateway.queue() == []
