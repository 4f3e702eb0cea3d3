"""A store of one's own: any class that keeps the contract, without a base class."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.stores import NotificationStore, SqlStore, read_batch
from airflow_green_notify.stores.ledger import BatchRecord, BatchState
from tests.balance import key_of
from tests.operators.test_backfill import lose, message


class OwnStore:
    """Writes down the whole contract, and hands the work to a table."""

    def __init__(self, conn_id: str) -> None:
        self._table = SqlStore(conn_id)

    def open(self, batch_id: str, queue: str = "") -> Self:
        opened = type(self)("store")
        opened._table = self._table.open(batch_id, queue)
        return opened

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        return self._table.put(notification, note)

    def close(self) -> dict[str, Any]:
        return self._table.close()

    def release(self) -> None:
        self._table.release()

    def begin_attempt(self, key: str) -> int:
        return self._table.begin_attempt(key)

    def finish(self, key: str) -> None:
        self._table.finish(key)

    def forget_attempts(self, key: str) -> None:
        self._table.forget_attempts(key)

    def held_messages(self, since: Any) -> Any:
        return self._table.held_messages(since)

    @property
    def leases(self) -> Any:
        return self._table.leases

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        return self._table.not_handed_on(queues)

    def adopt(self, record: BatchRecord) -> int | None:
        return self._table.adopt(record)

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        self._table.settle(record, state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release() if kind else self.close()


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run 2", "task", -1, 1


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NotificationStore:
    """A store of one's own."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return OwnStore("store")


@pytest.fixture
def run(green_api_connection: GreenApiEmulator) -> Callable[..., dict[str, Any]]:
    """Run a task as it is."""

    def run(operator: type, **arguments: Any) -> dict[str, Any]:
        task = operator(task_id="task", receive_timeout=0.2, **arguments)
        return task.execute({"ti": TaskInstance})

    return run


def test_drain_into_a_store_of_ones_own_hands_on_what_an_earlier_run_left(
    run: Callable[..., dict[str, Any]], store: NotificationStore, green_api_connection: GreenApiEmulator
) -> None:
    """It keeps leases and batches as the stores of the provider do."""
    green_api_connection.push(*traffic(seed=1, n=4))
    keys = {key_of(body) for body in green_api_connection.queue()}
    died = store.open("dag/run 1/task/-1", GreenApiHook().config.queue)
    died.put(Notification(1, {"typeWebhook": "incomingCall", "timestamp": 1}))
    died.release()
    batch = run(GreenApiDrainNotificationsOperator, store=store)
    assert batch["report"]["adopted"] == 1
    assert len(read_batch(batch)) == 5
    assert keys < {notification.key for notification in read_batch(batch)}
    assert not green_api_connection.queue()


def test_handlers_failures_go_into_a_store_of_ones_own(
    run: Callable[..., dict[str, Any]], store: NotificationStore, green_api_connection: GreenApiEmulator
) -> None:
    """It counts attempts, and takes what is given up."""
    green_api_connection.push(*traffic(seed=1, n=2))
    poison = key_of(green_api_connection.queue()[0])

    def handler(notification: Notification) -> None:
        if notification.key == poison:
            raise KeyError("no such customer")

    result = run(GreenApiProcessNotificationsOperator, handler=handler, dead_letter=store, max_attempts=2)
    assert (result["handled"], result["dead_letters"]) == (1, 1)
    assert [letter.key for letter in read_batch(result["dead_letter_batch"])] == [poison]


def test_backfill_into_a_store_of_ones_own_leaves_out_what_it_holds(
    run: Callable[..., dict[str, Any]], store: NotificationStore, green_api_connection: GreenApiEmulator
) -> None:
    """It tells which messages lie in it."""
    green_api_connection.push(*(message(number, 3600 - 60 * number) for number in range(3)))
    run(GreenApiDrainNotificationsOperator, store=store, max_notifications=2)
    lose(green_api_connection)
    report = run(GreenApiBackfillMessagesOperator, store=store)["report"]
    assert (report["entries"], report["held"], report["stored"]) == (3, 2, 1)
