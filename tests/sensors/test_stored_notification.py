"""The wait on a store: the oldest that matches, the same in three modes, and nothing taken."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk import DAG, Asset

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 3.1
    from airflow.listeners.listener import get_listener_manager

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import Notification
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.sensors import stored_notification as sensors
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.store import Store

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}
each_mode = pytest.mark.parametrize("mode", MODES)
ASKED = "3EB0ASKED"
LONG_AGO = "2020-01-01T00:00:00+00:00"


def answer(text: str, quoted: str = ASKED, chat_id: str = "12025550101@c.us") -> dict[str, Any]:
    """What comes when somebody replies to a message."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "timestamp": 1_790_000_000,
        "idMessage": f"ID-{text}",
        "senderData": {"chatId": chat_id, "sender": chat_id, "senderName": "Ann"},
        "messageData": {
            "typeMessage": "quotedMessage",
            "extendedTextMessageData": {"text": text},
            "quotedMessage": {"stanzaId": quoted},
        },
    }


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


def put(store: Any, *bodies: Any, received_at: dt.datetime | None = None) -> None:
    """Store notifications, as a drain does."""
    moment = received_at or dt.datetime.now(dt.UTC)
    with store.open(f"reader/{time.monotonic()}/drain/-1") as opened:
        for body in bodies:
            opened.put(Notification(1, body, moment))


def later(seconds: float, action: Callable[[], object]) -> None:
    threading.Timer(seconds, action).start()


@pytest.fixture
def wait(run_dag: Callable[..., Any], request: pytest.FixtureRequest, store: SqlStore) -> Callable[..., Any]:
    """Run the sensor in a Dag of its own, with real Airflow, and return its task instance."""

    def run(mode: str, **arguments: Any) -> Any:
        with DAG(f"dag_of_{request.node.originalname}_{mode}", schedule=None) as dag:
            GreenApiStoredNotificationSensor(task_id="wait", **(defaults(store) | MODES[mode] | arguments))
        return run_dag(dag).get_task_instance("wait")

    return run


def defaults(store: Any) -> dict[str, Any]:
    return {
        "store": store,
        "poke_interval": 0.1,
        "timeout": 30,
        "retries": 0,
        "retry_delay": dt.timedelta(0),
    }


def result_of(ti: Any) -> Any:
    return ti.xcom_pull(task_ids=ti.task_id)


def context(**run: Any) -> Any:
    """What the sensor reads of the context where no Airflow runs it."""
    now = dt.datetime.now(dt.UTC)
    dag_run = SimpleNamespace(**({"start_date": now, "run_after": now, "clear_number": 0} | run))
    task = {"dag_id": "dag", "run_id": "run", "task_id": "wait", "map_index": -1}
    return {"ti": SimpleNamespace(**task), "dag_run": dag_run}


def deferral_of(sensor: GreenApiStoredNotificationSensor, **run: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context(**run))
    return deferred.value


def sensor_on(store: Any, **arguments: Any) -> GreenApiStoredNotificationSensor:
    given = defaults(store) | {"deferrable": True} | arguments
    return GreenApiStoredNotificationSensor(task_id="wait", **given)


class OwnStore(Store):
    """A store of one's own."""


# --- results ---


def test_result_is_the_same_in_three_modes_byte_for_byte(wait: Callable[..., Any], store: SqlStore) -> None:
    """Changing the mode changes nothing behind it; thumbnails stay out."""
    picture = next(
        item["body"]
        for item in example_notifications()
        if "jpegThumbnail" in json.dumps(item) and "senderData" in item["body"]
    )
    put(store, picture)
    results = {mode: json.dumps(result_of(wait(mode, since=LONG_AGO))) for mode in MODES}
    assert len(set(results.values())) == 1
    assert "jpegThumbnail" not in results["poke"]
    assert Notification(1, picture).key in results["poke"]


@each_mode
def test_notification_that_comes_later_is_found(wait: Callable[..., Any], store: SqlStore, mode: str) -> None:
    """It waits, though others come; several find the same, and it stays in the store."""
    later(1.5, lambda: put(store, answer("no", "other"), answer("yes")))
    for _ in range(2):
        ti = wait(mode, matching={"quoted_id": ASKED}, since=LONG_AGO)
        assert (ti.state, Notification.from_dict(result_of(ti)).text) == ("success", "yes")


