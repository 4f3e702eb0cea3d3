"""Section 11 of the contract: journals."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

CHAT = "12025550101@c.us"
EXAMPLES = [envelope["body"] for envelope in example_notifications()]
TEXT, FILE, BY_PHONE = EXAMPLES[0], EXAMPLES[4], EXAMPLES[28]
HOUR = 3600
COMMON = {"type", "idMessage", "timestamp", "typeMessage", "chatId"}


def test_11_last_incoming_messages_are_flat(client: Any) -> None:
    """The text and the file's fields lie at the top of an entry, newest first."""
    client.gateway.push(TEXT, FILE)
    file, text = client.get("lastIncomingMessages").json()
    assert text.keys() >= COMMON | {"senderId", "senderName", "senderContactName", "textMessage"}
    assert file.keys() >= COMMON | {"downloadUrl", "caption", "fileName", "mimeType", "isForwarded"}
    assert (text["type"], text["textMessage"]) == ("incoming", "Order 4182: where is it?")
    assert text["idMessage"] == TEXT["idMessage"]


def test_11_last_outgoing_messages_tell_the_status_and_who_sent(client: Any) -> None:
    """``sendByApi`` tells the API from the phone."""
    client.gateway.push(BY_PHONE)
    id_message = client.post("sendMessage", chatId=CHAT, message="Hi").json()["idMessage"]
    entries = {entry["idMessage"]: entry for entry in client.get("lastOutgoingMessages").json()}
    by_api, by_phone = entries[id_message], entries[BY_PHONE["idMessage"]]
    assert by_api.keys() >= COMMON | {"statusMessage", "sendByApi"}
    assert (by_api["type"], by_api["textMessage"], by_api["sendByApi"]) == ("outgoing", "Hi", True)
    assert by_phone["sendByApi"] is False


@pytest.mark.parametrize("method", ["lastIncomingMessages", "lastOutgoingMessages"])
def test_11_minutes_are_a_day_by_default(client: Any, method: str) -> None:
    """What is older needs more minutes; what is younger can be left out by fewer."""
    client.gateway.push(TEXT, BY_PHONE)
    client.gateway.advance(2 * HOUR)
    assert client.get(method, minutes=60).json() == []
    assert len(client.get(method).json()) == 1
    client.gateway.advance(23 * HOUR)
    assert client.get(method).json() == []
    assert len(client.get(method, minutes=1600).json()) == 1


@pytest.mark.parametrize(
    ("setting", "method"),
    [("incomingWebhook", "lastIncomingMessages"), ("outgoingMessageWebhook", "lastOutgoingMessages")],
)
def test_11_journals_need_the_same_settings(client: Any, setting: str, method: str) -> None:
    """What is off isn't listed either."""
    client.post("setSettings", **{setting: "no"})
    client.gateway.push(TEXT, BY_PHONE)
    assert client.get(method).json() == []


def test_11_entries_may_lag_two_minutes(emulate: Any) -> None:
    """Until then what came in is in the queue alone, and what went out nowhere."""
    client = emulate(journal_lag=120)
    client.gateway.push(TEXT)
    client.post("sendMessage", chatId=CHAT, message="Hi")
    assert client.receive()["body"] == TEXT
    assert client.get("lastIncomingMessages").json() == client.get("lastOutgoingMessages").json() == []
    client.gateway.advance(121)
    assert len(client.get("lastIncomingMessages").json()) == 1
    assert len(client.get("lastOutgoingMessages").json()) == 1


def test_11_a_journal_outlives_the_queue(client: Any) -> None:
    """Deleted in the queue, still in the journal: that makes a backfill."""
    client.gateway.push(TEXT)
    client.drain()
    assert [entry["idMessage"] for entry in client.get("lastIncomingMessages").json()] == [TEXT["idMessage"]]


def test_11_calls_states_and_statuses_are_no_messages(client: Any) -> None:
    """The journals of messages don't cover them."""
    client.gateway.push(*(body for body in EXAMPLES if "messageData" not in body))
    assert client.get("lastIncomingMessages").json() == client.get("lastOutgoingMessages").json() == []


def test_11_get_chat_history_is_of_one_chat_newest_first(client: Any) -> None:
    """Both directions, ``count`` of them at most."""
    client.gateway.push(TEXT, EXAMPLES[1])
    id_message = client.post("sendMessage", chatId=CHAT, message="Hi").json()["idMessage"]
    entries = client.post("getChatHistory", chatId=CHAT).json()
    assert {entry["chatId"] for entry in entries} == {CHAT}
    assert {entry["idMessage"] for entry in entries} == {TEXT["idMessage"], id_message}
    assert len(client.post("getChatHistory", chatId=CHAT, count=1).json()) == 1


def test_11_get_message_is_the_entry_of_one_message(client: Any) -> None:
    """An incoming and a sent one; another id is refused in the recorded words."""
    client.gateway.push(TEXT)
    sent = client.post("sendMessage", chatId=CHAT, message="Hi").json()["idMessage"]
    for id_message, kind in ((TEXT["idMessage"], "incoming"), (sent, "outgoing")):
        entry = client.post("getMessage", chatId=CHAT, idMessage=id_message).json()
        assert (entry["idMessage"], entry["type"], entry["chatId"]) == (id_message, kind, CHAT)
    refusal = client.post("getMessage", chatId=CHAT, idMessage="3EB0FFFFFFFFFFFFFFFF")
    assert refusal.status_code == 400
    assert "Message not found by id 3EB0FFFFFFFFFFFFFFFF" in refusal.text
