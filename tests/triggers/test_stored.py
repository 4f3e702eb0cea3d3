"""The waits on stores that a triggerer shares: one query a look, nothing passed by, outages survived."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent
from sqlalchemy import event
from sqlalchemy.engine import Engine

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.row import to_row
from airflow_green_notify.triggers import GreenApiStoredTrigger, stored_look
from tests.stores.cutting_proxy import CuttingProxy

SINCE = "2020-01-01T00:00:00+00:00"
SERVERS = ("postgres", "mariadb")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stored_look, "PAUSE", 0.1)
    yield
    assert not any(not loop.is_closed() for loop, _ in stored_look._looks)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """An empty store, in SQLite where no other database is named."""
    kind = getattr(request, "param", "sqlite")
    sqlite = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    connection = sqlite if kind == "sqlite" else request.getfixturevalue(f"{kind}_connection")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", connection)
    return SqlStore("store", table=f"t{uuid.uuid4().hex}")


each_database = pytest.mark.parametrize("store", ["sqlite", *SERVERS], indirect=True)
on_servers = pytest.mark.parametrize("store", SERVERS, indirect=True)


def answer(quoted: Any, text: str = "yes") -> Notification:
    quoted_message = {"stanzaId": str(quoted)}
    data = {
        "typeMessage": "quotedMessage",
        "extendedTextMessageData": {"text": text},
        "quotedMessage": quoted_message,
    }
    return Notification(1, {"typeWebhook": "incomingMessageReceived", "messageData": data})


def put(store: Any, *notifications: Notification) -> None:
    with store.open(f"d/{uuid.uuid4()}/t/-1") as opened:
        for each in notifications:
            opened.put(each)


def wait_for(store: Any, matching: Any, **arguments: Any) -> GreenApiStoredTrigger:
    given = matching if isinstance(matching, dict) else {"quoted_id": str(matching)}
    return GreenApiStoredTrigger(store.described(), given, SINCE, **arguments)


async def event_of(trigger: GreenApiStoredTrigger, seconds: float = 20.0) -> Any:
    return await asyncio.wait_for(anext(trigger.run()), seconds)


@contextmanager
def statements() -> Iterator[list[str]]:
    """All statements that reach any database meanwhile."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


# --- what fires ---


@each_database
async def test_match_that_comes_later_fires_with_the_position_before_it(store: SqlStore) -> None:
    """The worker looks on from there, and finds it first."""
    put(store, answer(1), answer(2))
    waiting = asyncio.create_task(event_of(wait_for(store, 4, after=2, deadline=time.time() + 60)))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    put(store, answer(3), answer(4))
    payload = (await waiting).payload
    assert (payload["since"], payload["after"]) == (SINCE, 3)


async def test_what_lies_before_its_position_fires_nothing(store: SqlStore) -> None:
    """The sensor has judged that, be it that another wait takes the look back there."""
    put(store, answer(1, "a"), answer(2))
    waiting = asyncio.create_task(event_of(wait_for(store, 1, after=2)))
    assert (await event_of(wait_for(store, 2))).payload["after"] == 1
    await asyncio.sleep(0.3)
    assert not waiting.done()
    put(store, answer(1, "b"))
    assert (await waiting).payload["after"] == 2


