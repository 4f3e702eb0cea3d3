"""What a store tells of the messages that it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.message import journal_key, message_of
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore
from airflow_green_notify.stores.dead_letter import dead_letter
from airflow_green_notify.stores.held import JOURNAL

NOW = datetime.now(UTC)


def message(number: int, chat: str = "1@c.us", received: datetime = NOW, **fields: Any) -> Notification:
    body = {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001},
        "timestamp": 1_700_000_000 + number,
        "idMessage": f"3EB0{number}",
        "senderData": {"chatId": chat},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Hello"}},
    }
    return Notification(number, body | fields, received_at=received)


def of_type(type_message: str, text: str = "Hello") -> dict[str, Any]:
    return {"typeMessage": type_message, "editedMessageData": {"textMessage": text}}


def undecrypted() -> dict[str, Any]:
    return {"typeMessage": "textMessage", "textMessageData": {"textMessage": "{{SWE001}}"}}


def from_journal(notification: Notification) -> Notification:
    """What a backfill would put for the message."""
    found = message_of(notification)
    assert found is not None
    return Notification(0, {"entry": notification.body}, key=journal_key(found))


@pytest.fixture
def backfilled(store: NotificationStore) -> Callable[..., NotificationStore]:
    """Put as a backfill does, in a batch that it closes or dies in; return the store opened by a drain."""

    def put(*notifications: Notification, is_closed: bool = True) -> NotificationStore:
        batch = store.open("dag/run/backfill/-1", f"queue{JOURNAL}")
        for notification in notifications:
            assert batch.put(from_journal(notification), {"source": "journal"})
        if is_closed:
            batch.close()
        batch.release()
        return store.open("dag/run/drain/-1", "queue")

    return put


# --- what a store holds ---


def test_held_messages_are_those_of_every_batch_finished_or_not(store: NotificationStore) -> None:
    """Instance and message id of what lies in finished batches, in open ones and in this one."""
    with store.open("finished/1") as finished:
        finished.put(message(1))
    unfinished = store.open("unfinished/1")
    unfinished.put(message(2, chat="2@c.us"))
    unfinished.release()
    opened = store.open("this/1")
    opened.put(message(3, chat="10000042"))
    assert opened.held_messages(NOW) == {
        ("1101000001", "", "3EB01", "incoming"),
        ("1101000001", "", "3EB02", "incoming"),
        ("1101000001", "10000042", "3EB03", "incoming"),
    }
    opened.release()


def test_held_messages_are_the_same_from_rows_and_from_bodies(store: NotificationStore) -> None:
    """Each kind has one identity, whichever columns it is told from."""
    given = [
        message(1),
        message(2, typeWebhook="outgoingAPIMessageReceived"),
        message(3, messageData=of_type("editedMessage", "New text")),
        message(4, messageData=of_type("deletedMessage")),
        message(5, messageData=undecrypted()),
        message(6, timestamp=None),
        message(7, timestamp=-62_135_596_800),
    ]
    with store.open("batch/1") as opened:
        for notification in given:
            opened.put(notification)
        assert opened.held_messages(NOW) == {message_of(notification) for notification in given}
    assert len({message_of(notification) for notification in given}) == len(given)


def test_held_messages_leave_out_statuses_and_what_was_received_before(store: NotificationStore) -> None:
    """A status names a message and doesn't bring it."""
    with store.open("batch/1") as opened:
        opened.put(message(1, typeWebhook="outgoingMessageStatus", chatId="1@c.us"))
        opened.put(message(3, received=NOW - timedelta(seconds=1)))
        opened.put(message(2, typeWebhook="outgoingAPIMessageReceived"))
        opened.put(Notification(3, {"typeWebhook": "incomingMessageReceived"}))
        assert {item.id_message for item in opened.held_messages(NOW)} == {"3EB02"}


def test_held_messages_of_an_empty_store_are_none(store: NotificationStore) -> None:
    """Nothing was ever stored."""
    with store.open("batch/1") as opened:
        assert opened.held_messages(NOW) == set()


# --- what a backfill brought first ---


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "died"])
def test_message_that_a_backfill_stored_is_there_when_the_queue_brings_it(
    is_closed: bool, backfilled: Callable[..., NotificationStore]
) -> None:
    """On WhatsApp also under the chat's other id; the next message is new."""
    with backfilled(message(1), message(2), is_closed=is_closed) as opened:
        assert opened.put(message(1)) is False
        assert opened.put(message(2, chat="200000000000042@lid")) is False
        assert opened.put(message(3)) is True
    assert opened.close()["count"] == 1


def test_another_message_is_not_taken_for_the_one_that_a_backfill_stored(
    backfilled: Callable[..., NotificationStore],
) -> None:
    """Its status, its edits, its deletion, its text behind a marker, and its namesake in another chat."""
    stored = [message(1), message(2, chat="10000042"), message(3, messageData=undecrypted())]
    with backfilled(*stored) as opened:
        assert opened.put(message(1, typeWebhook="outgoingMessageStatus", status="read"))
        assert opened.put(message(1, typeWebhook="outgoingMessageReceived"))
        assert opened.put(message(1, messageData=of_type("editedMessage", "First")))
        assert opened.put(message(1, messageData=of_type("editedMessage", "Second")))
        assert opened.put(message(1, messageData=of_type("deletedMessage")))
        assert opened.put(message(1, messageData=undecrypted()))
        assert opened.put(message(2, chat="10000043"))
        assert opened.put(message(3))
        assert opened.put(message(1, instanceData={"idInstance": 1101000002}))


def test_dead_letter_of_a_message_that_a_backfill_stored_is_kept(
    backfilled: Callable[..., NotificationStore],
) -> None:
    """It is more than the message: the note tells why."""
    with backfilled(message(1)) as opened:
        assert opened.put(*dead_letter(message(1), {"error_type": "KeyError"})) is True


def test_message_that_a_backfill_stores_between_two_leases_is_seen(store: NotificationStore) -> None:
    """A drain that stood still takes the lease again, and looks again."""
    drain = store.open("dag/run/drain/-1", "queue")
    assert drain.leases.take_leases(["queue"], "drain", 0.01)["queue"][0] == "drain"
    assert drain.put(message(1))
    with store.open("dag/run/backfill/-1", f"queue{JOURNAL}") as backfill:
        backfill.put(from_journal(message(2)), {"source": "journal"})
    assert drain.leases.take_leases(["queue"], "drain", 20)["queue"][0] == "drain"
    assert drain.put(message(2)) is False
    drain.release()


def test_message_of_a_backfill_that_was_handed_on_is_still_known(
    store: NotificationStore, backfilled: Callable[..., NotificationStore]
) -> None:
    """The next backfill finds that the one before succeeded; then the queue brings the message after all."""
    drain = backfilled(message(1))
    with store.open("dag/next/backfill/-1", f"queue{JOURNAL}") as following:
        (record,) = following.not_handed_on()
        following.settle(record, "confirmed")
        assert following.not_handed_on() == []
    assert drain.put(message(1)) is False, "stored twice, under two keys"
    drain.release()
