"""Receipt ids that grew old: what they name by then stays unharmed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_green_notify.drain import DrainReport, drain
from airflow_green_notify.drain.compare_and_delete import acompare_and_delete
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook, receipt
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore, read_batch
from tests.balance import Balance, balance

FIRST, LATER, LAST = traffic(seed=3, n=3)


def somebody_takes_the_head(gateway: GreenApiEmulator) -> None:
    """Another reader deletes the head; the counter restarts; the next head is shown to somebody who peeks."""
    gateway.switch(receipt_counter="restarts_when_empty", other_consumer_peeks=True)
    with GreenApiHook() as other:
        head = other.receive_notification(1)
        assert head is not None
        other.delete_notification(head.receipt_id)
    gateway.push(LATER)


class SlowStore(SqlStore):
    """Takes more than a moment for the first notification, in which something happens at the gateway."""

    meanwhile: Any = None

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        new = super().put(notification, note)
        if SlowStore.meanwhile is not None:
            happens, SlowStore.meanwhile = SlowStore.meanwhile, None
            happens()
            time.sleep(receipt.FRESH_FOR + 0.1)
        return new


def drained(store: SqlStore, **options: Any) -> tuple[DrainReport, list[Notification]]:
    with store.open("dag/run/task/-1") as opened:
        report = drain(GreenApiHook(), opened, **({"receive_timeout": 0.2} | options))
        return report, list(read_batch(opened.close()))


@pytest.mark.parametrize("overlap", [True, False])
def test_slow_put_deletes_nothing_that_took_the_receipt_id_meanwhile(
    overlap: bool, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """While a put hangs its notification goes, and a new one that nobody stored bears its number."""
    gateway = green_api_connection
    gateway.push(FIRST)
    SlowStore.meanwhile = lambda: somebody_takes_the_head(gateway)
    report, stored = drained(SlowStore("store"), overlap=overlap)
    assert balance(gateway, stored) == Balance()
    assert report.other_consumers == 1


def test_slow_put_with_nobody_else_is_deleted_under_its_new_receipt_id(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """The head is looked at again, and is still the one: one receive more, and nothing else."""
    gateway = green_api_connection
    gateway.push(FIRST, LATER)
    SlowStore.meanwhile = gateway.restart_receipts
    report, stored = drained(SlowStore("store"))
    assert balance(gateway, stored) == Balance()
    assert (report.received, report.deleted, report.other_consumers) == (3, 2, 0)


def test_quick_puts_cost_two_requests_each(green_api_connection: GreenApiEmulator, store: SqlStore) -> None:
    """In quiet times nothing is received twice."""
    green_api_connection.push(*traffic(seed=1, n=20))
    report, _ = drained(store)
    assert (report.received, report.deleted) == (20, 20)
    methods = [request["method"] for request in green_api_connection.requests()]
    assert methods.count("deleteNotification") == 20
    assert methods.count("receiveNotification") == 20 + 2  # empty answers


def test_receive_that_hung_longer_than_allowed_is_made_again(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """An answer that was under way for seconds may be old, so what it names is looked at again."""
    gateway = green_api_connection
    gateway.push(FIRST)
    gateway.fault("slow", method="receiveNotification", seconds=1.5, effect="early")
    report, stored = drained(store)
    assert balance(gateway, stored) == Balance()
    assert (report.received, report.deleted) == (2, 1)


def test_gateway_that_always_takes_long_is_drained_all_the_same(
    green_api_connection: GreenApiEmulator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line so slow that no receipt id is ever fresh costs looks, and not the progress."""
    monkeypatch.setattr(receipt, "FRESH_FOR", -1.0)
    green_api_connection.push(FIRST, LATER)
    report, stored = drained(store)
    assert balance(green_api_connection, stored) == Balance()
    assert report.received == 2 * (1 + receipt.MAX_STALE_LOOKS)


async def test_compare_and_delete_looks_again_where_the_answer_was_under_way_for_long(
    green_api_connection: GreenApiEmulator,
) -> None:
    """The same rule for the delete operator: the late answer's number may name another one by now."""
    gateway = green_api_connection
    gateway.push(FIRST, LAST)
    gateway.fault("slow", method="receiveNotification", seconds=1.5, effect="early")
    async with GreenApiHook() as hook:
        assert await acompare_and_delete(hook, Notification(0, FIRST).key, receive_timeout=0.2)
    methods = [request["method"] for request in gateway.requests()]
    assert methods == ["receiveNotification", "receiveNotification", "deleteNotification"]
    assert gateway.queue() == [LAST]
