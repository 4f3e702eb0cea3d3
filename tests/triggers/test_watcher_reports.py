"""What a doorbell reports into a store, and that it looks and rings whatever becomes of the store."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from sqlalchemy import event
from sqlalchemy.engine import Engine

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.report import Report
from airflow_green_notify.triggers import (
    GreenApiDoorbellTrigger,
    fleet,
    report_writer,
    watch,
    watcher_reports,
)
from tests.triggers.conftest import CONNECTION, HOLD, body, take_head

ONE_DOORBELL = f"doorbell of '{CONNECTION}'"
OTHER_ARGUMENTS = {"min_ring_interval": 0.2, "ring_again_after": 30.0, "receive_timeout": HOLD}


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_writer, "INTERVAL", 0.2)
    for module in (report_writer, watcher_reports):
        monkeypatch.setattr(module, "MIN_INTERVAL", 0.1)
    monkeypatch.setattr(fleet, "PACE", 0.1)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the store."""
    place = tmp_path / "store.db"
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": str(place)}))
    return place


@pytest.fixture
def store(database: Path) -> SqlStore:
    return SqlStore("store")


def doorbell(store: Any, conn_id: Any = CONNECTION, **changes: Any) -> GreenApiDoorbellTrigger:
    return GreenApiDoorbellTrigger(conn_id, **{**OTHER_ARGUMENTS, "report_to": store, **changes})


async def reported(store: Any, is_meant: Callable[[Report], bool]) -> Report:
    """Wait until a report says so."""
    async with asyncio.timeout(15):
        while True:
            for report in await asyncio.to_thread(store.reports):
                if is_meant(report):
                    return report
            await asyncio.sleep(0.05)


def says(words: str, **wanted: Any) -> Callable[[Report], bool]:
    def is_meant(report: Report) -> bool:
        is_there = words in report.body["why"]
        return is_there and all(getattr(report, name) == value for name, value in wanted.items())

    return is_meant


async def test_idle_doorbell_reports_that_nothing_waits_and_goes_on_doing_so(
    green_api_connection: GreenApiEmulator, rings: Any, tmp_path: Path
) -> None:
    """Whoever reads it sees that it looks: the time moves on."""
    store = ObjectStorageStore(tmp_path / "store")
    rings(doorbell(store))
    first = await reported(store, says("nothing waits"))
    assert (first.kind, first.name, first.conn_id) == ("watcher", ONE_DOORBELL, CONNECTION)
    assert first.instance_id == green_api_connection.id_instance
    assert first.body == {
        "state": "looking",
        "waiting_since": None,
        "rang_at": None,
        "why": "nothing waits",
    }
    later = await reported(store, lambda each: each.at > first.at)
    assert later.body == first.body
    assert len(store.reports()) == 1


async def test_doorbell_that_rang_reports_when_and_when_it_rings_again(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore
) -> None:
    """Neither the key of what waits, nor a word of it, is in the report."""
    events = rings(doorbell(store))
    green_api_connection.push(body("hello"))
    report = await reported(store, says("it rang"))
    assert report.body["why"].endswith(
        " s before this look, and rings 30 s after that if the same still waits"
    )
    assert report.body["waiting_since"] == "2026-09-21T14:13:20+00:00"
    assert report.body["rang_at"] is not None
    assert not any(
        word in json.dumps(report.as_dict()) for word in (events[0]["key"], "hello", "Ann", "1202")
    )
    await take_head()
    assert (await reported(store, says("nothing waits"))).body["rang_at"] == report.body["rang_at"]


async def test_doorbell_that_waits_for_more_reports_how_many_there_are(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore
) -> None:
    """ "Why did it not ring?": two of ten."""
    green_api_connection.push(body("one", timestamp=int(time.time())), body("two"))
    events = rings(doorbell(store, min_waiting=10, max_wait=600))
    report = await reported(store, says("10 notifications (2 so far), or one has waited for 600 s"))
    assert report.name == f"doorbell, for 10 or more, of '{CONNECTION}'"
    assert events == []


