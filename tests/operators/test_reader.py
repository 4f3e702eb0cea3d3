"""Runs that meet: two readers of one queue, and what a run that died left for the next."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import DAG

from airflow_green_notify.drain import lease
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from tests.balance import Balance, balance

Store = SqlStore | ObjectStorageStore


class TaskInstance:
    """What operators read of a task instance, and what Airflow answers about others."""

    dag_id, task_id, map_index, try_number = "dag", "drain", -1, 1
    states: dict[str, str]

    def __init__(self, run_id: str, **states: str) -> None:
        self.run_id = run_id
        self.states = states
        self.asked: list[str] = []

    def get_task_states(self, **about: Any) -> dict[str, Any]:
        (run_id,) = about["run_ids"]
        assert (about["dag_id"], about["task_ids"], about["map_index"]) == ("dag", ["drain"], -1)
        self.asked.append(run_id)
        return {run_id: {"drain": self.states[run_id]}} if run_id in self.states else {}


@pytest.fixture(params=["sql", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of each kind."""
    if request.param == "files":
        return ObjectStorageStore(str(tmp_path / "store"))
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


def drained(store: Store, task: TaskInstance, **arguments: Any) -> dict[str, Any]:
    operator = GreenApiDrainNotificationsOperator(
        task_id="drain", store=store, **({"receive_timeout": 0.2} | arguments)
    )
    return operator.execute({"ti": task})  # type: ignore[arg-type,typeddict-item]


@contextmanager
def another_reader(store: Store, name: str) -> Iterator[ReaderLease]:
    """Somebody who holds the lease on the queue of the connection."""
    queue = GreenApiHook().config.queue
    opened = store.open("other/run/task/-1", queue)
    held = ReaderLease(opened.leases, queue, name)
    assert held.take()
    yield held
    held.release()
    opened.release()


