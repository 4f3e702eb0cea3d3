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
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.operators import GreenApiBackfillMessagesOperator
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
    dag_id, task_id, map_index = "repair", "backfill", -1

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id


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
    gap.push(message(99, 60))
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
