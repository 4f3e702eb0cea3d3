"""Section 10 of the contract: sending."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.contract.answers import details_of

CHAT = "12025550101@c.us"
DAY = 24 * 3600
LENGTHS = [("whatsapp", 20000), ("telegram", 4096), ("v3", 4000)]
QUOTED = "3EB0A1B2C3D4E5F60102"


def send_utf8(client: Any, message: str) -> Any:
    """Send a text as UTF-8: escaped, a long one would be larger than the gateway takes in."""
    data = json.dumps({"chatId": chat_of(client), "message": message}, ensure_ascii=False)
    return client.session.post(client.url("sendMessage"), data=data.encode())


def chat_of(client: Any) -> str:
    return CHAT if client.instance.type_instance == "whatsapp" else "10000101"


def test_10_send_message_answers_the_id_of_the_message(client: Any) -> None:
    """With all optional fields, too: ``{"idMessage": …}`` and nothing else."""
    data = {"quotedMessageId": QUOTED, "linkPreview": False, "typingTime": 1000}
    for more in ({}, data):
        response = client.post("sendMessage", chatId=CHAT, message="Hi", **more)
        assert response.status_code == 200
        assert response.json().keys() == {"idMessage"}
        assert isinstance(response.json()["idMessage"], str)


@pytest.mark.parametrize("typing_time", [999, 20001, "long"])
def test_10_typing_time_has_bounds(client: Any, typing_time: Any) -> None:
    """1000 to 20000 milliseconds."""
    for right in (1000, 20000):
        assert client.post("sendMessage", chatId=CHAT, message="a", typingTime=right).status_code == 200
    assert "'typingTime'" in details_of(
        client.post("sendMessage", chatId=CHAT, message="a", typingTime=typing_time)
    )


def test_10_success_means_queued_and_not_delivered(client: Any) -> None:
    """Without authorization the message waits, in order, and goes out afterwards."""
    client.post("setSettings", outgoingAPIMessageWebhook="yes")
    client.gateway.state("notAuthorized")
    ids = [client.post("sendMessage", chatId=CHAT, message=text).json()["idMessage"] for text in "ab"]
    shown = client.get("showMessagesQueue").json()
    assert [entry["messageID"] for entry in shown] == ids
    client.gateway.state("authorized")
    assert [body["idMessage"] for body in client.drain()] == ids


def test_10_the_send_queue_keeps_a_message_for_24_hours(client: Any) -> None:
    """Then it is gone, unsent."""
    client.post("setSettings", outgoingAPIMessageWebhook="yes")
    client.gateway.state("notAuthorized")
    client.post("sendMessage", chatId=CHAT, message="late")
    client.gateway.advance(DAY + 1)
    client.gateway.state("authorized")
    assert client.receive() is None
    assert client.get("lastOutgoingMessages").json() == []


def test_10_messages_leave_the_send_queue_one_after_the_other(emulate: Any) -> None:
    """Spaced by a delay, which the switch sets in place of the setting."""
    client = emulate(send_delay=10)
    for text in "ab":
        client.post("sendMessage", chatId=CHAT, message=text)
    counts = []
    for _ in range(3):
        counts.append(client.get("getMessagesCount").json()["count"])
        client.gateway.advance(10)
    assert counts == [2, 1, 0]


@pytest.mark.parametrize(("product", "limit"), LENGTHS)
def test_10_a_message_has_the_length_of_the_product_at_most(emulate: Any, product: str, limit: int) -> None:
    """One character more is refused with the documented text."""
    client = emulate(type_instance=product)
    assert send_utf8(client, "ä" * limit).status_code == 200
    response = send_utf8(client, "ä" * (limit + 1))
    assert details_of(response) == f"'message' length must be less than or equal to {limit} characters long"


def test_10_an_emoji_counts_twice_towards_the_length(client: Any) -> None:
    """Inferred: JavaScript counts UTF-16 units."""
    assert send_utf8(client, "😀" * 10_000).status_code == 200
    assert send_utf8(client, "😀" * 10_000 + "a").status_code == 400


def test_10_an_answer_that_was_lost_means_nothing_for_the_message(client: Any) -> None:
    """Reported: after a timeout of the client the message was queued all the same."""
    client.gateway.fault("500_after", method="sendMessage")
    assert client.post("sendMessage", chatId=CHAT, message="once").status_code == 500
    assert [entry["textMessage"] for entry in client.get("lastOutgoingMessages").json()] == ["once"]


@pytest.mark.parametrize(
    "chat_id", [CHAT, "120363025550000042@g.us", "12025550100-1600000000@g.us", "200000000000042@lid"]
)
def test_10_a_whatsapp_chat_has_one_of_the_documented_forms(client: Any, chat_id: str) -> None:
    """Phone, group old and new, LID."""
    assert client.post("sendMessage", chatId=chat_id, message="a").status_code == 200


@pytest.mark.parametrize("chat_id", ["12025550101", "Anna", "12025550101@c", "@c.us"])
def test_10_another_form_of_a_whatsapp_chat_is_refused(client: Any, chat_id: str) -> None:
    """Recorded: the text names the three forms."""
    response = client.post("sendMessage", chatId=chat_id, message="a")
    assert details_of(response) == (
        "'chatId' must be one of the next formats: 'phone_number@c.us', 'chat_id@lid' or 'group_id@g.us'"
    )


@pytest.mark.parametrize(
    ("data", "details"),
    [
        ({"chatId": ""}, "'chatId' is not allowed to be empty"),
        ({"chatId": None}, "'chatId' must be a string"),
        ({"chatId": 7}, "'chatId' must be a string"),
        ({"quotedMessageId": "short"}, "'message id' must be at least 16 symbols"),
        ({"linkPreview": "test"}, "'linkPreview' must be a boolean"),
    ],
)
def test_10_a_wrong_field_is_refused_in_the_recorded_words(
    client: Any, data: dict[str, Any], details: str
) -> None:
    """Empty, null, too short, of another kind."""
    response = client.post("sendMessage", **{"chatId": CHAT, "message": "a", **data})
    assert details_of(response) == details
    assert client.get("lastOutgoingMessages").json() == []


@pytest.mark.parametrize("product", ["telegram", "v3"])
@pytest.mark.parametrize("chat_id", ["10000101", "-10000000000042", "12025550101@c.us"])
def test_10_other_products_have_numbers_for_chats(emulate: Any, product: str, chat_id: str) -> None:
    """Negative for groups; a phone number with ``@c.us`` is taken for sending, and never told."""
    client = emulate(type_instance=product)
    client.post("setSettings", outgoingAPIMessageWebhook="yes")
    assert client.post("sendMessage", chatId=chat_id, message="a").status_code == 200
    assert client.receive()["body"]["senderData"]["chatId"] == chat_id.removesuffix("@c.us")


def test_10_send_file_by_url_answers_the_id_of_the_message(client: Any) -> None:
    """With a caption and without."""
    for more in ({}, {"caption": "label"}):
        data = {"chatId": CHAT, "urlFile": "https://example.org/a.pdf", "fileName": "a.pdf", **more}
        assert client.post("sendFileByUrl", **data).json().keys() == {"idMessage"}


def test_10_send_file_by_upload_answers_the_id_and_the_link(client: Any) -> None:
    """A multipart form; the link brings the same bytes."""
    response = client.session.post(
        client.url("sendFileByUpload"),
        data={"chatId": CHAT, "fileName": "a.pdf", "caption": "label"},
        files={"file": ("tmp", b"content")},
    )
    assert response.json().keys() == {"idMessage", "urlFile"}
    assert client.session.get(response.json()["urlFile"]).content == b"content"


@pytest.mark.parametrize(("length", "status"), [(1024, 200), (1025, 400)])
def test_10_a_caption_has_1024_characters_at_most(client: Any, length: int, status: int) -> None:
    """By URL and by upload."""
    data = {
        "chatId": CHAT,
        "urlFile": "https://example.org/a.pdf",
        "fileName": "a.pdf",
        "caption": "c" * length,
    }
    assert client.post("sendFileByUrl", **data).status_code == status
    files = {"file": ("a.pdf", b"x")}
    assert client.session.post(client.url("sendFileByUpload"), data=data, files=files).status_code == status
