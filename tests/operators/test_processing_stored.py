"""The operator that works through a store: results, failures, arguments, and the end that it is told."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.sdk import DAG, Asset

from airflow_green_notify.consume import working
from airflow_green_notify.consume.chat_context import ChatContext
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiProcessStoredOperator
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from airflow_green_notify.task import WrongArgumentError
from tests.stores.sql.test_work import message
from tests.stores.test_stream import put

SOON = 10.0
"""Seconds that an end may take on a machine that is busy."""


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run", "work", -1, 1


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    monkeypatch.setattr(working, "pause_after", lambda attempts: 0.05)
    monkeypatch.setattr(working, "ASK_EVERY", 0.05)
    return SqlStore("store")


def operator(store: Any, handler: Any, **arguments: Any) -> GreenApiProcessStoredOperator:
    return GreenApiProcessStoredOperator(
        task_id="work", **{"store": store, "handler": handler, "consumer": "bot"} | arguments
    )


def work(store: Any, handler: Any, **arguments: Any) -> dict[str, Any]:
    return operator(store, handler, **arguments).execute({"ti": TaskInstance})  # type: ignore[arg-type]


def test_task_in_a_dag_returns_counts_and_tells_its_outlets(
    store: SqlStore, run_dag: Callable[..., Any]
) -> None:
    """What was handled, what was set aside and where that lies; templates are rendered."""
    put(store, *(message(number, f"{number % 3}@c.us", text="") for number in range(9)))
    seen = []

    def handler(notification: Notification, context: ChatContext) -> None:
        seen.append(notification.body["number"])
        if notification.body["number"] == 4:
            raise ValueError("broken")

    with DAG("dag_of_work", schedule=None, params={"who": "bot", "chat": "1@c.us"}) as dag:
        GreenApiProcessStoredOperator(
            task_id="work",
            store=SqlStore("{{ 'store' }}"),
            handler=handler,
            consumer="{{ params.who }}",
            matching={"chat_id": ["{{ params.chat }}", "2@c.us"]},
            max_parallel="{{ 2 }}",
            max_attempts=2,
            dead_letter=SqlStore("store", table="dead_letters"),
            outlets=[Asset("handled")],
        )
    ti = run_dag(dag).get_task_instance("work")
    result = ti.xcom_pull(task_ids="work")
    assert sorted(seen) == [1, 2, 4, 4, 5, 7, 8]
    assert (result["handled"], result["dead_letters"], result["chats"], result["lag"]) == (5, 1, 2, 0)
    [(letter, note)] = read_batch(result["dead_letter_batch"]).with_notes()
    assert (letter.body["number"], note["attempts"], note["task"]) == (4, 2, "dag_of_work/work")


def test_chat_that_stops_fails_the_task_without_a_retry_and_is_named(store: SqlStore) -> None:
    """Others are handled before that, and the text says what to do."""
    put(store, message(0), message(1, "2@c.us"))
    handled = []

    def handler(notification: Notification) -> None:
        if notification.body["number"] == 0:
            raise ValueError("broken")
        handled.append(notification.body["number"])

    with pytest.raises(AirflowFailException, match=f"1 chats stopped.*dead_letter=.*{message(0).key}"):
        work(store, handler, max_attempts=2)
    assert handled == [1]


def test_handler_that_hangs_fails_the_task_for_a_retry(store: SqlStore) -> None:
    """Its process has to end, and the attempt counts."""
    put(store, message(0))
    forever = threading.Event()
    with pytest.raises(AirflowException, match="handlers outlasted handler_timeout") as failed:
        work(store, lambda notification: forever.wait(60), handler_timeout=0.1)
    forever.set()
    assert not isinstance(failed.value, AirflowFailException)


def test_filter_that_fails_is_never_a_miss(store: SqlStore) -> None:
    """The handler gets what the filter could not judge."""
    put(store, *map(message, range(4)))
    seen = []

    def picky(notification: Notification) -> bool:
        if notification.body["number"] == 2:
            raise KeyError("number")
        return bool(notification.body["number"] == 1)

    work(store, lambda notification: seen.append(notification.body["number"]), matching=picky)
    assert seen == [1, 2]


@pytest.mark.parametrize("kind", ["plain", "on_loop"])
def test_task_that_is_told_to_stop_ends_soon_and_leaves_the_rest(store: SqlStore, kind: str) -> None:
    """Nothing begins any more. An async handler is cancelled; what a plain one did counts when it returns."""
    put(store, *map(message, range(3)))
    began, ended = threading.Event(), threading.Event()
    calls: list[str] = []

    def plain(notification: Notification, context: ChatContext) -> None:
        calls.append(f"{notification.body['number']}, attempt {context.attempt}")
        began.set()
        ended.wait(2.0)

    async def on_loop(notification: Notification, context: ChatContext) -> None:
        calls.append(f"{notification.body['number']}, attempt {context.attempt}")
        began.set()
        await asyncio.sleep(0 if ended.is_set() else 60)

    handler = plain if kind == "plain" else on_loop
    one = operator(store, handler)

    def stop() -> None:
        began.wait(30)
        one.on_kill()

    threading.Thread(target=stop).start()
    started = time.monotonic()
    with pytest.raises(ToldToStop):
        one.execute({"ti": TaskInstance})  # type: ignore[arg-type]
    assert time.monotonic() - started < SOON
    ended.set()
    assert work(store, handler)["handled"] == (2 if kind == "plain" else 3)
    again = [] if kind == "plain" else ["0, attempt 2"]
    assert calls == ["0, attempt 1", *again, "1, attempt 1", "2, attempt 1"]


def test_consumer_that_reads_in_pages_fails_the_task_without_a_retry(store: SqlStore) -> None:
    """No retry would change that."""
    from airflow_green_notify.stores.stream import Consumer

    stream = store.stream()
    stream.save(Consumer("bot", 0))
    stream.close()
    with pytest.raises(AirflowFailException, match="reads this store in pages"):
        work(store, print)


async def later(notification: Notification) -> None:
    pass


def bit_by_bit(notification: Notification) -> Any:
    yield notification


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            {"store": ObjectStorageStore("s3://bucket/a")},
            "store is ObjectStorageStore.*; it must be a SqlStore",
        ),
        ({"store": "warehouse"}, "store is 'warehouse'; it must be a SqlStore"),
        ({"handler": "load"}, "handler is 'load'; it must be a function"),
        ({"handler": bit_by_bit}, "handler is bit_by_bit, which is a generator"),
        ({"handler": lambda: None}, "handler is .*<lambda>, which takes neither one argument"),
        ({"handler": lambda a, b, c: None}, "handler is .*<lambda>, which takes neither one argument"),
        ({"handler": later}, ""),
        ({"handler": lambda notification, context: None}, ""),
        ({"consumer": ""}, "consumer is ''; it must be a name"),
        ({"matching": {"txt": "x"}}, "matching: 'txt' is no part of a filter"),
        ({"matching": NotificationFilter(text="x")}, ""),
        ({"max_parallel": 0}, "max_parallel is 0; it must be a whole number from 1 on"),
        ({"order_by": "sender"}, "order_by is 'sender'; it must be 'chat'"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"dead_letter": "warehouse"}, "dead_letter is 'warehouse'; it must be a store"),
        ({"handler_timeout": 0}, "handler_timeout is 0; it must be a number of seconds above 0"),
        ({"start": "yesterday"}, "start is 'yesterday'; it must be 'beginning', 'now' or a time"),
        ({"max_seconds": -1}, "max_seconds is -1"),
        ({"linger": "long"}, "linger is 'long'"),
        ({"linger": "forever"}, "linger is 'forever', so max_seconds must say"),
        ({"linger": "forever", "max_seconds": 60}, ""),
    ],
)
def test_wrong_argument_is_refused_where_the_dag_is_parsed(wrong: dict[str, Any], text: str) -> None:
    """The text names the argument, what it was, and what is allowed."""
    arguments = {"store": SqlStore("warehouse"), "handler": print} | wrong
    if not text:
        operator(arguments.pop("store"), arguments.pop("handler"), **arguments)
        return
    with pytest.raises(WrongArgumentError, match=f"^{text}"):
        operator(arguments.pop("store"), arguments.pop("handler"), **arguments)


def test_template_in_any_argument_is_taken_where_the_dag_is_parsed() -> None:
    """What it renders to is known only when the task runs."""
    for name in GreenApiProcessStoredOperator.template_fields:
        operator(SqlStore("warehouse"), print, **{name: "{{ params.x }}"} if name != "store" else {})
    operator(SqlStore("{{ params.x }}"), print)
