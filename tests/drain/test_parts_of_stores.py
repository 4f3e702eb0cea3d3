"""Who uses a store needs one part of it: what has that part alone will do, in any class."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_green_notify.drain import DrainReport, adrain, drain
from airflow_green_notify.drain.handling import DeadLetterStore, NotificationHandler
from airflow_green_notify.drain.lease import ReaderLease, renew_all
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationSink, SqlStore, read_batch
from airflow_green_notify.stores.notification_store import BatchLedger, LeaseLedger
from tests.balance import key_of
from tests.stores.conftest import some

QUEUE = "gateway/1101000001"


class Shelf:
    """Whatever it is that makes notifications durable: it can put, and nothing else."""

    def __init__(self, room: int = 1000) -> None:
        self.keys: list[str] = []
        self._room = room

    def put(self, notification: Notification) -> bool:
        if len(self.keys) == self._room:
            raise NotificationStoreError("The shelf is full.")
        is_new = notification.key not in self.keys
        self.keys += [notification.key] * is_new
        return is_new


class Part:
    """A store of which nobody gets more than the methods of one protocol."""

    def __init__(self, store: Any, protocol: type) -> None:
        self._store = store
        self._names = {name for part in protocol.__mro__ for name in vars(part) if not name.startswith("_")}

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(f"{name} is no part of it")
        return getattr(self._store, name)


def from_sync_code(*arguments: Any, **options: Any) -> DrainReport:
    return drain(*arguments, **options)


def from_async_code(*arguments: Any, **options: Any) -> DrainReport:
    return asyncio.run(adrain(*arguments, **options))


@pytest.mark.parametrize("drained", [from_sync_code, from_async_code])
def test_drain_needs_a_sink_alone(drained: Any, green_api_connection: GreenApiEmulator) -> None:
    """Each notification is put once, in queue order, and deleted."""
    green_api_connection.push(*traffic(seed=1, n=6))
    keys = [key_of(body) for body in green_api_connection.queue()]
    shelf = Shelf()
    report = drained(GreenApiHook(), shelf, receive_timeout=0.2)
    assert shelf.keys == keys
    assert (report.stored, report.deleted, green_api_connection.queue()) == (6, 6, [])


def test_drain_into_a_sink_that_fails_leaves_the_rest_in_the_queue(
    green_api_connection: GreenApiEmulator,
) -> None:
    """Nothing is deleted that no put has returned for."""
    green_api_connection.push(*traffic(seed=1, n=6))
    shelf = Shelf(room=2)
    with pytest.raises(NotificationStoreError, match="shelf is full"):
        drain(GreenApiHook(), shelf, receive_timeout=0.2)
    left = [key_of(body) for body in green_api_connection.queue()]
    assert (len(shelf.keys), len(left)) == (2, 4)
    assert not {*shelf.keys} & {*left}


def test_drain_sorts_into_two_sinks(green_api_connection: GreenApiEmulator) -> None:
    """What is accepted goes into the one, the rest into the other."""
    green_api_connection.push(*traffic(seed=1, n=30))
    bodies = green_api_connection.queue()
    accepted, rest = Shelf(), Shelf()
    wanted = NotificationFilter(type_webhook="incomingMessageReceived")
    drain(GreenApiHook(), accepted, accept=wanted, unmatched=rest, receive_timeout=0.2)
    messages = [key_of(body) for body in bodies if body["typeWebhook"] == "incomingMessageReceived"]
    assert accepted.keys == messages
    assert {*rest.keys} == {key_of(body) for body in bodies} - {*messages}


def test_handler_is_a_sink_and_needs_attempts_and_dead_letters_of_a_store(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """It poses as no store, and uses of one what stands in the protocol."""
    green_api_connection.push(*traffic(seed=1, n=3))
    poison = key_of(green_api_connection.queue()[1])

    def handler(notification: Notification) -> None:
        if notification.key == poison:
            raise KeyError("no such customer")

    assert {name for name in vars(NotificationHandler) if not name.startswith("_")} == {"put", "attempt"}
    with store.open("dag/run/process/-1") as opened:
        handling = NotificationHandler(handler, 2, Part(opened, DeadLetterStore))
        drain(GreenApiHook(), handling, receive_timeout=0.2)
    assert (handling.handled, handling.dead_letters, green_api_connection.queue()) == (2, 1, [])
    assert [letter.key for letter in read_batch(opened.close())] == [poison]


def test_handler_that_stops_needs_no_more_of_a_store_either(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """It lets attempts be counted anew, and leaves the notification at the head."""
    green_api_connection.push(*traffic(seed=1, n=2))

    def handler(notification: Notification) -> None:
        raise KeyError("no such customer")

    with store.open("dag/run/process/-1") as opened:
        handling = NotificationHandler(handler, 1, Part(opened, DeadLetterStore), sets_aside=False)
        with pytest.raises(AirflowFailException, match="stays at the head of the queue"):
            drain(GreenApiHook(), handling, receive_timeout=0.2)
        assert opened.begin_attempt(key_of(green_api_connection.queue()[0])) == 1
    assert len(green_api_connection.queue()) == 2


def test_adopting_and_reading_need_one_ledger_each(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A lease is taken in the ledger of leases, what was forgotten is adopted in that of batches."""
    died = store.open("dag/run 1/drain/-1", QUEUE)
    for notification in some(2):
        died.put(notification)
    died.release()
    green_api_connection.push(*traffic(seed=1, n=2))
    with store.open("dag/run 2/drain/-1", QUEUE) as opened:
        lease = ReaderLease(Part(opened.leases, LeaseLedger), QUEUE, "dag/run 2/drain/-1")
        assert lease.take()
        assert adopt_forgotten(Part(opened, BatchLedger), lambda record: "unfinished") == 2
        sink = Part(opened, NotificationSink)
        report = drain(GreenApiHook(), sink, receive_timeout=0.2, lease=lease)
        renew_all([lease])
        assert lease.is_valid()
        lease.release()
    assert report.deleted == 2
    assert len(read_batch(opened.close())) == 4


def test_handler_in_a_log_shows_nothing_that_it_holds() -> None:
    """A handler may be bound to a password."""

    def forward(notification: Notification, password: str) -> None: ...

    handling = NotificationHandler(partial(forward, password="hunter2hunter2"), 3, None)
    assert "hunter2" not in f"{handling} {handling!r}"
