"""Draining operators: batches over retries, handlers that fail, dead letters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import DAG

from airflow_green_notify.drain.handling import NotificationHandler
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, traffic
from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from tests.balance import Balance, balance, key_of
from tests.stores.cutting_proxy import CuttingProxy


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, run_id, task_id, map_index = "dag", "manual__2026-01-01T00:00:00+00:00", "drain", -1
    try_number = 1


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """A store on SQLite."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


def execute(operator_class: type, **arguments: Any) -> Any:
    operator = operator_class(task_id="drain", **({"receive_timeout": 0.2} | arguments))
    return operator.execute({"ti": TaskInstance})


def drain(**arguments: Any) -> dict[str, Any]:
    return execute(GreenApiDrainNotificationsOperator, **arguments)


def process(handler: Callable[[Notification], object], **arguments: Any) -> dict[str, Any]:
    return execute(GreenApiProcessNotificationsOperator, handler=handler, **arguments)


def test_drain_returns_a_small_batch_that_the_next_task_reads(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """The result is small JSON, and its notifications are those that were pushed."""
    green_api_connection.push(*example_notifications())
    batch = drain(store=store)
    assert len(json.dumps(batch)) < 2000
    assert [n.body for n in read_batch(json.dumps(batch))] == [e["body"] for e in example_notifications()]
    assert batch["report"]["stopped_by"] == "empty"


def test_drain_arguments_rendered_to_text_work(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Numbers and timestamps that templates turned into text are understood."""
    green_api_connection.push(*traffic(seed=1, n=5))
    batch = drain(store=store, max_notifications="2", max_seconds="30", until="2126-01-01T00:00:00+00:00")
    assert batch["count"] == 2


def test_drain_stops_at_the_start_of_its_own_try(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """What is newer than the try waits for the next run, unless until=None."""
    bodies = [body | {"timestamp": int(time.time()) + 60 * n} for n, body in enumerate(traffic(1, 2))]
    green_api_connection.push(*bodies)
    assert drain(store=store)["report"]["stopped_by"] == "until"
    assert len(green_api_connection.queue()) == 1
    assert drain(store=store, until=None)["count"] == 2


def test_drain_is_retried_after_an_answer_that_was_broken_on_its_way(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Without the retry, a batch would wait for the next run, which somebody's next message may start."""
    green_api_connection.push(*traffic(seed=1, n=3))
    green_api_connection.fault("malformed", method="receiveNotification")
    with pytest.raises(GreenApiPayloadError):
        drain(store=store)
    assert drain(store=store)["count"] == 3


def test_drain_empty_queue_skips_if_asked(green_api_connection: GreenApiEmulator, store: SqlStore) -> None:
    """An empty batch is a result, or a skip."""
    assert drain(store=store)["count"] == 0
    with pytest.raises(AirflowSkipException):
        drain(store=store, skip_if_empty=True)


def test_drain_whose_notifications_all_went_to_the_rest_is_not_skipped(
    green_api_connection: GreenApiEmulator, store: SqlStore, tmp_path: Path
) -> None:
    """Somebody has to be told of that batch."""
    green_api_connection.push(*traffic(seed=1, n=3))
    batch = drain(
        store=store,
        accept={"type_webhook": "none of these"},
        unmatched=ObjectStorageStore(tmp_path / "rest"),
        skip_if_empty=True,
    )
    assert (batch["count"], batch["unmatched"]["count"]) == (0, 3)


def test_drain_that_gives_way_to_another_reader_says_so_when_it_skips(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Nobody looked whether the queue is empty."""
    queue = GreenApiHook().config.queue
    other = store.open("etl/run/drain/-1", queue)
    assert ReaderLease(other.leases, queue, "etl/run/drain/-1 (try 1)").take()
    with pytest.raises(AirflowSkipException, match="Somebody else reads the queue"):
        drain(store=store, skip_if_empty=True, wait_for_reader=0)
    other.release()


def test_drain_accept_without_a_store_for_the_rest_is_refused() -> None:
    """Nothing is dropped without a name for where it goes."""
    with pytest.raises(ValueError, match="go together"):
        GreenApiDrainNotificationsOperator(task_id="drain", store=SqlStore("a"), accept=NotificationFilter())


def test_drain_unmatched_batch_is_in_the_result(
    green_api_connection: GreenApiEmulator, store: SqlStore, tmp_path: Path
) -> None:
    """Both batches are described, and hold everything between them."""
    green_api_connection.push(*example_notifications())
    batch = drain(
        store=store,
        accept=NotificationFilter(type_webhook="incomingCall"),
        unmatched=ObjectStorageStore(str(tmp_path / "rest")),
    )
    both = [list(read_batch(batch)), list(read_batch(batch["unmatched"]))]
    assert [len(part) for part in both] == [6, len(example_notifications()) - 6]
    assert balance(green_api_connection, *both) == Balance()


@pytest.mark.airflow
@pytest.mark.crash
def test_drain_retry_after_a_kill_returns_what_the_first_try_stored(
    green_api_connection: GreenApiEmulator, store: SqlStore, airflow_db: None
) -> None:
    """A try is killed between store and delete; the next try's batch holds everything, each once."""
    from tests.operators import killed_try

    green_api_connection.push(*traffic(seed=1, n=10))
    command = [sys.executable, "-m", "tests.operators.killed_try"]
    first = subprocess.run(command, env=os.environ | {"DIES_AFTER": "5"}, capture_output=True, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr.decode()
    assert len(green_api_connection.queue()) == 6

    run = killed_try.run()
    batch = run.get_task_instance("drain").xcom_pull(task_ids="drain")
    assert [n.body for n in read_batch(batch)] == [entry["body"] for entry in green_api_connection.audit()]
    assert batch["report"]["already_stored"] == 1
    assert not green_api_connection.queue()


# --- handlers ---


def test_process_calls_the_handler_once_each_and_then_deletes(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Every notification is handled in queue order while it is still in the queue, and deleted after it."""
    green_api_connection.push(*traffic(seed=1, n=6))
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        assert notification.key == key_of(green_api_connection.queue()[0])
        handled.append(notification.key)

    result = process(handler, dead_letter=store)
    assert handled == [key_of(entry["body"]) for entry in green_api_connection.audit()]
    assert (result["handled"], result["dead_letters"], green_api_connection.queue()) == (6, 0, [])


@pytest.mark.parametrize("kind", ["sql", "files"])
def test_process_poison_goes_to_the_dead_letters_and_the_rest_is_handled(
    kind: str, green_api_connection: GreenApiEmulator, store: SqlStore, tmp_path: Path
) -> None:
    """What fails each time is set aside after max_attempts with the error, and the queue moves on."""
    green_api_connection.push(*traffic(seed=1, n=4))
    poison = key_of(green_api_connection.queue()[1])
    calls: list[str] = []

    def handler(notification: Notification) -> None:
        calls.append(notification.key)
        if notification.key == poison:
            raise KeyError("no such customer")

    dead_letter = store if kind == "sql" else ObjectStorageStore(str(tmp_path / "dead"))
    result = process(handler, dead_letter=dead_letter, max_attempts=2)
    assert (result["handled"], result["dead_letters"]) == (3, 1)
    assert calls.count(poison) == 2
    ((letter, note),) = read_batch(result["dead_letter_batch"]).with_notes()
    assert letter.key == poison
    assert note is not None
    assert (note["reason"], note["attempts"], note["key"]) == ("max_attempts", 2, poison)
    assert (note["error_type"], note["error_text"]) == ("KeyError", "'no such customer'")
    assert (note["task"], note["first_error_attempt"]) == ("dag/drain", 1)
    assert not green_api_connection.queue()


def test_process_attempts_survive_the_process(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """An attempt that took the process down counts: the next try has one less, then sets it aside."""
    green_api_connection.push(*traffic(seed=1, n=2))

    def dies(notification: Notification) -> None:
        raise SystemExit("as if the worker was killed")

    for _ in range(2):
        with pytest.raises(SystemExit):
            process(dies, dead_letter=store, max_attempts=2)
    handled: list[str] = []
    result = process(lambda n: handled.append(n.key), dead_letter=store, max_attempts=2)
    assert (result["handled"], result["dead_letters"]) == (1, 1)
    ((_, note),) = read_batch(result["dead_letter_batch"]).with_notes()
    assert note is not None
    assert note["error_type"] == "ProcessDied"


def test_process_is_not_skipped_if_an_earlier_try_made_a_dead_letter(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """The try died after it; the queue is empty by now, and the dead letter is in the batch."""
    green_api_connection.push(*traffic(seed=1, n=2))
    poison = key_of(green_api_connection.queue()[0])

    def handler(notification: Notification) -> None:
        if notification.key == poison:
            raise KeyError("no such customer")
        raise SystemExit("as if the worker was killed")

    with pytest.raises(SystemExit):
        process(handler, dead_letter=store, max_attempts=1)
    GreenApiHook().clear_webhooks_queue()
    result = process(handler, dead_letter=store, max_attempts=1, skip_if_empty=True)
    assert result["handled"] == 0
    assert [letter.key for letter in read_batch(result["dead_letter_batch"])] == [poison]


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "500"])
def test_process_delete_in_doubt_does_not_call_the_handler_again(
    fault: str, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A notification that comes again after its handler returned is deleted without another call."""
    green_api_connection.push(*traffic(seed=1, n=3))
    green_api_connection.fault(fault, method="deleteNotification", times=1)
    handled: list[str] = []
    process(lambda n: handled.append(n.key), dead_letter=store)
    assert len(handled) == len(set(handled)) == 3
    assert not green_api_connection.queue()


def test_process_handler_that_is_async_behind_a_plain_function_handles_nothing(
    green_api_connection: GreenApiEmulator,
) -> None:
    """Its body never ran, so nothing is deleted."""
    green_api_connection.push(*traffic(seed=1, n=1))

    async def load(notification: Notification) -> None:
        raise AssertionError("never awaited")

    with pytest.raises(TypeError, match="must be a plain function"):
        process(lambda notification: load(notification), on_error="stop", max_attempts=1)
    assert len(green_api_connection.queue()) == 1


def test_process_stop_leaves_the_notification_at_the_head(green_api_connection: GreenApiEmulator) -> None:
    """With on_error="stop" the handler's own error fails the task, and nothing of it is deleted."""
    green_api_connection.push(*traffic(seed=1, n=2))

    def handler(notification: Notification) -> None:
        raise LookupError("no such customer")

    with pytest.raises(LookupError):
        process(handler, on_error="stop", max_attempts=2)
    assert len(green_api_connection.queue()) == 2


def calls_of_tries(
    error: Exception, tries: int, expected: type[Exception], **arguments: Any
) -> list[Notification]:
    """Return what a handler that raises was called with in so many tries of a task, each of which fails."""
    calls: list[Notification] = []

    def handler(notification: Notification) -> None:
        calls.append(notification)
        raise error

    for _ in range(tries):
        with pytest.raises(expected):
            process(handler, on_error="stop", **arguments)
    return calls


def test_process_that_stops_limits_the_attempts_over_all_tries(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """With a store that counts, the limit fails the task for good; a run after it begins anew."""
    green_api_connection.push(*traffic(seed=1, n=2))

    def dies(notification: Notification) -> None:
        raise SystemExit("as if the worker was killed")

    with pytest.raises(SystemExit):
        process(dies, on_error="stop", dead_letter=store)
    failing = LookupError("no such customer")
    assert len(calls_of_tries(failing, 1, AirflowFailException, dead_letter=store)) == 2
    assert len(calls_of_tries(failing, 1, AirflowFailException, dead_letter=store)) == 3
    assert len(green_api_connection.queue()) == 2
    handled: list[str] = []
    assert process(lambda n: handled.append(n.key), on_error="stop", dead_letter=store)["handled"] == 2


def test_process_that_stops_after_the_process_died_says_so(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """No error tells why; the words do."""
    green_api_connection.push(*traffic(seed=1, n=1))

    def dies(notification: Notification) -> None:
        raise SystemExit("as if the worker was killed")

    for _ in range(2):
        with pytest.raises(SystemExit):
            process(dies, on_error="stop", dead_letter=store, max_attempts=2)
    with pytest.raises(AirflowFailException, match=r"2 attempts on .* the process died .* clear this task"):
        process(dies, on_error="stop", dead_letter=store, max_attempts=2)


def test_process_that_stops_without_a_store_counts_each_try_for_itself(
    green_api_connection: GreenApiEmulator,
) -> None:
    """There is nothing that could count over tries."""
    green_api_connection.push(*traffic(seed=1, n=2))
    assert len(calls_of_tries(LookupError("no such customer"), 2, LookupError, max_attempts=2)) == 4


def test_process_handler_that_fails_for_good_is_called_once(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """AirflowFailException: the notification is set aside, or the task stops, without another attempt."""
    green_api_connection.push(*traffic(seed=1, n=1))
    failing = AirflowFailException("no such customer")
    assert len(calls_of_tries(failing, 1, AirflowFailException)) == 1
    assert len(calls_of_tries(failing, 2, AirflowFailException, dead_letter=store)) == 2
    calls: list[str] = []

    def handler(notification: Notification) -> None:
        calls.append(notification.key)
        raise failing

    result = process(handler, dead_letter=store)
    assert (len(calls), result["dead_letters"]) == (1, 1)
    ((_, note),) = read_batch(result["dead_letter_batch"]).with_notes()
    assert note is not None
    assert (note["error_type"], note["attempts"]) == ("AirflowFailException", 1)


@pytest.mark.parametrize("on_error", ["dead_letter", "stop"])
def test_process_handler_that_skips_has_handled(
    on_error: str, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """AirflowSkipException: there was nothing to do, and the notification is deleted."""
    green_api_connection.push(*traffic(seed=1, n=2))
    calls: list[str] = []

    def handler(notification: Notification) -> None:
        calls.append(notification.key)
        raise AirflowSkipException("not for us")

    result = process(handler, dead_letter=store, on_error=on_error)
    assert (len(calls), result["handled"], result["dead_letters"]) == (2, 2, 0)
    assert result["dead_letter_batch"]["count"] == 0
    assert not green_api_connection.queue()


@pytest.mark.parametrize("kind", ["sql", "files", "parquet"])
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_process_dead_letter_that_a_drain_had_stored_is_kept_beside_it(
    is_closed: bool, kind: str, green_api_connection: GreenApiEmulator, store: SqlStore, tmp_path: Path
) -> None:
    """A drain into the same store died before its delete: its batch has it, and the dead letters do."""
    green_api_connection.push(*traffic(seed=1, n=1))
    (body,) = green_api_connection.queue()
    place: Any = store
    if kind != "sql":
        form = "ndjson" if kind == "files" else kind
        place = ObjectStorageStore(str(tmp_path / "store"), format=form)  # type: ignore[arg-type]
    drained = place.open("dag/run/another_drain/-1", "queue")
    assert drained.put(Notification(1, body))
    if is_closed:
        drained.close()

    def handler(notification: Notification) -> None:
        raise KeyError("no such customer")

    result = process(handler, dead_letter=place, max_attempts=1)
    ((letter, note),) = read_batch(result["dead_letter_batch"]).with_notes()
    assert (letter.key, letter.body) == (key_of(body), body)
    assert note is not None
    assert note["error_type"] == "KeyError"
    assert [n.key for n in read_batch(drained.close())] == [key_of(body)]
    assert [n.key for n in read_batch(result["dead_letter_batch"])] == [key_of(body)]
    assert list(read_batch(result["dead_letter_batch"]).as_dataframe()["key"]) == [key_of(body)]


@pytest.mark.parametrize("kind", ["sql", "files"])
def test_process_dead_letter_of_a_run_that_died_is_in_the_next_runs_batch(
    kind: str, green_api_connection: GreenApiEmulator, store: SqlStore, tmp_path: Path
) -> None:
    """It died between setting aside and deleting; the next run takes the letter over with its note."""
    green_api_connection.push(*traffic(seed=1, n=2))
    place: Any = store if kind == "sql" else ObjectStorageStore(str(tmp_path / "store"))
    died = place.open("dag/earlier/drain/-1", GreenApiHook().config.queue)
    notification = Notification(1, green_api_connection.queue()[0])
    died.begin_attempt(notification.key)
    assert NotificationHandler(print, 1, died).put(notification)
    died.release()

    class NextRun(TaskInstance):
        run_id = "next"

    handled: list[str] = []
    operator = GreenApiProcessNotificationsOperator(
        task_id="drain", handler=lambda n: handled.append(n.key), dead_letter=place, receive_timeout=0.2
    )
    result = operator.execute({"ti": NextRun})  # type: ignore[arg-type,typeddict-item]
    ((letter, note),) = read_batch(result["dead_letter_batch"]).with_notes()
    assert (letter.key, len(handled)) == (notification.key, 1)
    assert note is not None
    assert note["error_type"] == "ProcessDied"


def test_process_whose_connection_is_cut_while_the_handler_runs_has_handled(
    green_api_connection: GreenApiEmulator, postgres_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler took longer than the database lets a connection idle; it is not called again."""
    green_api_connection.push(*traffic(seed=1, n=3))
    connection = json.loads(postgres_connection)
    proxy = CuttingProxy(connection["port"])
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection | {"port": proxy.port}))
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        handled.append(notification.key)
        proxy.cut = "before"

    result = process(handler, dead_letter=SqlStore("store", table="cut_while_handling"), max_attempts=1)
    assert (len(handled), result["handled"], result["dead_letters"]) == (3, 3, 0)
    proxy.close()


def test_process_wrong_arguments_are_refused_in_the_dag_file() -> None:
    """What the handler keeps failing on needs a store, or stops the task."""
    for wrong in ({}, {"on_error": "ignore"}, {"on_error": "ignore", "dead_letter": SqlStore("a")}):
        with pytest.raises(ValueError, match=r"on_error|dead_letter"):
            GreenApiProcessNotificationsOperator(task_id="process", handler=print, **wrong)


@pytest.mark.airflow
def test_drain_store_and_filter_are_rendered_and_written_the_same_at_each_parse(
    green_api_connection: GreenApiEmulator, tmp_path: Path, run_dag: Callable[..., Any]
) -> None:
    """A path in a store is a template; the Dag's serialized form doesn't change from parse to parse."""
    from airflow.serialization import serialized_objects

    # Airflow 3.1 has it under the other name.
    serialization = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    green_api_connection.push(*traffic(seed=1, n=2))

    def dag() -> DAG:
        with DAG("rendered", schedule=None) as dag:
            GreenApiDrainNotificationsOperator(
                task_id="drain",
                store=ObjectStorageStore(str(tmp_path) + "/{{ dag.dag_id }}"),
                accept=NotificationFilter(type_webhook="incomingMessageReceived"),
                unmatched=ObjectStorageStore(str(tmp_path) + "/rest"),
                receive_timeout=0.2,
            )
        return dag

    assert serialization.to_dict(dag()) == serialization.to_dict(dag())
    assert str(run_dag(dag()).state) == "success"
    assert (tmp_path / "rendered").is_dir()
