"""Backfill: every message of the span once in the store, whatever the queue brought before or after."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_green_notify.drain import StopCondition, drain
from airflow_green_notify.drain.lease import BACKFILL, ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiDrainNotificationsOperator,
)
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch

HOUR = 3600


def message(number: int, age: float) -> dict[str, Any]:
    """An incoming message of so many seconds ago."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001, "wid": "12025550100@c.us", "typeInstance": "whatsapp"},
        "timestamp": int(time.time() - age),
        "idMessage": f"3EB0{number:04d}",
        "senderData": {"chatId": "12025550101@c.us", "sender": "12025550101@c.us", "senderName": "Anna"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": f"Text {number}"}},
    }


@pytest.fixture(params=["sqlite", "files"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NotificationStore:
    """An empty store of each kind."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store") if request.param == "sqlite" else ObjectStorageStore(tmp_path / "files")


class Run:
    """Drains and backfills, each as a run of its own, and all batches that came of it."""

    def __init__(self, gateway: GreenApiEmulator, store: NotificationStore) -> None:
        gateway.switch(rate_limits=False)
        self.store = store
        self.batches: list[dict[str, Any]] = []

    def drain(self, count: int | None = None) -> None:
        with self.store.open(f"drain/{len(self.batches)}") as opened:
            drain(GreenApiHook(), opened, stop=StopCondition(max_notifications=count), receive_timeout=0.1)
        self.batches.append(opened.close())

    def drain_as_task(self, **arguments: Any) -> None:
        task = GreenApiDrainNotificationsOperator(
            task_id="drain", store=self.store, **({"receive_timeout": 0.1} | arguments)
        )
        self.batches.append(task.execute({"ti": _Ti(f"run_{len(self.batches)}", "drain")}))

    def backfill(self, **arguments: Any) -> dict[str, Any]:
        task = GreenApiBackfillMessagesOperator(
            task_id="backfill", store=self.store, receive_timeout=0.1, **arguments
        )
        batch = task.execute({"ti": _Ti(f"run_{len(self.batches)}")})
        self.batches.append(batch)
        return batch["report"]

    def texts(self) -> Counter[str | None]:
        """How often each text is in the store."""
        return Counter(item.text for batch in self.batches for item in read_batch(batch))


class _Ti:
    dag_id, map_index, try_number = "repair", -1, 1

    def __init__(self, run_id: str, task_id: str = "backfill") -> None:
        self.run_id = run_id
        self.task_id = task_id

    def get_task_states(self, **about: Any) -> dict[str, Any]:
        return {"run": {self.task_id: "success"}}


@pytest.fixture
def run(green_api_connection: GreenApiEmulator, store: NotificationStore) -> Run:
    return Run(green_api_connection, store)


MESSAGES = 20


@pytest.fixture
def gap(green_api_connection: GreenApiEmulator) -> GreenApiEmulator:
    """A queue of messages that are an hour to some minutes old."""
    green_api_connection.push(*(message(number, HOUR - 60 * number) for number in range(MESSAGES)))
    return green_api_connection


@pytest.mark.parametrize("drained", [0, 7, MESSAGES], ids=["not at all", "in part", "all"])
def test_backfill_over_a_queue_stores_every_message_once(
    gap: GreenApiEmulator, run: Run, drained: int
) -> None:
    """Drained before in part, in full or not at all, and drained to the end after: each message once."""
    if drained:
        run.drain(drained)
    run.backfill()
    run.drain()
    run.backfill()
    assert run.texts() == {f"Text {number}": 1 for number in range(MESSAGES)}


def test_backfill_of_what_the_queue_lost_brings_it_marked(gap: GreenApiEmulator, run: Run) -> None:
    """What retention took from the queue comes from the journal, with its note and the store's columns."""
    run.drain(5)
    gap.advance(25 * HOUR)
    gap.push(message(99, 60 - 25 * HOUR))
    report = run.backfill(minutes=2880)
    assert report == {"entries": 21, "stored": 15, "held": 5, "waiting": 1, "adopted": 0}
    brought = list(read_batch(run.batches[-1]).with_notes())
    assert [item.text for item, _ in brought] == [f"Text {number}" for number in range(5, MESSAGES)]
    assert {json.dumps(note) for _, note in brought} == {'{"source": "journal"}'}
    assert {item.instance_id for item, _ in brought} == {gap.id_instance}


def test_backfill_repeated_stores_nothing_more(gap: GreenApiEmulator, run: Run) -> None:
    """The second of two backfills finds everything held."""
    gap.advance(25 * HOUR)
    assert run.backfill(minutes=2880)["stored"] == MESSAGES
    assert run.backfill(minutes=2880) == {"entries": 20, "stored": 0, "held": 20, "waiting": 0, "adopted": 0}


def lose(gateway: GreenApiEmulator, *bodies: dict[str, Any]) -> None:
    """Let something else take these from the queue; the journals have them."""
    gateway.push(*bodies)
    with GreenApiHook() as hook:
        while head := hook.receive_notification(0.1):
            hook.delete_notification(head.receipt_id)


def state(**fields: Any) -> dict[str, Any]:
    """A notification about the instance, with a time of its own."""
    return {"typeWebhook": "stateInstanceChanged", "stateInstance": "authorized"} | fields


HEADS = {
    "no time": state(),
    "null": state(timestamp=None),
    "1970": state(timestamp=0),
    "year 1": state(timestamp=-62_135_596_800),
    "too old to wait": state(timestamp=int(time.time()) - 30 * HOUR),
    "the future": state(timestamp=int(time.time()) + 30 * HOUR),
    "newer than what waits": state(timestamp=int(time.time()) - 10),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.slow
def test_backfill_behind_a_head_whose_time_tells_nothing_stores_every_message_once(
    head: dict[str, Any], green_api_connection: GreenApiEmulator, run: Run
) -> None:
    """Something else took a message from the queue; others wait behind the head, delivered late perhaps."""
    lose(green_api_connection, message(1, HOUR))
    green_api_connection.push(head, message(2, HOUR), message(3, 60))
    run.backfill()
    assert run.texts()["Text 1"] == 1
    run.drain()
    run.backfill()
    assert run.texts() == {"Text 1": 1, "Text 2": 1, "Text 3": 1, None: 1}


def test_backfill_behind_an_old_head_leaves_what_is_newer_to_the_queue(
    green_api_connection: GreenApiEmulator, run: Run
) -> None:
    """The queue brings a message with more fields than the journal has."""
    green_api_connection.push(message(1, 10 * HOUR), message(2, 9 * HOUR))
    report = run.backfill()
    assert (report["stored"], report["waiting"]) == (0, 2)


@pytest.mark.parametrize("timestamp", [None, 0, -62_135_596_800, 10**15], ids=str)
@pytest.mark.slow
def test_backfill_of_a_message_without_a_sensible_time_stores_it_once(
    timestamp: int | None, green_api_connection: GreenApiEmulator, run: Run
) -> None:
    """Whether the queue brought it or a backfill did; and those beside it."""
    odd = message(1, 0) | {"timestamp": timestamp}
    green_api_connection.push(odd)
    run.drain()
    lose(green_api_connection, odd | {"idMessage": "3EB0LOST"}, message(2, HOUR))
    for _ in range(3):
        run.backfill()
    assert run.texts() == {"Text 1": 2, "Text 2": 1}


@pytest.mark.parametrize("after", [0, 1, 3])
def test_backfill_that_dies_in_the_middle_leaves_every_message_to_be_stored_once(
    after: int, green_api_connection: GreenApiEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it stored is recognised by the drain behind it, and handed on by the next backfill."""
    put, left = type(run.store).put, [after]

    def mortal(self: Any, *arguments: Any) -> bool:
        if not left[0]:
            raise SystemExit("killed")
        left[0] -= 1
        return put(self, *arguments)

    green_api_connection.push(state(timestamp=0), *(message(number, HOUR) for number in range(8)))
    with monkeypatch.context() as patch:
        patch.setattr(type(run.store), "put", mortal)
        with pytest.raises(SystemExit):
            run.backfill()
    run.drain_as_task(until=None)
    report = run.backfill()
    assert (report["stored"], report["adopted"]) == (0, after)
    assert run.texts() == {f"Text {number}": 1 for number in range(8)} | {None: 1}


def test_backfill_of_a_chat_that_has_two_ids_stores_each_message_once(
    green_api_connection: GreenApiEmulator, run: Run
) -> None:
    """Sent to a phone number, journaled under a LID."""
    green_api_connection.push(message(1, HOUR))
    run.drain()
    lid = message(1, HOUR)
    lid["senderData"] |= {"chatId": "200000000000042@lid"}
    lose(green_api_connection, lid)
    run.backfill()
    assert run.texts() == {"Text 1": 1}


def test_backfill_waits_for_the_reader_of_the_queue(
    green_api_connection: GreenApiEmulator, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A drain and a backfill at once would not see what the other stores; neither does the other's work."""
    green_api_connection.push(message(1, HOUR))
    queue = GreenApiHook().config.queue
    with run.store.open("dag/run/other/-1") as opened:
        reader = ReaderLease(opened.leases, queue, "dag/run/other/-1 (try 1)")
        assert reader.take()
        with pytest.raises(NotificationStoreError, match=r"read by dag/run/other/-1 .*retry"):
            run.backfill(wait_for_reader="0")
        reader.release()
        repair = ReaderLease(opened.leases, queue, f"{BACKFILL}dag/run/repair/-1")
        assert repair.take()
        with pytest.raises(NotificationStoreError, match=r"reserved by a backfill, dag/run/repair/-1"):
            run.drain_as_task(wait_for_reader=0)
        repair.release()
    run.backfill()
    run.drain_as_task()
    assert run.texts() == {"Text 1": 1}
    assert "reads this queue into the same store" not in capsys.readouterr().out


def test_backfill_of_a_message_known_by_its_status_alone_brings_it(
    green_api_connection: GreenApiEmulator, run: Run
) -> None:
    """A status names the message, and doesn't hold its text."""
    outgoing = message(1, HOUR) | {"typeWebhook": "outgoingMessageReceived"}
    green_api_connection.push(outgoing)
    run.drain()
    green_api_connection.push(
        outgoing | {"idMessage": "3EB0STATUS", "timestamp": int(time.time()) - HOUR + 1},
        {
            "typeWebhook": "outgoingMessageStatus",
            "instanceData": outgoing["instanceData"],
            "timestamp": outgoing["timestamp"],
            "idMessage": "3EB0STATUS",
            "chatId": "12025550101@c.us",
            "status": "read",
        },
    )
    with GreenApiHook() as hook:  # something else deletes the message, and the drain gets its status
        lost = hook.receive_notification(1)
        assert lost is not None
        hook.delete_notification(lost.receipt_id)
    run.drain()
    report = run.backfill()
    assert (report["stored"], report["held"]) == (1, 1)


def test_backfill_of_one_journal_leaves_the_other(green_api_connection: GreenApiEmulator, run: Run) -> None:
    """journals= chooses."""
    green_api_connection.push(message(1, HOUR), message(2, HOUR) | {"typeWebhook": "outgoingMessageReceived"})
    run.drain()
    assert run.backfill(journals=["outgoing"])["entries"] == 1


def test_backfill_in_a_real_dag_run_is_rendered(
    gap: GreenApiEmulator, store: NotificationStore, run_dag: Callable[..., Any]
) -> None:
    """Templates of operator and store are rendered; the result reads as a batch."""
    gap.advance(25 * HOUR)
    with DAG("backfill_dag", schedule=None) as dag:
        GreenApiBackfillMessagesOperator(
            task_id="backfill", store=store, minutes="{{ 24 * 60 * 2 }}", receive_timeout=0.1
        )
    ti = run_dag(dag).get_task_instance("backfill")
    batch = ti.xcom_pull(task_ids="backfill")
    assert batch["report"]["stored"] == len(list(read_batch(batch))) == MESSAGES
