"""The sensor: one result in three modes, nothing that matches deleted, no fault hidden."""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow.sdk import DAG, BaseOperator, task
from airflow.sdk.execution_time import context as execution_context

from airflow_green_notify import notification as notification_module
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook, instance_hook
from airflow_green_notify.notification import Notification
from airflow_green_notify.sensors import GreenApiNotificationSensor, head_look
from airflow_green_notify.sensors import notification as sensors
from airflow_green_notify.sensors.wait import NOTE
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from airflow_green_notify.triggers import watch

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
CHAT = "12025550101@c.us"
FROM_CHAT = NotificationFilter(chat_id=CHAT)
each_mode = pytest.mark.parametrize("mode", MODES)
HAS_TASK_STATE = hasattr(execution_context, "TaskStateStoreAccessor")
remembers = pytest.mark.skipif(not HAS_TASK_STATE, reason="a task's state came with Airflow 3.3")


def body(text: str, chat_id: str = CHAT, **message: Any) -> dict[str, Any]:
    """An incoming message of a chat."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "timestamp": 1_790_000_000,
        "idMessage": f"ID-{text}",
        "senderData": {"chatId": chat_id, "sender": chat_id, "senderName": "Ann"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}} | message,
    }


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HEAD_PAUSE", 0.1)
    monkeypatch.setattr(instance_hook, "_retry_wait", lambda state: 0.1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


@pytest.fixture
def wait(run_dag: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run the sensor in a Dag of its own, with real Airflow, and return its task instance."""

    def run(mode: str, **arguments: Any) -> Any:
        with DAG(f"dag_of_{request.node.originalname}_{mode}", schedule=None) as dag:
            GreenApiNotificationSensor(task_id="wait", **(defaults() | MODES[mode] | arguments))
        return run_dag(dag).get_task_instance("wait")

    return run


def defaults() -> dict[str, Any]:
    return {
        "receive_timeout": 0.3,
        "poke_interval": 0,
        "timeout": 30,
        "retries": 0,
        "retry_delay": dt.timedelta(0),
    }


def result_of(ti: Any) -> Any:
    """What the task left in XCom."""
    return ti.xcom_pull(task_ids=ti.task_id)


def after_looks(gateway: GreenApiEmulator, looks: int, action: Callable[[], object]) -> None:
    """Do something once the queue was looked at so many times."""

    def watch_and_act() -> None:
        while len(gateway.requests()) < looks:
            time.sleep(0.05)
        action()

    threading.Thread(target=watch_and_act, daemon=True).start()


def context() -> Any:
    """What the sensor reads of the context where no Airflow runs it."""
    pushed: dict[str, Any] = {}
    task = {"dag_id": "dag", "run_id": "run", "task_id": "wait", "map_index": -1}
    return {"ti": SimpleNamespace(**task, pushed=pushed, xcom_push=pushed.__setitem__)}


@contextmanager
def steady_traffic(gateway: GreenApiEmulator, chat_id: str = "1@c.us") -> Iterator[None]:
    """Ten messages a second, each stamped with its time."""
    stopped = threading.Event()

    def push() -> None:
        number = 0
        while not stopped.wait(0.1):
            number += 1
            gateway.push(body(f"{chat_id} {number}", chat_id) | {"timestamp": int(time.time())})

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def take_head() -> None:
    """Receive and delete the head, as another consumer does."""
    with GreenApiHook() as hook:
        head = hook.receive_notification(0.3)
        assert head is not None
        hook.delete_notification(head.receipt_id)


# --- results ---