@pytest.mark.parametrize("fault", ["status", "away"])
async def test_doorbell_that_cant_look_reports_what_its_log_says_and_its_recovery(
    green_api_connection: GreenApiEmulator,
    rings: Any,
    store: SqlStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    """From its very first look on, also when no look has ever succeeded; and never the token."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.3)
    if fault == "away":
        green_api_connection.stop()
    else:
        green_api_connection.fault("status", status=401, times=None)
    events = rings(doorbell(store))
    report = await reported(store, says("Can't look"))
    assert report.body["state"] == "failing"
    assert report.body["why"] in [each.getMessage() for each in caplog.records]
    assert green_api_connection.api_token not in json.dumps(report.as_dict())
    if fault == "away":
        green_api_connection.start()
    green_api_connection.clear_faults()
    assert (await reported(store, says("nothing waits"))).body["state"] == "looking"
    assert events == []


@pytest.mark.parametrize("as_quoted", [str, lambda token: "".join(f"%{ord(sign):02X}" for sign in token)])
async def test_token_that_an_answer_quotes_is_in_no_report(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore, database: Path, as_quoted: Any
) -> None:
    """Gateways and proxies quote the address of a request; neither a report nor the database has it."""
    token = as_quoted(green_api_connection.api_token)
    answer = f"no route to /waInstance1/receiveNotification/{token}?x=1 {'x' * 455}{token}"
    green_api_connection.fault("status", status=500, body=answer, times=None)
    rings(doorbell(store))
    report = await reported(store, says("Can't look"))
    assert "no route" in report.body["why"]
    for part in (token, token[:12]):
        assert part not in json.dumps(report.as_dict())
        assert part.encode() not in b"".join(each.read_bytes() for each in database.parent.glob("store.db*"))


async def test_fleet_reports_as_a_whole_and_of_each_that_cant_be_looked_at(
    green_api_emulator: GreenApiEmulator, rings: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one, and why; once it can be looked at, that is reported too."""
    instances = {name: green_api_emulator.add_instance() for name in ("north", "south", "west")}
    for name, instance in instances.items():
        if name != "south":
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", instance.connection)
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.3)
    rings(doorbell(store, [*instances]))
    whole = await reported(store, says("1 of 3 can't be looked at: 'south'; of the others: nothing waits"))
    assert (whole.name, whole.conn_id) == ("doorbell of 'north', 'south', 'west'", "")
    assert whole.body["state"] == "looking"
    south = await reported(store, says("Can't look at the queue of 'south'", conn_id="south"))
    assert south.body["state"] == "failing"
    monkeypatch.setenv("AIRFLOW_CONN_SOUTH", instances["south"].connection)
    south = await reported(store, says("it can be looked at", conn_id="south"))
    assert (south.body["state"], south.instance_id) == ("looking", instances["south"].id_instance)
    assert len(store.reports()) == 4


