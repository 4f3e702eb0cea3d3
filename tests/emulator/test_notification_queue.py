"""Redelivery, receipt ids, retention and the audit."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.notification_queue import NotificationQueue
from airflow_green_notify.emulator.switches import Switches

DAY = 24 * 3600


def test_new_receipts_make_the_older_ones_useless(emulate: Any, body: Any) -> None:
    """With new receipts each delivery has another id, and only the newest deletes."""
    client = emulate(receipt_id="new")
    client.gateway.push(body())
    old, new = client.receive()["receiptId"], client.receive()["receiptId"]
    assert old != new
    assert client.delete(old).json()["result"] is False
    assert client.delete(new).json()["result"] is True


def test_restarted_receipts_begin_at_one_and_the_old_ones_are_unknown(client: Any, body: Any) -> None:
    """After a restart a remembered id deletes nothing until it is handed out again."""
    client.gateway.push(body(1), body(2))
    client.delete(client.receive()["receiptId"])
    old = client.receive()["receiptId"]
    client.gateway.restart_receipts()
    assert client.delete(old).json()["result"] is False
    assert client.receive()["receiptId"] == 1


def test_split_mode_shows_again_what_was_not_deleted_in_time(emulate: Any, body: Any) -> None:
    """After the time is over, the notification is back at its old place, and only if it wasn't deleted."""
    client = emulate(redelivery="split", redelivery_after=60)
    client.gateway.push(body(1), body(2), body(3))
    client.receive()
    client.delete(client.receive()["receiptId"])
    client.gateway.advance(60)
    assert [client.receive()["body"], client.receive()["body"], client.receive()] == [body(1), body(3), None]
    assert [item["deliveries"] for item in client.gateway.audit()] == [2, 1, 1]


def test_split_mode_wakes_a_receive_when_a_notification_comes_back(emulate: Any, body: Any) -> None:
    """A receive that is held gets the notification whose time to be hidden has run out."""
    client = emulate(redelivery="split", redelivery_after=0.1)
    client.gateway.push(body())
    first = client.receive()
    assert client.receive(60)["body"] == first["body"]


def test_notification_expires_after_a_day(client: Any, body: Any) -> None:
    """What has waited for 24 hours is gone, and the audit says it expired."""
    client.gateway.push(body(1))
    client.gateway.advance(DAY / 2)
    client.gateway.push(body(2))
    receipt_id = client.receive()["receiptId"]
    client.gateway.advance(DAY / 2)
    assert client.receive()["body"] == body(2)
    assert client.delete(receipt_id).json()["result"] is False
    expired, waiting = client.gateway.audit()
    assert expired["expired_at"] == expired["pushed_at"] + DAY
    assert expired["deleted_at"] is None
    assert waiting["expired_at"] is None
    assert client.get("getWebhooksCount").json() == {"count": 1}


def test_audit_tells_of_every_delivery_and_deletion(client: Any, body: Any) -> None:
    """The audit lists all that was pushed, in push order, with what became of it."""
    client.gateway.push(body(1), body(2))
    receipt_id = client.receive()["receiptId"]
    client.receive()
    client.delete(receipt_id)
    client.delete(receipt_id)
    first, second = client.gateway.audit()
    assert (first["number"], first["deliveries"], first["deletions"]) == (0, 2, 1)
    assert first["deleted_at"] >= first["pushed_at"]
    assert second == {
        "number": 1,
        "body": body(2),
        "pushed_at": second["pushed_at"],
        "deliveries": 0,
        "deleted_at": None,
        "deletions": 0,
        "expired_at": None,
        "cleared_at": None,
    }


def test_envelopes_are_pushed_without_their_receipt_id(client: Any, body: Any) -> None:
    """An envelope is unwrapped; the gateway gives its own receipt ids."""
    client.gateway.push({"receiptId": 99, "body": body()})
    assert client.receive() == {"receiptId": 1, "body": body()}


@pytest.mark.parametrize(("redelivery", "receipt_id"), [("head", "stable"), ("split", "new")])
@pytest.mark.slow
def test_queue_of_a_hundred_thousand_comes_out_whole_and_in_order(redelivery: str, receipt_id: str) -> None:
    """In either mode a long queue loses and doubles nothing, and leaves nothing behind."""
    queue = NotificationQueue(Clock(), Switches(redelivery=redelivery, receipt_id=receipt_id))
    assert queue.push(range(100_000)) == 100_000
    for number in range(100_000):
        assert queue.deliver() == b'{"receiptId":%d,"body":%d}' % (number + 1, number)
        assert queue.delete(number + 1)
    assert queue.deliver() is None
    assert queue.count == 0
    assert all(item.deletions == 1 for item in queue.audit())