def test_result_is_the_same_in_three_modes_byte_for_byte(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changing the mode of a sensor changes nothing behind it; thumbnails stay out."""

    class StoppedClock(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> dt.datetime:
            return dt.datetime(2026, 11, 23, 12, 0, tzinfo=tz)

    monkeypatch.setattr(notification_module, "datetime", StoppedClock)
    picture = next(
        item["body"]
        for item in example_notifications()
        if "jpegThumbnail" in json.dumps(item) and "senderData" in item["body"]
    )
    green_api_connection.push(picture)
    results = {mode: json.dumps(result_of(wait(mode))) for mode in MODES}
    assert len(set(results.values())) == 1
    assert "jpegThumbnail" not in results["poke"]
    assert Notification(1, picture).key in results["poke"]
    assert green_api_connection.queue() == [picture]


@each_mode
def test_notification_that_comes_later_is_returned_and_left_at_the_head(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """The sensor waits, and deletes nothing."""
    after_looks(green_api_connection, 2, lambda: green_api_connection.push(body("yes")))
    ti = wait(mode, matching=FROM_CHAT)
    assert ti.state == "success"
    assert Notification.from_dict(result_of(ti)).text == "yes"
    assert green_api_connection.queue() == [body("yes")]


@each_mode
def test_callable_judges_in_every_mode(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """The worker judges, so a filter may be any code."""
    seen: list[str | None] = []

    def is_long(notification: Notification) -> bool:
        seen.append(notification.text)
        return len(notification.text or "") > 3

    green_api_connection.push(body("no"), body("long enough"))
    after_looks(green_api_connection, 2, take_head)
    ti = wait(mode, matching=is_long)
    assert Notification.from_dict(result_of(ti)).text == "long enough"
    assert "no" in seen


# --- what doesn't match ---


@each_mode
def test_head_that_does_not_match_is_waited_for_and_told_once(
    green_api_connection: GreenApiEmulator,
    wait: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    mode: str,
) -> None:
    """With unmatched="keep" the sensor touches nothing, and the log says what blocks."""
    green_api_connection.push(body("other", chat_id="1@c.us"), body("yes"))
    after_looks(green_api_connection, 3, take_head)
    assert wait(mode, matching=FROM_CHAT).state == "success"
    told = caplog.text.count("is at the head and doesn't match")
    assert told == 1 or (told and mode == "reschedule" and not HAS_TASK_STATE)
    assert [item["deletions"] for item in green_api_connection.audit()] == [1, 0]


@each_mode
def test_unmatched_notifications_go_to_the_store_and_the_match_stays(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], store: SqlStore, mode: str
) -> None:
    """Stored, then deleted, in order; what matches is neither."""
    others = [body(text, chat_id="1@c.us") for text in ("a", "b", "c")]
    green_api_connection.push(*others[:2])
    after_looks(green_api_connection, 2, lambda: green_api_connection.push(others[2], body("yes")))
    ti = wait(mode, matching=FROM_CHAT, unmatched=store)
    assert ti.state == "success"
    assert green_api_connection.queue() == [body("yes")]
    batch = ti.xcom_pull(task_ids="wait", key="unmatched")
    assert [notification.body for notification in read_batch(batch)] == others


def test_deferrable_sensor_defers_under_steady_traffic(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """What came after the look began waits for the next one, and what was set aside is no known head."""
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | MODES["deferrable"])
    )
    with steady_traffic(green_api_connection):
        time.sleep(0.5)
        started = time.monotonic()
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context())
    assert time.monotonic() - started < 5
    assert deferred.value.trigger.serialize()[1]["known_keys"] == []
    assert deferred.value.trigger.serialize()[1]["pause"] == sensors.PAUSE_WHEN_BUSY
    assert store.open("dag/run/wait/-1").close()["count"] >= 4


@each_mode
def test_match_is_found_in_steady_traffic_and_each_look_is_told(
    green_api_connection: GreenApiEmulator,
    wait: Callable[..., Any],
    store: SqlStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """Look by look, until the match is at the head; the log tells when each begins, and what it did."""
    monkeypatch.setattr(sensors, "PAUSE_WHEN_BUSY", 0.5)

    def push_match_later() -> None:
        time.sleep(2.5)
        green_api_connection.push(body("yes") | {"timestamp": int(time.time())})

    after_looks(green_api_connection, 1, push_match_later)
    with steady_traffic(green_api_connection):
        ti = wait(mode, matching=FROM_CHAT, unmatched=store)
    assert Notification.from_dict(result_of(ti)).text == "yes"
    batch = store.open(f"{ti.dag_id}/{ti.run_id}/wait/-1").close()
    assert batch["count"] == sum(item["deletions"] for item in green_api_connection.audit())
    told = [text for text in caplog.messages if "aside" in text]
    assert len(told) >= 4
    assert {text.split(" ")[0] for text in told[::2]} == {"Setting"}
    assert {text.split(" ")[0] for text in told[1::2]} == {"Set"}
    assert any(text.endswith("the head is newer than until, and stays in the queue.") for text in told)


def test_match_that_came_after_the_look_began_is_returned_by_it(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Where setting aside stops, the head is judged once more."""
    newer = body("yes") | {"timestamp": int(time.time()) + 60}
    green_api_connection.push(body("no", "1@c.us"), newer)
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | MODES["deferrable"])
    )
    assert Notification.from_dict(sensor.execute(context())).body == newer


