"""Tasks that are told to stop, by execution_timeout or SIGTERM: they end at once, and delete nothing more."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.sdk import BaseHook, Variable, get_current_context
from airflow.sdk.execution_time.timeout import timeout
from sqlalchemy import text

from airflow_green_notify.drain import drain
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiConfigureInstanceOperator,
    GreenApiDeleteNotificationOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.stores import SqlStore, read_batch
from tests.balance import Balance, balance

SOON = 10.0
"""Seconds that an end may take on a machine that is busy: far less than what it would wait for otherwise."""


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run", "drain", -1, 1


CONTEXT: Any = {"ti": TaskInstance}


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


@pytest.fixture
def postgres(postgres_connection: str, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    monkeypatch.setenv("AIRFLOW_CONN_STORE", postgres_connection)
    return SqlStore("store", table=f"stopping_{random.getrandbits(32):08x}")


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> SqlStore:
    return request.getfixturevalue(request.param)


def drain_operator(store: SqlStore, **arguments: Any) -> GreenApiDrainNotificationsOperator:
    return GreenApiDrainNotificationsOperator(
        task_id="drain", store=store, **({"receive_timeout": 5, "until": None} | arguments)
    )


def deletions(gateway: GreenApiEmulator) -> int:
    return sum(request["method"] == "deleteNotification" for request in gateway.requests())


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def lease_is_free(store: SqlStore) -> bool:
    with store.open("other/run/task/-1") as opened:
        lease = ReaderLease(opened.leases, GreenApiHook().config.queue, "other")
        is_free = lease.take()
        if is_free:
            lease.release()
    return is_free


# --- execution_timeout ---


@pytest.mark.crash
def test_timeout_at_any_moment_of_a_busy_drain_ends_it(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Tries that time out at random moments each end at once; all in all nothing is lost or doubled."""
    green_api_connection.switch(rate_limits=False)
    green_api_connection.push(*traffic(seed=1, n=1000))
    chance = random.Random(1)
    for _ in range(60):
        seconds = chance.uniform(0.03, 0.3)
        with ends_within(seconds + SOON), pytest.raises(AirflowTaskTimeout), timeout(seconds):
            drain_operator(store).execute(CONTEXT)
        under_way = 1  # was stored and sent, and may arrive after the task's end
        at_most = deletions(green_api_connection) + under_way
        time.sleep(0.05)
        assert (arrived := deletions(green_api_connection)) <= at_most
        time.sleep(0.02)
        assert deletions(green_api_connection) == arrived
    batch = drain_operator(store, receive_timeout=0.2).execute(CONTEXT)
    assert balance(green_api_connection, read_batch(batch)) == Balance()


def by_the_operator(store: SqlStore) -> None:
    drain_operator(store).execute(CONTEXT)


def by_the_function(store: SqlStore) -> None:
    with store.open("dag/run/drain/-1") as opened:
        drain(GreenApiHook(), opened)


@pytest.mark.parametrize("drained", [by_the_operator, by_the_function])
def test_timeout_ends_a_drain_whose_store_hangs_and_which_then_deletes_nothing(
    drained: Callable[[SqlStore], None], green_api_connection: GreenApiEmulator, postgres: SqlStore
) -> None:
    """A table is locked, and the driver doesn't come back; when it does, the task was told to stop."""
    green_api_connection.push(*traffic(seed=1, n=3))
    drain_operator(postgres, max_notifications=1).execute(CONTEXT)
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    with engine.begin() as connection:
        connection.execute(text(f"LOCK TABLE {postgres.table} IN SHARE MODE"))
        with ends_within(1 + SOON), pytest.raises(AirflowTaskTimeout), timeout(1):
            drained(postgres)
    engine.dispose()
    time.sleep(0.5)
    assert deletions(green_api_connection) == 1
    batch = drain_operator(postgres, receive_timeout=0.2).execute(CONTEXT)
    assert balance(green_api_connection, read_batch(batch)) == Balance()