@each_mode
def test_function_judges_in_every_mode(
    wait: Callable[..., Any], store: SqlStore, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called in the worker, for each notification once or more, and never passed over."""
    monkeypatch.setattr(sensors, "SHORTEST_PAUSE", 0.3)
    put(store, answer("no"))
    later(1.0, lambda: put(store, answer("not yet")))
    later(2.0, lambda: put(store, answer("long enough")))
    ti = wait(mode, matching=lambda notification: len(notification.text or "") > 8)
    assert Notification.from_dict(result_of(ti)).text == "long enough"


def test_oldest_match_wins(store: SqlStore) -> None:
    """Of two that match, it is the one that was stored first."""
    put(store, answer("other", "1"), answer("first"), answer("second"))
    assert sensor_on(store, matching={"quoted_id": ASKED}).execute(context())["body"] == answer("first")


def test_more_than_a_page_is_looked_through(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was stored since, the match behind it is found."""
    monkeypatch.setattr("airflow_green_notify.consume.waiting.AT_ONCE", 3)
    put(store, *(answer(str(number), "other") for number in range(10)), answer("yes"))
    assert sensor_on(store, matching={"quoted_id": ASKED}).execute(context())["body"] == answer("yes")


@each_mode
def test_streaming_drain_feeds_the_wait_before_its_batch_is_done(
    green_api_connection: GreenApiEmulator, wait: Callable[..., Any], store: SqlStore, mode: str
) -> None:
    """While the drain stays on the queue, the wait beside it ends; the drain loses nothing by it."""
    from airflow_green_notify.drain import StopCondition, drain
    from airflow_green_notify.hooks import GreenApiHook

    def stream() -> None:
        with GreenApiHook() as hook, store.open("etl/run/drain/-1") as opened:
            drain(
                hook,
                opened,
                stop=StopCondition(max_notifications=3, empty_answers=10_000),
                receive_timeout=0.3,
            )

    reader = threading.Thread(target=stream)
    reader.start()
    later(1.0, lambda: green_api_connection.push(answer("no", "other"), answer("yes")))
    ti = wait(mode, matching={"quoted_id": ASKED})
    assert reader.is_alive()
    assert Notification.from_dict(result_of(ti)).text == "yes"
    green_api_connection.push(answer("late"))
    reader.join()
    assert store.open("etl/run/drain/-1").close()["count"] == 3
    assert green_api_connection.queue() == []


@each_mode
def test_files_are_waited_on_before_their_batch_is_closed(
    wait: Callable[..., Any], tmp_path: Path, mode: str
) -> None:
    """What a stream has put into a folder so far counts, and what lies in closed batches."""
    store = ObjectStorageStore(tmp_path / "files")
    put(store, answer("no", "other"))
    opened = store.open("etl/run/drain/-1")
    later(1.0, lambda: opened.put(Notification(1, answer("yes"))))
    ti = wait(mode, store=store, matching={"quoted_id": ASKED})
    assert Notification.from_dict(result_of(ti)).text == "yes"
    assert opened.close()["count"] == 1
    ti = wait(mode, store=store, matching={"quoted_id": ASKED}, since=LONG_AGO)
    assert Notification.from_dict(result_of(ti)).text == "yes"


# --- since when ---


def test_what_was_stored_before_the_run_is_not_looked_at(store: SqlStore) -> None:
    """A "yes" from an hour ago approves nothing; one from between the question and the wait does."""
    hour = dt.timedelta(hours=1)
    now = dt.datetime.now(dt.UTC)
    put(store, answer("old"), received_at=now - hour)
    put(store, answer("yes"), received_at=now)
    found = sensor_on(store).execute(context(start_date=now - hour / 2))
    assert found["body"] == answer("yes")


def test_reader_whose_clock_is_behind_is_waited_for(store: SqlStore) -> None:
    """An answer that a reader's clock puts some seconds before the run's start is found."""
    now = dt.datetime.now(dt.UTC)
    put(store, answer("yes"), received_at=now - dt.timedelta(seconds=3))
    assert sensor_on(store).execute(context(start_date=now))["body"] == answer("yes")


@pytest.mark.parametrize(("matching", "is_found"), [({"quoted_id": ASKED}, True), ({}, False)])
def test_cleared_run_finds_again_what_is_named(store: SqlStore, matching: Any, is_found: bool) -> None:
    """Its start is new: the answer to a message is found all the same, and any old message is not."""
    now = dt.datetime.now(dt.UTC)
    put(store, answer("yes"), received_at=now - dt.timedelta(hours=1))
    run = {"start_date": now, "run_after": now - dt.timedelta(hours=2), "clear_number": 1}
    sensor = sensor_on(store, matching=matching)
    if is_found:
        assert sensor.execute(context(**run))["body"] == answer("yes")
    else:
        deferral_of(sensor, **run)


def test_since_may_be_a_template(wait: Callable[..., Any], store: SqlStore) -> None:
    """It is rendered, and holds for each look."""
    put(store, answer("old"), received_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    put(store, answer("new"), received_at=dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    ti = wait("deferrable", since="{{ '2026-01-15' }}T00:00:00+00:00")
    assert Notification.from_dict(result_of(ti)).text == "new"


@pytest.mark.parametrize("since", [None, "None", "", "2026-01-01", dt.datetime(2026, 1, 1), 5])
def test_since_that_is_no_moment_is_refused(store: SqlStore, since: Any) -> None:
    """A task that returned nothing doesn't open the wait to everything that was ever stored."""
    with pytest.raises(ValueError, match=r"since is .*; it must be 'start' or a timestamp"):
        sensor_on(store, since=since)


def test_store_that_nobody_can_read_on_is_refused() -> None:
    """What has no stream can't be waited on, and what only a worker knows, not in a triggerer."""
    with pytest.raises(ValueError, match="store is 'warehouse'; it must be a store"):
        sensor_on("warehouse")
    own = OwnStore()
    with pytest.raises(ValueError, match="set deferrable=False"):
        sensor_on(own)
    assert sensor_on(own, deferrable=False).store is own


# --- ends in vain ---


@each_mode
def test_timeout_fails_and_soft_fail_skips(wait: Callable[..., Any], mode: str) -> None:
    """Past the timeout the task fails, or is skipped if that is asked for."""
    for arguments, state in (
        ({}, "failed"),
        ({"soft_fail": True}, "skipped"),
        ({"never_fail": True}, "skipped"),
    ):
        assert wait(mode, timeout=0.5, **arguments).state == state


@each_mode
def test_filter_that_raises_fails_the_task(wait: Callable[..., Any], store: SqlStore, mode: str) -> None:
    """An error is never a miss."""
    put(store, answer("yes"))
    assert wait(mode, matching=lambda notification: 1 / 0).state == "failed"


@each_mode
def test_result_that_is_too_large_fails_the_task_even_with_soft_fail(
    wait: Callable[..., Any], store: SqlStore, mode: str
) -> None:
    """What no waiting can fix is hidden by no word."""
    later(1.0, lambda: put(store, answer("x" * 5000)))
    assert wait(mode, max_xcom_bytes=1000, soft_fail=True).state == "failed"


def test_store_that_is_away_fails_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong connection shows at once, and the task's retries do the rest."""
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps({"conn_type": "sqlite", "host": "/nowhere/a.db"}))
    with pytest.raises(NotificationStoreError):
        sensor_on(SqlStore("away")).execute(context())


@pytest.mark.parametrize("soft_fail", [False, True])
def test_store_that_goes_away_is_waited_for_until_the_timeout(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, soft_fail: bool
) -> None:
    """Then the task fails with it, whatever soft_fail says: nobody knows whether something came."""
    sensor = sensor_on(store, deferrable=False, timeout=1.0, soft_fail=soft_fail)
    poked = sensor.poke(context())
    assert not poked
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": "/nowhere/a.db"}))
    assert not sensor.poke(context())
    with pytest.raises(AirflowFailException, match="The last look failed: The table"):
        sensor.execute(context())


# --- deferrals ---


def test_deferral_hands_on_where_the_look_ended(store: SqlStore) -> None:
    """The trigger goes on from there, and needs no connection of the gateway."""
    put(store, answer("no", "other"), answer("no", "another"))
    trigger = deferral_of(sensor_on(store, matching=NotificationFilter(quoted_id=ASKED))).trigger
    arguments = trigger.serialize()[1]
    assert (arguments["after"], arguments["matching"]) == (2, {"quoted_id": [ASKED]})
    assert (arguments["ends_task"], arguments["pause"]) == (True, 0.0)
    assert arguments["store"] == {"store": "sql", "conn_id": "store", "table": "green_api_notifications"}


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        ({}, True),
        ({"matching": {"text": r"(?i)^\s*(yes|no)\b"}}, True),
        ({"matching": {"text": "(a+)+$"}}, False),
        ({"matching": {"not_": {"text": ["yes", "(a|a)*$"]}}}, False),
        ({"matching": {"text": r"(a)\1"}}, False),
        ({"matching": bool}, False),
        ({"end_from_trigger": False}, False),
        ({"outlets": [Asset("approved")]}, False),
        ({"on_success_callback": print}, False),
        ({"post_execute": print}, False),
    ],
)
def test_trigger_ends_the_task_where_nothing_else_is_to_be_done(
    store: SqlStore, arguments: dict[str, Any], ends: bool
) -> None:
    """What a triggerer can't judge in time, and what only a worker does, is left to a worker."""
    trigger = deferral_of(sensor_on(store, **arguments)).trigger
    assert trigger.serialize()[1]["ends_task"] is ends