async def test_oldest_match_fires_also_for_who_comes_late(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait that begins behind the others is shown everything from its own position on."""
    monkeypatch.setattr(stored_look, "AT_ONCE", 2)
    put(store, *(answer(number % 5, str(number)) for number in range(20)))
    patient = asyncio.create_task(event_of(wait_for(store, 99)))
    await asyncio.sleep(0.5)
    late = [event_of(wait_for(store, 4, after=after)) for after in (0, 7, 15)]
    assert [each.payload["after"] for each in await asyncio.gather(*late)] == [4, 9, 19]
    put(store, answer(99))
    assert (await patient).payload["after"] == 20


async def test_open_batch_of_files_fires_too(tmp_path: Path) -> None:
    """What is stored without a position yet is looked at each time, and judged once it is there."""
    store = ObjectStorageStore(tmp_path)
    put(store, answer(1))
    opened = store.open("d/r/open/-1")
    opened.put(answer(2))
    waits = [asyncio.create_task(event_of(wait_for(store, number))) for number in (1, 2, 3, 4)]
    assert [(await each).payload["after"] for each in waits[:2]] == [0, 1]
    opened.put(answer(3))
    assert (await waits[2]).payload["after"] == 1
    opened.close()
    put(store, answer(4))
    assert (await waits[3]).payload["after"] == 3


async def test_deadline_fires_with_the_position_it_was_given(store: SqlStore) -> None:
    """The worker takes a last look from there, and ends the wait."""
    deadline = time.time() + 0.3
    payload = (await event_of(wait_for(store, 1, after=0, deadline=deadline))).payload
    assert payload == {"since": SINCE, "after": 0, "deadline": deadline}


async def test_pause_comes_before_the_first_look(store: SqlStore) -> None:
    """Where a worker looked in vain, it isn't started again at once."""
    put(store, answer(1))
    began = time.monotonic()
    await event_of(wait_for(store, {}, pause=0.5))
    assert time.monotonic() - began >= 0.5


def test_serialize_round_trip_gives_the_same_trigger(store: SqlStore) -> None:
    """A trigger is its class path and its arguments: plain JSON, no credentials."""
    trigger = wait_for(store, 1, after=3, deadline=5.0, pause=1.0, ends_task=True, max_xcom_bytes=9)
    path, arguments = trigger.serialize()
    assert path == "airflow_green_notify.triggers.stored.GreenApiStoredTrigger"
    assert GreenApiStoredTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments


# --- ending the task ---


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reaches the supervisor."""
    from airflow.sdk.execution_time import task_runner

    sent: list[Any] = []
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=sent.append), raising=False)
    return sent


def of_task(trigger: GreenApiStoredTrigger) -> GreenApiStoredTrigger:
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="wait", run_id="r", map_index=3)
    return trigger


async def test_trigger_writes_the_result_and_ends_the_task(store: SqlStore, results: list[Any]) -> None:
    """The result is that of the worker, and no text is in the event, which Airflow logs whole."""
    put(store, answer(1))
    fired = await event_of(of_task(wait_for(store, 1, ends_task=True)))
    assert isinstance(fired, TaskSuccessEvent)
    assert fired.xcoms is None
    (sent,) = results
    assert (sent.key, sent.dag_id, sent.task_id, sent.run_id, sent.map_index) == (
        "return_value",
        "d",
        "wait",
        "r",
        3,
    )
    assert Notification.from_dict(sent.value).key == answer(1).key
    assert isinstance(sent.value["body"], dict)


async def test_result_that_nobody_wants_is_not_written(store: SqlStore, results: list[Any]) -> None:
    """do_xcom_push=False holds in the triggerer too."""
    put(store, answer(1))
    trigger = of_task(wait_for(store, 1, ends_task=True, pushes_result=False))
    assert isinstance(await event_of(trigger), TaskSuccessEvent)
    assert results == []


async def test_result_that_is_too_large_or_cannot_be_written_is_left_to_the_worker(
    store: SqlStore, results: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails in words, or does better."""
    put(store, answer(1))
    large = await event_of(of_task(wait_for(store, 1, ends_task=True, max_xcom_bytes=10)))
    assert large.payload["after"] == 0
    from airflow.sdk.execution_time import task_runner

    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS")
    failed = await event_of(of_task(wait_for(store, 1, ends_task=True)))
    assert failed.payload["after"] == 0
    assert results == []


# --- what it costs ---


@each_database
@pytest.mark.slow
async def test_thousand_waits_make_one_query_a_look(store: SqlStore) -> None:
    """However many wait, an idle look is one statement."""
    put(store, answer("other"))
    waits = [asyncio.create_task(event_of(wait_for(store, number))) for number in range(1000)]
    for kind in ("chat_id", "type_webhook"):
        waits += [asyncio.create_task(event_of(wait_for(store, {kind: "nothing"}))) for _ in range(10)]
    with statements() as seen:
        while len(seen) < 20 or len({*seen[-20:]}) > 1:  # noqa: ASYNC110 - more than there are tables to look for
            await asyncio.sleep(0.05)
        del seen[:]
        await asyncio.sleep(1.05)
    assert len({*seen}) == 1
    assert len(seen) <= 11
    assert len(stored_look._looks) == 1
    put(store, answer(7))
    assert (await waits[7]).payload["after"] == 1
    assert not waits[8].done()
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def test_only_those_judge_that_may_want_it(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a filter compares for equality is looked up, not judged one by one."""
    judged: list[Any] = []
    original = stored_look.Wanted.is_met_by

    def is_met_by(wanted: Any, notification: Notification) -> bool:
        judged.append(wanted)
        return original(wanted, notification)

    monkeypatch.setattr(stored_look.Wanted, "is_met_by", is_met_by)
    waits = [asyncio.create_task(event_of(wait_for(store, number))) for number in range(200)]
    vague = asyncio.create_task(event_of(wait_for(store, {"text": "maybe"})))
    await asyncio.sleep(0.5)
    put(store, answer(7), answer(8))
    assert [(await waits[number]).payload["after"] for number in (7, 8)] == [0, 1]
    assert len(judged) == 4
    put(store, answer("any", "maybe"))
    assert (await vague).payload["after"] == 2
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


# --- nothing passed by ---


@on_servers
async def test_row_that_is_committed_behind_a_later_one_is_found(store: SqlStore) -> None:
    """A writer that stood still between its insert and its commit passes nothing by."""
    with closing(store.stream()) as stream:
        engine = stream.database._engine
        rows = stream.rows
        waiting = asyncio.create_task(event_of(wait_for(store, "slow")))
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as slow:
            begun = slow.begin()
            slow.execute(rows.insert(), to_row(Entry(answer("slow"), "d/slow/t/-1")))
            fast = asyncio.create_task(event_of(wait_for(store, "fast")))
            await asyncio.to_thread(put, store, answer("fast"))
            assert (await fast).payload["after"] == 0
            await asyncio.sleep(0.3)
            assert not waiting.done()
            begun.commit()
        assert (await waiting).payload["after"] == 1


@each_database
@pytest.mark.slow
async def test_each_wait_gets_its_own_while_many_write(store: SqlStore) -> None:
    """Waits come and go, four writers commit in any order, and each wait finds its answer."""
    count, writers = 120, 4
    with closing(store.stream()):
        pass

    def write(number: int) -> None:
        with store.open(f"d/{number}/t/-1") as opened:
            for each in range(number, count, writers):
                opened.put(answer(each))
                time.sleep(0.005)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    waits = []
    for thread in threads:
        thread.start()
    for number in range(count):
        waits.append(asyncio.create_task(event_of(wait_for(store, number), 60)))
        await asyncio.sleep(0.01)
    after = [each.payload["after"] for each in await asyncio.gather(*waits)]
    for thread in threads:
        thread.join()
    with closing(store.stream()) as stream:
        quoted = {position: entry.notification.quoted_id for position, entry in stream.read(0, 1000)}
    assert [quoted[each + 1] for each in after] == [str(number) for number in range(count)]


# --- outages ---


@pytest.fixture
def proxy(
    request: pytest.FixtureRequest, postgres_connection: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CuttingProxy]:
    """What stands between the connection ``store`` and PostgreSQL."""
    connection = json.loads(postgres_connection)
    proxy = CuttingProxy(connection["port"])
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection | {"port": proxy.port}))
    monkeypatch.setenv("AIRFLOW_CONN_DIRECT", postgres_connection)
    yield proxy
    proxy.close()


async def test_database_that_goes_away_is_waited_for_and_told_once(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was stored meanwhile is found once it is back; two lines in the log, however often it tried."""
    monkeypatch.setattr(stored_look, "MAX_BACK_OFF", 0.2)
    caplog.set_level(logging.INFO, logger=stored_look.__name__)
    table = f"t{uuid.uuid4().hex}"
    direct = SqlStore("direct", table=table)
    put(direct, answer(1))
    waiting = asyncio.create_task(event_of(wait_for(SqlStore("store", table=table), 2)))
    await asyncio.sleep(0.5)
    proxy.is_away = True
    proxy.cut = "before"
    await asyncio.to_thread(wait_until, lambda: proxy.hung_up >= 4)
    put(direct, answer(2))
    proxy.is_away = False
    assert (await waiting).payload["after"] == 1
    assert caplog.text.count("Can't read SqlStore('store'") == 1
    assert caplog.text.count("can be read again, after ") == 1


async def test_look_that_does_not_return_is_given_up(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is frozen, or a network that swallows all, holds up neither the loop nor the waits."""
    from airflow_green_notify.stores.sql.stream import SqlStream

    monkeypatch.setattr(stored_look, "LOOK_TIMEOUT", 0.5)
    frozen, thawed = threading.Event(), threading.Event()
    original = SqlStream.read

    def read(stream: SqlStream, after: int, limit: int) -> Any:
        if not frozen.is_set():
            frozen.set()
            assert thawed.wait(60)
        return original(stream, after, limit)

    monkeypatch.setattr(SqlStream, "read", read)
    put(store, answer(1))
    waiting = asyncio.create_task(event_of(wait_for(store, 1)))
    ticks = 0
    while not waiting.done():
        await asyncio.sleep(0.05)
        ticks += frozen.is_set()
    assert (await waiting).payload["after"] == 0
    assert ticks
    assert "No answer within 0.5 s." in caplog.text
    thawed.set()


async def test_wait_moves_to_another_triggerer_and_misses_nothing(store: SqlStore) -> None:
    """What came between the one and the other is found from the position in the trigger's row."""
    trigger = wait_for(store, 2)
    moved = asyncio.create_task(event_of(trigger))
    await asyncio.sleep(0.3)
    moved.cancel()
    await asyncio.gather(moved, return_exceptions=True)
    assert not stored_look._looks
    put(store, answer(1), answer(2), answer(3))
    assert (await event_of(GreenApiStoredTrigger(**trigger.serialize()[1]))).payload["after"] == 1


def test_moment_of_receipt_counts() -> None:
    """What was received before ``since`` is not wanted, wherever it lies."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    wanted = stored_look.Wanted(wait_for(SqlStore("x"), 1)._wanted().matching, since)
    assert wanted.is_met_by(Notification(1, answer(1).body, since))
    assert not wanted.is_met_by(Notification(1, answer(1).body, datetime(2025, 12, 31, tzinfo=UTC)))
