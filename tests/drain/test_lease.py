"""The reader's lease: one drain at a time, taken over when its holder is gone, checked before each delete."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_green_notify import stopwatch
from airflow_green_notify.drain import drain, lease
from airflow_green_notify.drain.lease import ReaderLease, renew_all, renewed
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, SqlStore, read_batch
from tests.balance import Balance, balance

QUEUE = "gateway/1101000001"


@contextmanager
def reader(store: NotificationStore, name: str) -> Iterator[ReaderLease]:
    """A lease in the ledger of a store that is opened for it."""
    opened = store.open(f"dag/{name}/drain/-1", QUEUE)
    yield ReaderLease(opened.leases, QUEUE, name)
    opened.release()


def test_lease_is_one_readers_until_it_is_released(store: SqlStore) -> None:
    """The second reader is told who has it, and gets it as soon as it is free."""
    with reader(store, "first") as first, reader(store, "second") as second:
        assert first.take()
        assert not second.take()
        assert second.holder.startswith("first ")
        assert not second.is_valid()
        first.release()
        assert not first.is_valid()
        assert second.take()
        assert second.previous.startswith("first ")


def test_lease_of_a_reader_that_died_runs_out(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody renews it, so it is anybody's after its span; the dead one can't renew it any more."""
    monkeypatch.setattr(lease, "SPAN", 0.3)
    monkeypatch.setattr(lease, "MARGIN", 0.05)
    with reader(store, "first") as first, reader(store, "second") as second:
        assert first.take()
        assert second.wait(5)
        renew_all([first])
        assert not first.is_valid()
        assert second.is_valid()


def test_lease_that_ran_out_and_nobody_took_is_renewed(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that was frozen goes on if it missed nothing."""
    monkeypatch.setattr(lease, "SPAN", 0.3)
    monkeypatch.setattr(lease, "MARGIN", 0.05)
    with reader(store, "first") as first:
        assert first.take()
        time.sleep(0.4)
        assert not first.is_valid()
        renew_all([first])
        assert first.is_valid()


@pytest.mark.parametrize("clock", [0, 1], ids=["the counting clock", "the wall clock"])
def test_lease_is_not_valid_after_a_suspension(
    clock: int, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever clock tells of the time that a machine or process stood still, the holder deletes nothing."""
    now = stopwatch._clocks

    def later() -> tuple[float, float]:
        clocks = list(now())
        clocks[clock] += lease.SPAN - lease.MARGIN + 0.1
        return clocks[0], clocks[1]

    with reader(store, "first") as first:
        assert first.take()
        assert first.is_valid()
        monkeypatch.setattr(stopwatch, "_clocks", later)
        assert not first.is_valid()


def test_lease_is_renewed_while_its_thread_is_busy(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A put that hangs, or a handler that takes minutes, costs nobody the lease."""
    monkeypatch.setattr(lease, "SPAN", 0.5)
    monkeypatch.setattr(lease, "MARGIN", 0.1)
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.1)
    with reader(store, "first") as first, reader(store, "second") as second:
        assert first.take()
        with renewed(first):
            time.sleep(1.2)
            assert first.is_valid()
            assert not second.take()
        assert second.take()


def test_wait_for_a_reader_that_stays_ends_in_time(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is bounded, and no waiting at all is one question."""
    monkeypatch.setattr(lease, "ASK_EVERY", 0.05)
    with reader(store, "first") as first, reader(store, "second") as second:
        assert first.take()
        began = time.monotonic()
        assert not second.wait(0.3)
        assert not second.wait(0)
        assert 0.3 <= time.monotonic() - began < 3


class Interrupted(SqlStore):
    """Lets something happen during its second put."""

    meanwhile: Any = None
    puts = 0

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        Interrupted.puts += 1
        if Interrupted.puts == 2:
            Interrupted.meanwhile()
        return super().put(notification, note)


def test_drain_that_lost_its_lease_deletes_nothing_more_and_ends(
    green_api_connection: GreenApiEmulator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen in a put for longer than its lease, it wakes up beside another reader, and gives way."""
    monkeypatch.setattr(lease, "SPAN", 0.4)
    monkeypatch.setattr(lease, "MARGIN", 0.1)
    green_api_connection.push(*traffic(seed=1, n=4))
    opened = Interrupted("store").open("dag/first/drain/-1", QUEUE)
    first = ReaderLease(opened.leases, QUEUE, "first")
    with reader(store, "second") as second:

        def freeze() -> None:
            time.sleep(0.5)
            assert second.take()

        monkeypatch.setattr(Interrupted, "meanwhile", staticmethod(freeze))
        monkeypatch.setattr(Interrupted, "puts", 0)
        assert first.take()
        report = drain(GreenApiHook(), opened, receive_timeout=0.2, lease=first)
        assert (report.stopped_by, report.deleted) == ("another_reader", 1)
        assert len(green_api_connection.queue()) == 3
    opened.close()


def test_drain_that_lost_its_lease_to_nobody_takes_it_again_and_goes_on(
    green_api_connection: GreenApiEmulator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its receipt id is old by then, so the head is looked at again before it is deleted."""
    monkeypatch.setattr(lease, "SPAN", 0.4)
    monkeypatch.setattr(lease, "MARGIN", 0.1)
    green_api_connection.push(*traffic(seed=1, n=4))
    monkeypatch.setattr(Interrupted, "meanwhile", staticmethod(lambda: time.sleep(1.2)))
    monkeypatch.setattr(Interrupted, "puts", 0)
    opened = Interrupted("store").open("dag/first/drain/-1", QUEUE)
    first = ReaderLease(opened.leases, QUEUE, "first")
    assert first.take()
    with renewed(first):
        report = drain(GreenApiHook(), opened, receive_timeout=0.2, lease=first)
    assert balance(green_api_connection, read_batch(opened.close())) == Balance()
    assert (report.stopped_by, report.deleted, report.received) == ("empty", 4, 5)


def test_two_drains_under_their_leases_work_one_after_the_other(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Started at once, one reads and one waits; nothing is deleted under the other's hands."""
    green_api_connection.push(*traffic(seed=1, n=60))
    reports: dict[str, Any] = {}

    def read(name: str) -> None:
        opened = store.open(f"dag/{name}/drain/-1", QUEUE)
        turn = ReaderLease(opened.leases, QUEUE, name)
        assert turn.wait(30)
        with renewed(turn):
            reports[name] = drain(GreenApiHook(), opened, receive_timeout=0.2, lease=turn)
            reports[f"{name}'s batch"] = opened.close()

    threads = [threading.Thread(target=read, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batches = [read_batch(reports["one's batch"]), read_batch(reports["two's batch"])]
    assert balance(green_api_connection, *batches) == Balance()
    assert [reports[name].other_consumers for name in ("one", "two")] == [0, 0]