def test_worker_ends_the_task_where_a_plugin_has_listeners(store: SqlStore) -> None:
    """OpenLineage would hear of no end, and show the task as running for ever."""
    listener, manager = ModuleType("listener"), get_listener_manager()
    manager.add_listener(listener)
    try:
        assert deferral_of(sensor_on(store)).trigger.serialize()[1]["ends_task"] is False
    finally:
        manager.pm.unregister(listener)


def test_part_of_a_filter_that_may_take_long_is_left_to_the_worker(store: SqlStore) -> None:
    """The rest of it decides for whom a worker is started."""
    matching = {"quoted_id": ASKED, "text": "(a+)+$"}
    trigger = deferral_of(sensor_on(store, matching=matching)).trigger
    assert trigger.serialize()[1]["matching"] == {"quoted_id": [ASKED]}


def test_worker_that_finds_nothing_waits_on_behind_what_it_saw_and_not_at_once(store: SqlStore) -> None:
    """Steady traffic past a function makes no hot loop of deferrals."""
    put(store, answer("no"), answer("no", "other"))
    event = {"since": LONG_AGO, "after": 0, "deadline": time.time() + 60}
    with pytest.raises(TaskDeferred) as deferred:
        sensor_on(store, matching=lambda _: False, poke_interval=20).execute_complete(context(), event)
    arguments = deferred.value.trigger.serialize()[1]
    assert (arguments["after"], arguments["pause"], arguments["since"]) == (2, 20, LONG_AGO)
    assert arguments["deadline"] == event["deadline"]


@pytest.mark.parametrize(
    ("arguments", "error"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)]
)
def test_deadline_ends_a_deferred_wait_after_a_last_look(
    store: SqlStore, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """What was stored in the last moment still counts."""
    event = {"since": LONG_AGO, "after": 0, "deadline": time.time() - 1}
    with pytest.raises(error):
        sensor_on(store, **arguments).execute_complete(context(), event)
    put(store, answer("yes"))
    assert sensor_on(store, **arguments).execute_complete(context(), event)["body"] == answer("yes")


# --- who is who ---


def test_person_is_known_as_far_as_the_notification_shows(store: SqlStore) -> None:
    """A chat of a LID is that of the phone number it shows; one that shows none is somebody's."""
    lid = answer("hidden", chat_id="200000000000042@lid")
    shown = answer("shown", chat_id="200000000000042@lid")
    shown["senderData"]["senderPhoneNumber"] = 12025550101
    put(store, lid, shown)
    found = sensor_on(store, matching={"chat_id": "12025550101@c.us"}).execute(context())
    assert found["body"] == shown