def test_timeout_ends_a_task_whose_handler_hangs(
    green_api_connection: GreenApiEmulator, sqlite: SqlStore
) -> None:
    """The handler's notification stays in the queue, and nobody else gets it while the handler is at work."""
    green_api_connection.push(*traffic(seed=1, n=2))
    go_on = threading.Event()
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        go_on.wait(60)
        handled.append(notification.key)

    operator = GreenApiProcessNotificationsOperator(
        task_id="drain", handler=handler, dead_letter=sqlite, max_attempts=2, receive_timeout=0.2
    )
    with ends_within(3 + SOON), pytest.raises(AirflowTaskTimeout), timeout(3):
        operator.execute(CONTEXT)
    assert not lease_is_free(sqlite)
    go_on.set()
    while not lease_is_free(sqlite):
        time.sleep(0.05)
    assert (len(handled), deletions(green_api_connection)) == (1, 0)


def test_handler_that_fails_after_the_timeout_is_not_called_again(
    green_api_connection: GreenApiEmulator, sqlite: SqlStore
) -> None:
    """Its task has ended; what is left of the attempts belongs to the next try."""
    green_api_connection.push(*traffic(seed=1, n=1))
    go_on = threading.Event()
    calls: list[str] = []

    def handler(notification: Notification) -> None:
        calls.append(notification.key)
        go_on.wait(60)
        raise LookupError("no such customer")

    operator = GreenApiProcessNotificationsOperator(task_id="drain", handler=handler, dead_letter=sqlite)
    with pytest.raises(AirflowTaskTimeout), timeout(0.5):
        operator.execute(CONTEXT)
    go_on.set()
    while not lease_is_free(sqlite):
        time.sleep(0.05)
    assert len(calls) == 1
    with sqlite.open("dag/run/drain/-1") as opened:
        assert opened.begin_attempt(calls[0]) == 2


HANGING = """
import json, sys, time
from airflow.sdk.execution_time.timeout import timeout
from airflow_green_notify.operators import GreenApiProcessNotificationsOperator
from airflow_green_notify.stores import SqlStore
from tests.operators.test_stopping import CONTEXT
operator = GreenApiProcessNotificationsOperator(
    task_id="drain", handler=lambda notification: time.sleep(600), dead_letter=SqlStore("store")
)
with timeout(1):
    operator.execute(CONTEXT)
"""