def dying(store: Store, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store's process end, without a word, after it put so many; it ends no batch."""
    put = type(store).put
    left = [after]

    def mortal(self: Any, *arguments: Any) -> bool:
        if not left[0]:
            raise SystemExit("killed")
        left[0] -= 1
        return put(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "put", mortal)
        with pytest.raises(SystemExit):
            drained(store, TaskInstance("first"))


# --- two readers ---


def test_drain_beside_another_reader_ends_in_words_and_reads_nothing(
    green_api_connection: GreenApiEmulator, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost by that: the other one drains the queue. Its name is in the log."""
    green_api_connection.push(*traffic(seed=1, n=3))
    with another_reader(store, "other/run/task/-1 (try 1)"):
        batch = drained(store, TaskInstance("first"), wait_for_reader=0)
        assert (batch["count"], batch["report"]["stopped_by"]) == (0, "another_reader")
        assert "The queue is being read by other/run/task/-1 (try 1)" in capsys.readouterr().out
        with pytest.raises(AirflowSkipException):
            drained(store, TaskInstance("first"), wait_for_reader="0", skip_if_empty=True)
    assert len(green_api_connection.queue()) == 3
    assert "receiveNotification" not in {request["method"] for request in green_api_connection.requests()}


def test_drain_waits_for_its_turn(
    green_api_connection: GreenApiEmulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that ends within wait_for_reader leaves the queue to the next."""
    monkeypatch.setattr(lease, "ASK_EVERY", 0.1)
    green_api_connection.push(*traffic(seed=1, n=3))
    with another_reader(store, "other") as held:
        threading.Timer(0.5, held.release).start()
        assert drained(store, TaskInstance("first"), wait_for_reader=20)["count"] == 3


def test_retry_beside_its_frozen_first_try_fails_for_another_retry(
    green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """Both fill one batch, so it may not be handed on while the first still puts into it."""
    with (
        another_reader(store, "dag/first/drain/-1 (try 1) 0a1b2c3d"),
        pytest.raises(NotificationStoreError, match="earlier try"),
    ):
        drained(store, TaskInstance("first"), wait_for_reader=0)


def test_process_runs_at_once_handle_each_notification_once(
    green_api_connection: GreenApiEmulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A doorbell starts a second run while the first still handles the head; that one waits for its turn."""
    monkeypatch.setattr(lease, "ASK_EVERY", 0.1)
    green_api_connection.push(*traffic(seed=1, n=4))
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        time.sleep(0.4)
        handled.append(notification.key)

    def process(run_id: str) -> None:
        operator = GreenApiProcessNotificationsOperator(
            task_id="drain", handler=handler, dead_letter=store, receive_timeout=0.2
        )
        operator.execute({"ti": TaskInstance(run_id)})  # type: ignore[arg-type,typeddict-item]

    runs = [threading.Thread(target=process, args=(run_id,)) for run_id in ("first", "second")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(handled) == len(set(handled)) == 4
    assert not green_api_connection.queue()


# --- what a run left ---


def test_drain_adopts_what_a_run_stored_that_died(
    green_api_connection: GreenApiEmulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows lie in a batch that no XCom describes; the next run returns them, without asking anybody."""
    green_api_connection.push(*traffic(seed=1, n=6))
    dying(store, 4, monkeypatch)
    second = TaskInstance("second")
    batch = drained(store, second)
    assert (batch["count"], batch["report"]["adopted"]) == (6, 4)
    assert [n.body for n in read_batch(batch)] == [entry["body"] for entry in green_api_connection.audit()]
    assert second.asked == []


def test_drain_of_another_task_or_queue_adopts_nothing(
    green_api_connection: GreenApiEmulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose task it was goes on with it."""
    green_api_connection.push(*traffic(seed=1, n=6))
    dying(store, 4, monkeypatch)
    other = TaskInstance("second")
    other.task_id = "another"
    assert drained(store, other)["report"]["adopted"] == 0
    with GreenApiEmulator() as elsewhere:
        monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", elsewhere.connection)
        batch = drained(store, TaskInstance("third"), green_api_conn_id="elsewhere")
        assert (batch["count"], batch["report"]["adopted"]) == (0, 0)
    assert drained(store, TaskInstance("fourth"))["report"]["adopted"] == 4


@pytest.mark.parametrize(
    ("state", "adopted"),
    [("success", 0), ("failed", 3), ("skipped", 3), ("removed", 3), ("running", 0), ("up_for_retry", 0)],
)
def test_drain_asks_airflow_about_a_closed_batch(
    state: str, adopted: int, green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """Whether a batch that was finished was handed on, the state of its task tells."""
    green_api_connection.push(*traffic(seed=1, n=3))
    drained(store, TaskInstance("first"))
    batch = drained(store, TaskInstance("second", first=state))
    assert (batch["count"], batch["report"]["adopted"]) == (adopted, adopted)


@pytest.mark.parametrize("state", ["success", "unknown to Airflow"])
def test_closed_batch_is_asked_about_once(
    state: str, green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """What Airflow said for good is not asked again: an XCom, and a run, may be removed any day."""
    green_api_connection.push(*traffic(seed=1, n=3))
    drained(store, TaskInstance("first"))
    second = TaskInstance("second", **({"first": state} if state == "success" else {}))
    drained(store, second)
    assert second.asked == ["first"]
    third = TaskInstance("third", first="failed")
    assert drained(store, third)["report"]["adopted"] == 0
    assert third.asked == []


def test_closed_batch_of_a_running_task_is_asked_about_again(
    green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """It may still succeed, or die before it returns."""
    green_api_connection.push(*traffic(seed=1, n=3))
    drained(store, TaskInstance("first"))
    assert drained(store, TaskInstance("second", first="running"))["report"]["adopted"] == 0
    assert drained(store, TaskInstance("third", first="failed"))["report"]["adopted"] == 3


def test_airflow_that_cannot_be_asked_stops_no_drain(
    green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """The batch waits for the next drain."""

    class Deaf(TaskInstance):
        def get_task_states(self, **about: Any) -> dict[str, Any]:
            raise ConnectionError("no supervisor")

    green_api_connection.push(*traffic(seed=1, n=3))
    drained(store, TaskInstance("first"))
    assert drained(store, Deaf("second"))["report"]["adopted"] == 0
    assert drained(store, TaskInstance("third", first="failed"))["report"]["adopted"] == 3


def test_retry_after_its_batch_was_adopted_goes_on_with_what_is_left_and_says_so(
    green_api_connection: GreenApiEmulator,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A person cleared it after the next run had taken its notifications over."""
    green_api_connection.push(*traffic(seed=1, n=5))
    dying(store, 4, monkeypatch)
    second = drained(store, TaskInstance("second"))
    green_api_connection.push(*traffic(seed=2, n=2))
    first = drained(store, TaskInstance("first", second="success"))
    assert (second["count"], first["count"]) == (5, 2)
    assert "4 notifications of batch dag/first/drain/-1 were handed on by batch dag/second" in caplog.text
    assert balance(green_api_connection, read_batch(first), read_batch(second)) == Balance()


def test_adopter_that_dies_is_adopted_with_all_it_took(
    green_api_connection: GreenApiEmulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs in a row die; the fourth hands on what all of them stored, each once."""
    green_api_connection.push(*traffic(seed=1, n=9))
    for _ in range(3):
        dying(store, 2, monkeypatch)
    batch = drained(store, TaskInstance("second"))
    assert [n.body for n in read_batch(batch)] == [entry["body"] for entry in green_api_connection.audit()]


def test_unmatched_and_dead_letters_are_adopted_too(
    green_api_connection: GreenApiEmulator, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every store that a task fills has its batches handed on."""
    green_api_connection.push(*traffic(seed=1, n=3))
    rest = ObjectStorageStore(str(tmp_path / "rest"))
    nothing = {"accept": lambda notification: False, "unmatched": rest}
    drained(store, TaskInstance("first"), **nothing)
    batch = drained(store, TaskInstance("second", first="failed"), **nothing)
    assert (batch["unmatched"]["count"], batch["report"]["adopted"]) == (3, 3)


def test_drain_without_xcom_is_refused_in_the_dag_file() -> None:
    """What it returns is how a batch is handed on."""
    with pytest.raises(ValueError, match="do_xcom_push"):
        GreenApiDrainNotificationsOperator(task_id="drain", store=SqlStore("store"), do_xcom_push=False)


@pytest.mark.airflow
def test_drain_adopts_from_a_task_that_failed_on_a_real_airflow(
    green_api_connection: GreenApiEmulator, store: Store, run_dag: Callable[..., Any]
) -> None:
    """It dies between closing its batch and returning; the next run learns from Airflow that it failed."""

    class Dying(GreenApiDrainNotificationsOperator):
        def execute(self, context: Any) -> dict[str, Any]:
            batch = super().execute(context)
            if "GREEN_API_TEST_DIES" in os.environ:
                raise RuntimeError("after its batch was closed")
            return batch

    def run() -> Any:
        with DAG("adopting", schedule=None) as dag:
            Dying(task_id="drain", store=store, receive_timeout=0.2)
        return run_dag(dag).get_task_instance("drain")

    green_api_connection.push(*traffic(seed=1, n=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREEN_API_TEST_DIES", "yes")
        assert str(run().state) == "failed"
    batch = run().xcom_pull(task_ids="drain")
    assert (batch["count"], batch["report"]["adopted"]) == (3, 3)
    assert run().xcom_pull(task_ids="drain")["report"]["adopted"] == 0


def test_process_that_stops_keeps_no_letters_but_the_lease(
    green_api_connection: GreenApiEmulator, store: Store
) -> None:
    """With on_error="stop" the store serves for its lease and its count: what failed stays at the head."""
    green_api_connection.push(*traffic(seed=1, n=2))

    def handler(notification: Notification) -> None:
        raise LookupError("no such customer")

    operator = GreenApiProcessNotificationsOperator(
        task_id="drain",
        handler=handler,
        on_error="stop",
        dead_letter=store,
        max_attempts=1,
        receive_timeout=0.2,
    )
    with another_reader(store, "other"):
        operator.wait_for_reader = 0
        result = operator.execute({"ti": TaskInstance("first")})  # type: ignore[arg-type,typeddict-item]
        assert result["report"]["stopped_by"] == "another_reader"
    with pytest.raises(AirflowFailException, match="LookupError: no such customer"):
        operator.execute({"ti": TaskInstance("first")})  # type: ignore[arg-type,typeddict-item]
    assert len(green_api_connection.queue()) == 2
