"""What a store tells of the messages that it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore

SINCE = datetime.fromtimestamp(1_700_000_000, UTC)


def message(number: int, chat: str = "1@c.us", **fields: Any) -> Notification:
    body = {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001},
        "timestamp": 1_700_000_000 + number,
        "idMessage": f"3EB0{number}",
        "senderData": {"chatId": chat},
    }
    return Notification(number, body | fields)


def test_held_messages_are_those_of_every_batch_finished_or_not(store: NotificationStore) -> None:
    """Instance, chat and message id of what lies in finished batches, in open ones and in this one."""
    with store.open("finished/1") as finished:
        finished.put(message(1))
    unfinished = store.open("unfinished/1")
    unfinished.put(message(2, chat="2@c.us"))
    unfinished.release()
    opened = store.open("this/1")
    opened.put(message(3))
    assert opened.held_messages(SINCE) == {
        ("1101000001", "1@c.us", "3EB01"),
        ("1101000001", "2@c.us", "3EB02"),
        ("1101000001", "1@c.us", "3EB03"),
    }
    opened.release()


def test_held_messages_leave_out_statuses_and_what_is_older(store: NotificationStore) -> None:
    """A status names a message and doesn't bring it."""
    with store.open("batch/1") as opened:
        opened.put(message(1, typeWebhook="outgoingMessageStatus", chatId="1@c.us"))
        opened.put(message(-1))
        opened.put(message(2, typeWebhook="outgoingAPIMessageReceived"))
        opened.put(Notification(3, {"typeWebhook": "incomingMessageReceived"}))
        assert {item.id_message for item in opened.held_messages(SINCE)} == {"3EB02"}


def test_held_messages_of_an_empty_store_are_none(store: NotificationStore) -> None:
    """Nothing was ever stored."""
    with store.open("batch/1") as opened:
        assert opened.held_messages(SINCE) == set()