def test_process_of_a_handler_that_hangs_ends_with_its_task(
    green_api_connection: GreenApiEmulator, sqlite: SqlStore, tmp_path: Path
) -> None:
    """No thread keeps the interpreter from ending."""
    green_api_connection.push(*traffic(seed=1, n=1))
    ended = subprocess.run(
        [sys.executable, "-c", HANGING],
        env=os.environ | {"AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert ended.returncode == 1
    assert "AirflowTaskTimeout" in ended.stderr.splitlines()[-1]


# --- SIGTERM ---


@contextmanager
def sigterm_after(seconds: float, operator: Any) -> Iterator[None]:
    """Do as Airflow's task runner, so long after the work began: its handler calls on_kill, and returns."""
    over = threading.Event()

    def send() -> None:
        while operator._work is None and not over.wait(0.001):
            pass
        if not over.wait(seconds):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    threading.Thread(target=send).start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGTERM, before)


def a_drain(store: SqlStore) -> Any:
    return drain_operator(store, receive_timeout=20)


def a_stream(store: SqlStore) -> Any:
    return drain_operator(store, receive_timeout=20, linger=300)


def a_fleet(store: SqlStore) -> Any:
    return drain_operator(store, receive_timeout=20, linger=300, green_api_conn_id=["green_api_default"])


def a_process(store: SqlStore) -> Any:
    return GreenApiProcessNotificationsOperator(
        task_id="drain", handler=print, dead_letter=store, receive_timeout=20
    )


def a_sensor(store: SqlStore) -> Any:
    return GreenApiNotificationSensor(task_id="drain", unmatched=store, receive_timeout=20)


def a_delete(store: SqlStore) -> Any:
    return GreenApiDeleteNotificationOperator(
        task_id="drain", notification=Notification(1, {"typeWebhook": "gone"}), receive_timeout=20
    )


def a_backfill(store: SqlStore) -> Any:
    return GreenApiBackfillMessagesOperator(task_id="drain", store=store, receive_timeout=20)


@pytest.mark.parametrize("make", [a_drain, a_stream, a_fleet, a_process, a_sensor, a_delete, a_backfill])
def test_sigterm_ends_a_task_in_the_middle_of_a_long_poll(
    make: Callable[[SqlStore], Any], green_api_connection: GreenApiEmulator, sqlite: SqlStore
) -> None:
    """SIGKILL follows after five seconds; the receive is given up, and so is the lease on the queue."""
    operator = make(sqlite)
    with sigterm_after(1, operator), ends_within(1 + SOON), pytest.raises(ToldToStop, match="retry"):
        operator.execute(CONTEXT)
    assert lease_is_free(sqlite)
    time.sleep(0.5)  # until the gateway has seen that nobody waits for an answer any more
    green_api_connection.push(*traffic(seed=1, n=1))
    time.sleep(0.2)
    (entry,) = green_api_connection.audit()
    assert (entry["deliveries"], entry["deletions"]) == (0, 0)


def test_sigterm_while_the_links_are_pushed_ends_a_drain(
    green_api_connection: GreenApiEmulator, sqlite: SqlStore
) -> None:
    """Pushing them asks Airflow, which may be slow; what is told meanwhile isn't forgotten."""

    class SlowTaskInstance(TaskInstance):
        @staticmethod
        def xcom_push(**_: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)

    green_api_connection.push(*traffic(seed=1, n=3))
    operator = drain_operator(sqlite, receive_timeout=20)
    context: Any = {"ti": SlowTaskInstance}
    with sigterm_after(SOON, operator), ends_within(SOON), pytest.raises(ToldToStop):
        operator.execute(context)


def test_sigterm_ends_the_wait_for_settings(green_api_connection: GreenApiEmulator) -> None:
    """What was saved is saved; a retry finds it so."""
    green_api_connection.switch(settings_delay=30)
    operator = GreenApiConfigureInstanceOperator(task_id="configure", switch_off=["incomingCallWebhook"])
    with sigterm_after(1, operator), ends_within(1 + SOON), pytest.raises(ToldToStop):
        operator.execute({})


def test_sigterm_of_a_busy_drain_ends_it_and_loses_nothing(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Wherever it was, what it stored is continued by the retry."""
    green_api_connection.switch(rate_limits=False)
    green_api_connection.push(*traffic(seed=1, n=400))
    for seconds in (0.1, 0.2, 0.3):
        operator = drain_operator(store)
        with sigterm_after(seconds, operator), ends_within(seconds + SOON), pytest.raises(ToldToStop):
            operator.execute(CONTEXT)
    batch = drain_operator(store, receive_timeout=0.2).execute(CONTEXT)
    assert balance(green_api_connection, read_batch(batch)) == Balance()


def test_on_kill_of_a_task_that_is_not_running_does_nothing(sqlite: SqlStore) -> None:
    """Airflow calls it after a timeout, too, when execute has ended."""
    drain_operator(sqlite).on_kill()


# --- a real Airflow ---


@pytest.mark.airflow
def test_execution_timeout_on_a_real_airflow_ends_the_task(
    green_api_connection: GreenApiEmulator, sqlite: SqlStore, run_task: Callable[..., Any]
) -> None:
    """A long poll of 60 s doesn't hold a task whose time is over; the next reader needn't wait."""
    began = time.monotonic()
    limits = {"receive_timeout": 60, "execution_timeout": timedelta(seconds=1)}
    ti = run_task(GreenApiDrainNotificationsOperator, store=sqlite, **limits)
    assert str(ti.state) == "failed"
    assert time.monotonic() - began < 30
    assert lease_is_free(sqlite)


@pytest.mark.airflow
def test_work_beside_the_main_thread_is_the_tasks_own(
    green_api_connection: GreenApiEmulator,
    sqlite: SqlStore,
    run_task: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler finds the running task's context, and reaches Airflow."""
    monkeypatch.setenv("AIRFLOW_VAR_GREETING", "hello")
    green_api_connection.push(*traffic(seed=1, n=1))
    found: list[str] = []

    def handler(notification: Notification) -> None:
        ti = get_current_context()["ti"]
        ti.xcom_push("seen", notification.key)
        found.extend([ti.task_id, Variable.get("greeting")])

    ti = run_task(
        GreenApiProcessNotificationsOperator, handler=handler, dead_letter=sqlite, receive_timeout=0.2
    )
    assert (str(ti.state), found) == ("success", ["task", "hello"])
    assert ti.xcom_pull(task_ids="task", key="seen")
