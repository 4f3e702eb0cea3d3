"""Journal entries as notifications: shaped like what the queue would have brought."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol.journal import journal_notification

INSTANCE = {"idInstance": 7103000042, "wid": "12025550100@c.us", "typeInstance": "whatsapp"}
MESSAGES = [
    envelope["body"]
    for envelope in example_notifications()
    if envelope["body"]["typeWebhook"].endswith("MessageReceived")
]
SAME_COLUMNS = (
    "type_webhook",
    "type_message",
    "notified_at",
    "chat_id",
    "sender",
    "sender_name",
    "id_message",
    "text",
    "download_url",
    "file_name",
    "mime_type",
    "quoted_id",
)


@pytest.mark.parametrize("body", MESSAGES, ids=lambda body: body["messageData"]["typeMessage"])
def test_journal_notification_has_the_columns_of_what_the_queue_brings(
    green_api_connection: GreenApiEmulator, body: dict[str, Any]
) -> None:
    """Each example of a message, flattened by the journal, reads the same again."""
    green_api_connection.push(body)
    with GreenApiHook() as hook:
        (entry,) = hook.last_incoming_messages(5) + hook.last_outgoing_messages(5)
    found, expected = journal_notification(entry, INSTANCE).as_row(), Notification(1, body).as_row()
    assert {name: found[name] for name in SAME_COLUMNS} == {name: expected[name] for name in SAME_COLUMNS}


def test_journal_notification_keeps_its_key_while_status_and_links_change() -> None:
    """A repeated backfill recognises an entry whose status, timestamp and link moved on."""
    entry = {"type": "outgoing", "idMessage": "3EB0", "chatId": "1@c.us", "timestamp": 1, "downloadUrl": "a"}
    later = entry | {"statusMessage": "read", "timestamp": 2, "downloadUrl": "b"}
    other = entry | {"idMessage": "3EB1"}
    keys = [journal_notification(item, INSTANCE).key for item in (entry, later, other)]
    assert keys[0] == keys[1] != keys[2]


def test_journal_notification_of_the_same_id_in_another_chat_is_another_where_ids_are_the_chats() -> None:
    """On WhatsApp an id is unique and a chat has two names; in Telegram and MAX ids are unique in a chat."""
    entry = {"type": "incoming", "idMessage": "17"}
    chats = ("1@c.us", "2@lid", "US.13491208655302741918", "10000042", "-10000043")
    keys = [journal_notification(entry | {"chatId": chat}, INSTANCE).key for chat in chats]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 3


def test_journal_notification_keeps_the_whole_entry() -> None:
    """What the conversion doesn't know stays readable in the body."""
    entry = {"type": "incoming", "idMessage": "3EB0", "chatId": "1@c.us", "newField": {"x": [1]}}
    assert journal_notification(entry, INSTANCE).body["journalEntry"] == entry


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"type": 7, "timestamp": "soon", "typeMessage": None},
        {"extendedTextMessage": "text", "contact": 5},
    ],
)
def test_journal_notification_of_an_odd_entry_never_raises(entry: dict[str, Any]) -> None:
    """An entry of an unknown form becomes a notification all the same."""
    assert journal_notification(entry, INSTANCE).as_row()["instance_id"] == "7103000042"