async def test_fleet_that_is_away_is_one_transaction(
    rings: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is away makes hundreds of reports; they are written once, not once a minute."""
    monkeypatch.setattr(report_writer, "MIN_INTERVAL", 3.0)
    names = [f"missing_{number}" for number in range(300)]
    with transactions() as begun:
        rings(doorbell(store, names))
        whole = await reported(store, says("300 of 300 can't be looked at: "))
        assert whole.body["state"] == "failing"
        assert len(store.reports()) == 301
        assert 1 <= len(begun) <= 3


async def test_doorbell_that_rings_all_the_time_writes_seldom(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy queue is no load for the store."""
    monkeypatch.setattr(report_writer, "MIN_INTERVAL", 30.0)
    with transactions() as begun:
        events = rings(doorbell(store, min_ring_interval=0.05, ring_again_after=0.05))
        green_api_connection.push(body("one"))
        await arrived(events, 10)
        assert len(begun) == 1


@contextmanager
def transactions() -> Iterator[list[str]]:
    """Collect the transactions that begin."""
    begun: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement == "BEGIN IMMEDIATE":
            begun.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield begun
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def arrived(events: list[Any], count: int = 1, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while len(events) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_store_that_is_away_is_told_once_and_rings_go_on(
    green_api_connection: GreenApiEmulator,
    rings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reports are a convenience; once the store is back they come again."""
    caplog.set_level(logging.INFO, report_writer.__name__)
    place = tmp_path / "store"
    place.write_text("no folder")
    store = ObjectStorageStore(place)
    events = rings(doorbell(store))
    await asyncio.sleep(1.0)
    green_api_connection.push(body("one"))
    await arrived(events)
    assert len([each for each in caplog.records if "can't report into" in each.getMessage()]) == 1
    place.unlink()
    await reported(store, says("it rang"))
    assert "Reports are written into" in caplog.text


async def test_store_that_hangs_delays_neither_look_nor_ring(
    green_api_connection: GreenApiEmulator,
    rings: Any,
    store: SqlStore,
    database: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody keeps the database locked: the log says so once, and what is new is reported after that."""
    monkeypatch.setattr(report_writer, "HANGS_AFTER", 0.5)
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        events = rings(doorbell(store))
        await asyncio.sleep(1.5)
        looks = len(green_api_connection.requests())
        green_api_connection.push(body("one"))
        await arrived(events, seconds=1.0)
        assert looks >= 2
        assert len([each for each in caplog.records if "No answer within 0.5 s" in each.getMessage()]) == 1
        other.execute("ROLLBACK")
    other.close()
    await reported(store, says("it rang"))


async def test_write_that_doesnt_return_is_given_up_in_the_end(
    green_api_connection: GreenApiEmulator,
    rings: Any,
    store: SqlStore,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that a firewall forgot must not silence a watcher for good."""
    monkeypatch.setattr(report_writer, "HANGS_AFTER", 0.3)
    monkeypatch.setattr(report_writer, "GIVEN_UP_AFTER", 0.2)
    threads: list[threading.Thread] = []

    def note(*_: Any) -> None:
        if threading.current_thread() not in threads:
            threads.append(threading.current_thread())

    event.listen(Engine, "engine_connect", note)
    try:
        with sqlite3.connect(database, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            rings(doorbell(store))
            await arrived(threads, 2)
            other.execute("ROLLBACK")
        other.close()
        await reported(store, says("nothing waits"))
    finally:
        event.remove(Engine, "engine_connect", note)


def test_doorbell_without_reports_keeps_the_row_that_it_had(store: SqlStore) -> None:
    """Airflow knows a watcher by its arguments: an upgrade must not make another one of it."""
    _, arguments = GreenApiDoorbellTrigger().serialize()
    assert [*arguments] == [
        "green_api_conn_id",
        "min_ring_interval",
        "ring_again_after",
        "receive_timeout",
        "min_waiting",
        "max_wait",
    ]


@pytest.mark.parametrize("kind", ["sql", "files"])
def test_doorbell_with_reports_comes_back_from_its_row(kind: str, tmp_path: Path) -> None:
    """The store is one text there, which says where it is, and nothing of how to get in."""
    store = SqlStore("store", table="a.b") if kind == "sql" else ObjectStorageStore(tmp_path, conn_id="c")
    path, arguments = doorbell(store).serialize()
    assert isinstance(arguments["report_to"], str)
    again = GreenApiDoorbellTrigger(**arguments)
    assert again.report_to == store
    assert again.serialize() == (path, arguments)


@pytest.mark.parametrize("wrong", ["warehouse", "{}", 7, object()])
def test_store_that_is_none_is_refused(wrong: Any) -> None:
    """In words that a Dag author reads at parse time, as an error that a triggerer survives."""
    with pytest.raises(TypeError, match=r"report_to .* must be a SqlStore or an ObjectStorageStore"):
        doorbell(wrong)


def test_doorbell_with_reports_shares_the_look_of_one_without(store: SqlStore) -> None:
    """What is reported is no matter of the look."""
    assert doorbell(store).shared_stream_key() == doorbell(None).shared_stream_key()


async def test_doorbells_that_share_a_look_report_each_for_itself(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Also an outage, which one of them learns of that came later."""
    shared_stream = pytest.importorskip("airflow.triggers.shared_stream")
    manager = shared_stream.SharedStreamManager()
    green_api_connection.fault("502", times=None)
    triggers = [doorbell(None), doorbell(store), doorbell(store, min_waiting=1, max_wait=5.0)]

    async def watch_on(number: int, trigger: GreenApiDoorbellTrigger) -> None:
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
        async for _ in trigger.filter_shared_stream(stream):
            pass

    tasks = [asyncio.create_task(watch_on(0, triggers[0]))]
    await asyncio.sleep(0.5)
    tasks += [asyncio.create_task(watch_on(number, triggers[number])) for number in (1, 2)]
    await reported(store, says("Can't look"))
    green_api_connection.clear_faults()
    await reported(store, says("nothing waits"))
    for number, task in enumerate(tasks):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await manager.unsubscribe(number, triggers[number].shared_stream_key())


async def test_watchers_of_one_store_write_one_after_the_other(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore, database: Path
) -> None:
    """A thousand that start at once are no thousand connections to a database that drains need."""
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(8):
            rings(doorbell(store, min_waiting=number + 1))
        await asyncio.sleep(2.0)
        assert len(writing_threads()) == 1
        other.execute("ROLLBACK")
    other.close()
    for number in range(1, 8):
        await reported(store, lambda each, number=number: f"for {number + 1} or more" in each.name)


async def test_idle_watcher_keeps_no_thread(
    green_api_connection: GreenApiEmulator, rings: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs one for some milliseconds a minute."""
    monkeypatch.setattr(report_writer, "INTERVAL", 60.0)
    rings(doorbell(store))
    await reported(store, says("nothing waits"))
    async with asyncio.timeout(5):
        while writing_threads():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def writing_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "green-api-store"]


class StoreInATriggerer(SqlStore):
    """Looks its connection up as Airflow's triggerer does: in the event loop, on behalf of the thread."""

    def __init__(self) -> None:
        super().__init__("store")
        self.ends: list[str] = []
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

    def report(self, reports: Any) -> None:
        async_to_sync(self._look_up)()
        super().report(reports)

    async def _look_up(self) -> None:
        self.began.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        self.ends.append("answered")


async def test_watcher_that_ends_cancels_no_look_up_of_a_connection(database: Path) -> None:
    """Airflow 3.1 takes the answer to a question that was cancelled for that to the next one, and ends."""
    store = StoreInATriggerer()
    writer = report_writer.ReportWriter(store)
    writer.write([Report("watcher", "name", "a", "1", datetime.now(UTC), {"why": "last word"})])
    await store.began.wait()
    writer.close()
    await asyncio.sleep(0.1)
    store.goes_on.set()
    await reported(SqlStore("store"), says("last word"))
    assert store.ends == ["answered"]


async def test_fleets_that_begin_with_the_same_connections_are_two_watchers(
    rings: Any, store: SqlStore, green_api_connection: GreenApiEmulator
) -> None:
    """Three connections are named, and the others tell them apart."""
    for last in ("d", "e"):
        rings(doorbell(store, ["a", "b", "c", last]))
        await reported(store, says(f"'{last}'", conn_id=last))
    wholes = [each for each in store.reports() if not each.conn_id]
    assert len(wholes) == 2
    assert all("'a', 'b', 'c' and 1 more" in each.name for each in wholes)
