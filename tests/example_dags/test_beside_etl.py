"""The example Dag that waits beside the one who reads the queue."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_green_notify.drain import StopCondition, drain
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import SqlStore
from tests.example_dags.conftest import states

CHAT = "12025550101@c.us"
NOISE = example_notifications()[0]["body"]


@pytest.fixture
def sales(green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> GreenApiEmulator:
    """The instance of the example."""
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_SALES", green_api_connection.connection)
    return green_api_connection


@contextmanager
def streaming() -> Iterator[None]:
    """The reader of the queue, as in stream_to_warehouse."""
    ended = threading.Event()

    def stream() -> None:
        with SqlStore("green_api_warehouse").open("stream/run/drain/-1") as store:
            while not ended.is_set():
                drain(GreenApiHook(), store, stop=StopCondition(empty_answers=1), receive_timeout=0.2)

    reader = threading.Thread(target=stream)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


@pytest.mark.parametrize(("answer", "decision"), [("yes, do", "Approved"), ("No", "Rejected")])
def test_approvals_beside_etl_follow_the_answer_and_take_nothing(
    sales: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str, answer: str, decision: str
) -> None:
    """The answer that quotes the question decides; it and all else is in the reader's table."""
    sales.push(NOISE)
    sales.reply("Reply to this message", "yes", quoted=False)
    sales.reply("Reply to this message", answer, delay=0.5)
    with streaming():
        run = run_example("approvals_beside_etl", chat_id=CHAT)
    assert set(states(run).values()) == {"success"}
    assert run.get_task_instance("decide").xcom_pull(task_ids="decide").startswith(decision)
    assert sales.queue() == []
    with sqlite3.connect(warehouse) as database:
        texts = [text for (text,) in database.execute("SELECT text FROM green_api_notifications")]
    assert {"yes", answer} <= set(texts)
    assert all(item["deletions"] == 1 for item in sales.audit())


def test_approvals_beside_etl_asked_by_number_are_answered_from_the_lid(
    sales: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str
) -> None:
    """Who answers is told by what is quoted, under whatever id the person appears."""
    sales.switch(contact_ids="lid")
    sales.reply("Reply to this message", "yes")
    with streaming():
        run = run_example("approvals_beside_etl", chat_id=CHAT)
    assert set(states(run).values()) == {"success"}