def test_sensor_leaves_a_queue_alone_that_somebody_else_reads_and_says_who(
    green_api_connection: GreenApiEmulator, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A drain that reads into the same store is named, and nothing is taken from under its hands."""
    queue = GreenApiHook().config.queue
    other = store.open("etl/run/drain/-1", queue)
    lease = ReaderLease(other.leases, queue, "etl/run/drain/-1 (try 1)")
    assert lease.take()
    green_api_connection.push(body("no", "1@c.us"))
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | MODES["deferrable"])
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context())
    assert deferred.value.trigger.serialize()[1]["pause"] > 0
    assert len(green_api_connection.queue()) == 1
    assert caplog.text.count("The task etl/drain reads the queue") == 1
    caplog.clear()
    lease.release()
    with pytest.raises(TaskDeferred):
        sensor.execute(context())
    assert not green_api_connection.queue()
    assert caplog.text.count("The task etl/drain reads the queue") == 1
    other.release()


@pytest.mark.parametrize(("mode", "left"), [("deferrable", True), ("reschedule", True), ("poke", False)])
def test_backlog_is_set_aside_in_portions_where_a_slot_can_be_given_back(
    green_api_connection: GreenApiEmulator,
    store: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    left: bool,
) -> None:
    """A look takes ten seconds at most; a sensor that holds its slot anyway goes on to the end."""
    monkeypatch.setattr(head_look, "MAX_SECONDS", 0.5)
    green_api_connection.push(*(body(str(number), "1@c.us") for number in range(150)))
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | MODES[mode])
    )
    if mode == "deferrable":
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context())
        assert deferred.value.trigger.serialize()[1]["known_keys"] == []
        assert deferred.value.trigger.serialize()[1]["pause"] > 0
    else:
        assert not sensor.poke(context())
    count = store.open("dag/run/wait/-1").close()["count"]
    assert count > 0
    assert count + len(green_api_connection.queue()) == 150
    assert bool(green_api_connection.queue()) is left


def test_timeout_in_steady_traffic_says_that_more_was_waiting(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """ "Nothing matching came" is not said of what nobody looked at."""
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | {"timeout": 0.5})
    )
    with steady_traffic(green_api_connection), pytest.raises(AirflowSensorTimeout, match="not looked at yet"):
        sensor.execute(context())


@each_mode
def test_filter_that_raises_fails_the_task_and_stores_nothing_away(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], store: SqlStore, mode: str
) -> None:
    """An error is never a miss, nor a reason to skip."""

    def broken(notification: Notification) -> bool:
        raise ZeroDivisionError(notification.text)

    after_looks(green_api_connection, 2, lambda: green_api_connection.push(body("yes")))
    ti = wait(mode, matching=broken, unmatched=store, soft_fail=True)
    assert ti.state == "failed"
    assert green_api_connection.queue() == [body("yes")]


# --- the end of waiting ---


@each_mode
@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
def test_timeout_ends_the_wait_without_a_retry(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str, soft_fail: bool, state: str
) -> None:
    """After timeout the task fails, or is skipped with soft_fail."""
    green_api_connection.push(body("other", chat_id="1@c.us"))
    ti = wait(mode, matching=FROM_CHAT, timeout=1.5, soft_fail=soft_fail, retries=2)
    assert (ti.state, ti.try_number) == (state, 1)


@each_mode
@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
def test_timeout_hands_on_what_was_set_aside(
    green_api_connection: GreenApiEmulator,
    wait: Callable[..., Any],
    store: SqlStore,
    mode: str,
    soft_fail: bool,
    state: str,
) -> None:
    """Whoever ends the wait, the sensor or Airflow."""
    other = body("other", chat_id="1@c.us")
    green_api_connection.push(other)
    ti = wait(mode, matching=FROM_CHAT, unmatched=store, timeout=2, poke_interval=1, soft_fail=soft_fail)
    assert ti.state == state
    batch = ti.xcom_pull(task_ids="wait", key="unmatched")
    assert [notification.body for notification in read_batch(batch)] == [other]


def test_wait_that_airflow_ends_in_the_triggerer_hands_on_what_was_set_aside(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """No triggerer was there to do it in time."""
    green_api_connection.push(body("other", chat_id="1@c.us"))
    sensor = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, unmatched=store, **(defaults() | MODES["deferrable"])
    )
    given = context()
    with pytest.raises(TaskDeferred):
        sensor.execute(given)
    with pytest.raises(AirflowSensorTimeout):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, given)
    assert given["ti"].pushed["unmatched"]["count"] == 1


def broken(notification: Notification) -> bool:
    """A filter that fails on everything."""
    raise ZeroDivisionError(notification.text)


@each_mode
@pytest.mark.parametrize("timeout", [0, 1.5])
@pytest.mark.parametrize("matching", [FROM_CHAT, broken])
def test_never_fail_skips_in_every_mode(
    green_api_connection: GreenApiEmulator,
    wait: Callable[..., Any],
    mode: str,
    timeout: float,
    matching: Any,
) -> None:
    """A wait in vain, and a look that failed; a fault of the Dag or the connection is told all the same."""
    green_api_connection.push(body("other", chat_id="1@c.us"))
    ti = wait(mode, matching=matching, timeout=timeout, never_fail=True, retries=2)
    assert (ti.state, ti.try_number) == ("skipped", 1)


@each_mode
def test_never_fail_skips_where_the_store_fails(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], tmp_path: Path, mode: str
) -> None:
    """The notification stays in the queue."""
    (tmp_path / "file").touch()
    green_api_connection.push(body("other", chat_id="1@c.us"))
    unmatched = ObjectStorageStore(tmp_path / "file" / "folder")
    ti = wait(mode, matching=FROM_CHAT, unmatched=unmatched, never_fail=True)
    assert ti.state == "skipped"
    assert len(green_api_connection.queue()) == 1


@each_mode
def test_silent_fail_waits_on_in_every_mode(
    green_api_connection: GreenApiEmulator,
    wait: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """A look that failed is told in the log, and followed by the next, though not at once."""
    monkeypatch.setattr(sensors, "PAUSE_WHEN_BUSY", 1.0)
    calls: list[float] = []

    def fails_at_first(notification: Notification) -> bool:
        calls.append(time.monotonic())
        if len(calls) < 3:
            raise ZeroDivisionError
        return True

    green_api_connection.push(body("yes"))
    ti = wait(mode, matching=fails_at_first, silent_fail=True, poke_interval=1)
    assert ti.state == "success"
    assert calls[2] - calls[0] > 1.5


def test_deferral_ends_with_execution_timeout(green_api_connection: GreenApiEmulator) -> None:
    """As a task would end that doesn't defer: with a retry, and with words."""
    began = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    given = context()
    given["ti"].start_date = began
    sensor = GreenApiNotificationSensor(
        task_id="wait",
        execution_timeout=dt.timedelta(minutes=1, seconds=10),
        **(defaults() | MODES["deferrable"] | {"timeout": 3600}),
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(given)
    assert deferred.value.timeout is not None
    assert 5 < deferred.value.timeout.total_seconds() <= 10
    given["ti"].start_date = began - dt.timedelta(minutes=1)
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout=0:01:10 passed"):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, given)


@remembers
@each_mode
@pytest.mark.slow
def test_timeout_counts_from_the_first_try(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """A retry gets what is left of the time, not all of it again."""
    calls: list[float] = []

    def fails_at_first(notification: Notification) -> bool:
        calls.append(time.monotonic())
        time.sleep(4.0 if len(calls) == 1 else 0)
        if len(calls) == 1:
            raise ZeroDivisionError
        return False

    green_api_connection.push(body("other"))
    ti = wait(mode, matching=fails_at_first, timeout=6, retries=1)
    assert (ti.state, ti.try_number) == ("failed", 2)
    assert time.monotonic() - calls[0] < 9.5


def test_cleared_task_waits_anew() -> None:
    """A note of an earlier life of the task doesn't shorten the wait of the next."""

    class State(dict[str, Any]):
        set = dict.__setitem__

    class Ti:
        max_tries = 3
        task = type("Task", (), {"retries": 2})

    from airflow_green_notify.sensors.wait import Wait

    state = State({NOTE: {"first_try": 1, "since": 5.0, "blocked_by": ""}})
    context: Any = {"task_state_store": state, "ti": Ti}
    assert time.time() - Wait(context).since < 60
    Ti.max_tries = 2
    state[NOTE] = {"first_try": 1, "since": 5.0, "blocked_by": ""}
    assert Wait(context).since == 5.0


# --- faults ---


@each_mode
@pytest.mark.parametrize("lenient", ["soft_fail", "never_fail", "silent_fail"])
def test_wrong_token_fails_the_task_at_once_whatever_is_forgiven(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str, lenient: str
) -> None:
    """A wrong configuration is never hidden as skipped, and fails without a retry."""
    green_api_connection.fault("status", status=401, times=None)
    ti = wait(mode, retries=2, **{lenient: True})
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert len(green_api_connection.requests()) == 1


@pytest.mark.parametrize("soft_fail", [False, True])
def test_refusal_while_deferred_fails_the_task_at_once(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], soft_fail: bool
) -> None:
    """What turns wrong while nobody works is told by the trigger."""
    green_api_connection.fault("status", status=401, times=None, after=1)
    ti = wait("deferrable", retries=2, soft_fail=soft_fail)
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert len(green_api_connection.requests()) == 2, "one of the worker, one of the trigger"


@each_mode
def test_switched_off_notifications_fail_the_task_at_once(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """Nothing can come, so nothing is waited for."""
    off = {name: "no" for name, value in green_api_connection.settings().items() if value == "yes"}
    green_api_connection.settings(**off)
    ti = wait(mode, retries=2, soft_fail=True, receive_timeout=30)
    assert (ti.state, ti.try_number) == ("failed", 1)


@each_mode
@pytest.mark.slow
def test_outage_is_waited_out(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """A gateway that comes back in time costs a sensor nothing."""
    green_api_connection.push(body("yes"))
    green_api_connection.fault("502", times=6)
    assert wait(mode, matching=FROM_CHAT).state == "success"


@each_mode
def test_outage_until_the_timeout_fails_and_is_not_skipped(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str
) -> None:
    """An outage is never "nothing came"."""
    green_api_connection.fault("502", times=None)
    assert wait(mode, timeout=1, soft_fail=True).state == "failed"


def test_poke_interval_of_zero_makes_no_hot_loop(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any]
) -> None:
    """A head that blocks is shown at once, yet asked for about once a second."""
    green_api_connection.push(body("other", chat_id="1@c.us"))
    wait("poke", matching=FROM_CHAT, timeout=3)
    assert len(green_api_connection.requests()) <= 5


def test_notification_too_large_for_xcom_fails_at_once_and_names_the_drain(
    green_api_connection: GreenApiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays in the queue for a drain."""
    green_api_connection.push(body("x" * 5000))
    sensor = GreenApiNotificationSensor(task_id="wait", max_xcom_bytes=1000, **defaults())
    with pytest.raises(AirflowFailException, match="GreenApiDrainNotificationsOperator"):
        sensor.execute({})  # type: ignore[arg-type]
    assert len(green_api_connection.queue()) == 1


# --- arguments ---


def test_filter_is_rendered_and_takes_what_another_task_returned(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """Chat, quoted message and text of a filter may be templates and results."""

    @task
    def ask() -> str:
        return "QUESTION"

    with DAG("dag_of_templates", schedule=None, params={"chat": CHAT}) as dag:
        asked = ask()
        waits = [
            GreenApiNotificationSensor(task_id=f"wait_{number}", matching=matching, **defaults())
            for number, matching in enumerate(
                (
                    {"chat_id": "{{ params.chat }}", "quoted_id": asked},
                    NotificationFilter(chat_id="{{ params.chat }}", quoted_id=asked),  # type: ignore[arg-type]
                )
            )
        ]
        GreenApiNotificationSensor(
            task_id="wait_too",
            matching=NotificationFilter(chat_id="{{ params.chat }}", text="(?i)^YES"),
            **defaults(),
        )
    assert [wait.upstream_task_ids for wait in waits] == [{"ask"}] * 2
    quoted = {"typeMessage": "quotedMessage", "quotedMessage": {"stanzaId": "QUESTION"}}
    green_api_connection.push(body("yes", **quoted))
    run = run_dag(dag)
    assert [ti.state for ti in run.get_task_instances()] == ["success"] * 4


def test_nested_parts_of_a_filter_are_rendered_and_take_what_another_task_returned(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """Paths into the body and what must not match: their values are templates and results too."""

    @task
    def ask() -> str:
        return "QUESTION"

    with DAG("dag_of_nested_templates", schedule=None, params={"word": "yes", "kind": "group"}) as dag:
        asked = ask()
        path = {"messageData.quotedMessage.stanzaId": [asked, "other"]}
        rest = {"chat_kind": "{{ params.kind }}", "text": "{{ params.word }}"}
        for number, (positive, negative) in enumerate(
            [(path, rest), (path, NotificationFilter(**rest)), ({"typeWebhook": "{{ params.word }}"}, rest)]
        ):
            given: Any = {"body": positive, "not_": negative}
            for matching in (given, NotificationFilter(**given)):
                GreenApiNotificationSensor(
                    task_id=f"wait_{number}_{type(matching).__name__}",
                    matching=matching,
                    **defaults() | {"timeout": 2},
                )
    quoted = {"typeMessage": "quotedMessage", "quotedMessage": {"stanzaId": "QUESTION"}}
    green_api_connection.push(body("yes", **quoted))
    run = run_dag(dag)
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances() if ti.task_id != "ask"}
    assert [states[task_id] for task_id in sorted(states)] == ["success"] * 4 + ["failed"] * 2
    assert {id for task_id in states for id in dag.get_task(task_id).upstream_task_ids} == {"ask"}


@each_mode
@pytest.mark.slow
def test_person_under_another_id_is_waited_for_through_an_outage(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], mode: str, store: SqlStore
) -> None:
    """Who is behind a LID can't be asked for a while: the answer is neither missed nor set aside."""
    green_api_connection.switch(contact_ids="lid", rate_limits=False)
    green_api_connection.fault("500", method="getContacts", times=7)
    green_api_connection.push(body("yes", chat_id="200012025550101@lid"))
    ti = wait(mode, matching={"chat_id": "12025550101@c.us", "text": "yes"}, unmatched=store)
    assert ti.state == "success"
    assert Notification.from_dict(result_of(ti)).chat_id == "200012025550101@lid"
    assert len(green_api_connection.queue()) == 1


WRONG_ARGUMENTS = [
    ({"matching": {"not_": {"txt": "{{ x }}"}}}, "matching: 'txt' is no part of a filter"),
    ({"matching": {"not_": {"chat_kind": "groups", "text": "{{ x }}"}}}, "matching: chat_kind is 'groups'"),
    ({"matching": {"not_": {"chat_id": "nobody"}}}, "chat_id is 'nobody'"),
    ({"matching": {"body": {"a.b": []}, "text": "{{ x }}"}}, "matching: body\\['a.b'\\] is an empty list"),
    ({"matching": {"id_message": ""}}, "matching: id_message is ''"),
    ({"matching": {"txt": "yes"}}, "matching: 'txt' is no part of a filter"),
    ({"matching": {"text": "("}}, r"matching: text='\(' is no regular expression"),
    ({"matching": {"chat_id": []}}, "matching: chat_id is an empty list"),
    ({"matching": "yes"}, "matching is 'yes'"),
    ({"unmatched": "delete"}, "unmatched is 'delete'; it must be 'keep' or a store"),
    ({"receive_timeout": 100}, "receive_timeout is 100; it must be .* between 5 and 60"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG_ARGUMENTS)
def test_wrong_argument_is_refused_where_the_dag_is_parsed(wrong: dict[str, Any], text: str) -> None:
    """The text names the argument, what it was, and what is allowed."""
    with pytest.raises(ValueError, match=text):
        GreenApiNotificationSensor(task_id="wait", **(defaults() | wrong))


@each_mode
@pytest.mark.parametrize(
    ("wrong", "rendered"),
    [
        ({"matching": {"text": "{{ params.wrong }}"}}, "("),
        ({"matching": {"not_": {"chat_kind": "{{ params.wrong }}"}}}, "groups"),
        ({"matching": {"body": {"a.b": "{{ params.wrong }}"}}}, "None"),
        ({"matching": "{{ params.wrong }}"}, "anything"),
        ({"unmatched": "{{ params.wrong }}"}, "delete"),
        ({"receive_timeout": "{{ params.wrong }}"}, 100),
    ],
)
def test_wrong_argument_of_a_template_fails_the_task_at_once(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    wrong: dict[str, Any],
    rendered: Any,
    mode: str,
) -> None:
    """A fault of the Dag, which no retry fixes and soft_fail doesn't hide; nothing is asked for."""
    with DAG(f"dag_of_wrong_{next(iter(wrong))}_{mode}", schedule=None, params={"wrong": rendered}) as dag:
        GreenApiNotificationSensor(
            task_id="wait", **(defaults() | MODES[mode] | {"retries": 2, "soft_fail": True} | wrong)
        )
    ti = run_dag(dag).get_task_instance("wait")
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert green_api_connection.requests() == []


def test_filter_whose_parts_a_task_did_not_return_matches_nothing(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """No answer to a question is not any message of anybody."""

    @task
    def ask() -> None:
        return None

    with DAG("dag_of_nothing", schedule=None) as dag:
        asked = ask()
        GreenApiNotificationSensor(task_id="part", matching={"quoted_id": asked}, **defaults())
        GreenApiNotificationSensor(task_id="whole", matching=asked, **defaults())
    green_api_connection.push(body("yes"))
    run = run_dag(dag)
    assert [run.get_task_instance(task_id).state for task_id in ("part", "whole")] == ["failed"] * 2


def test_deferral_carries_no_credentials_and_ends_by_itself(green_api_connection: GreenApiEmulator) -> None:
    """What lies in Airflow's database is a connection id, keys and a deadline."""
    green_api_connection.push(body("other", chat_id="1@c.us"))
    sensor: BaseOperator = GreenApiNotificationSensor(
        task_id="wait", matching=FROM_CHAT, **(defaults() | MODES["deferrable"])
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})  # type: ignore[arg-type]
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_green_notify.triggers.head.GreenApiHeadTrigger"
    assert arguments["known_keys"] == [Notification(1, body("other", chat_id="1@c.us")).key]
    assert green_api_connection.api_token not in json.dumps(arguments)
    assert deferred.value.timeout.total_seconds() > 30


def test_sensor_makes_no_request_before_it_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A Dag file is parsed without a connection."""
    caplog.set_level(logging.DEBUG)
    GreenApiNotificationSensor(task_id="wait", green_api_conn_id="green_api_nowhere")
    assert not [record for record in caplog.records if "green_api_nowhere" in record.getMessage()]
