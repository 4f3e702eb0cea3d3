"""Dead letters that the process operator replays beside its queue."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_green_notify.consume.dead_letters import (
    drop_dead_letters,
    read_dead_letters,
    replay_dead_letters,
)
from airflow_green_notify.drain import replaying
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiProcessNotificationsOperator
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch
from tests.balance import key_of


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, task_id, map_index, try_number = "dag", "process", -1, 1

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id


@pytest.fixture(params=["sql", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store") if request.param == "sql" else ObjectStorageStore(tmp_path / "files")


class Process:
    """Runs of a task, one after the other, whose handler fails on some notifications."""

    def __init__(self, store: Any) -> None:
        self.calls: list[str] = []
        self.poison: dict[str, BaseException] = {}
        self.threads: set[int] = set()
        self.times: list[float] = []
        self.store = store
        self._runs = 0

    def handle(self, notification: Notification) -> None:
        self.times.append(time.monotonic())
        self.calls.append(notification.key)
        self.threads.add(threading.get_ident())
        if notification.key in self.poison:
            raise self.poison[notification.key]

    def run(self, task: str = "process", **arguments: Any) -> dict[str, Any]:
        self._runs += 1
        context: Any = TaskInstance(f"run-{self._runs}")
        context.task_id = task
        options = {"dead_letter": self.store, "max_attempts": 2, "receive_timeout": 0.2} | arguments
        self.operator = GreenApiProcessNotificationsOperator(task_id=task, handler=self.handle, **options)
        result: dict[str, Any] = self.operator.execute({"ti": context})
        return result


@pytest.fixture
def process(store: Any) -> Process:
    return Process(store)


@pytest.fixture
def dead(green_api_connection: GreenApiEmulator, process: Process) -> list[str]:
    """The keys of three notifications that a first run gave up; nothing is wrong with them any more."""
    green_api_connection.push(*traffic(seed=1, n=3))
    keys = [key_of(body) for body in green_api_connection.queue()]
    process.poison = dict.fromkeys(keys, KeyError("name"))
    assert process.run()["dead_letters"] == 3
    process.poison = {}
    process.calls.clear()
    process.threads.clear()
    process.times.clear()
    return keys


def test_marked_are_handled_in_order_and_are_dead_letters_no_more(
    process: Process, dead: list[str], green_api_connection: GreenApiEmulator
) -> None:
    """The handler gets what was received, in the thread in which it is called with the queue's, too."""
    replay_dead_letters(process.store, [dead[2], dead[0]])
    green_api_connection.push(*traffic(seed=2, n=5))
    live = [key_of(body) for body in green_api_connection.queue()]
    result = process.run()
    assert (result["replayed"], result["handled"], result["dead_letters"]) == (2, 5, 0)
    assert [key for key in process.calls if key in dead] == [dead[0], dead[2]]
    assert [key for key in process.calls if key in live] == live
    assert len(process.threads) == 1
    assert [letter.notification.key for letter in read_dead_letters(process.store)] == [dead[1]]
    assert process.run()["replayed"] == 0


def test_replay_that_fails_is_a_dead_letter_with_its_history(process: Process, dead: list[str]) -> None:
    """Attempts are counted anew and added up; the first error stays. It lies in the batch of its run."""
    replay_dead_letters(process.store, everything=True)
    process.poison = {dead[1]: ValueError("no number")}
    result = process.run()
    assert (result["replayed"], result["dead_letters"]) == (2, 1)
    assert process.calls == [dead[0], dead[1], dead[1], dead[2]]
    (letter,) = read_dead_letters(process.store)
    assert letter.notification.key == dead[1]
    assert (letter.note["attempts"], letter.note["replays"]) == (4, 1)
    assert (letter.note["first_error_type"], letter.note["error_type"]) == ("KeyError", "ValueError")
    assert letter.note["first_failed_at"] < letter.note["failed_at"]
    assert [each.key for each in read_batch(result["dead_letter_batch"])] == [dead[1]]
    assert process.run()["dead_letters"] == 0  # it is not marked any more
    replay_dead_letters(process.store, everything=True)
    assert process.run()["dead_letters"] == 1
    (letter,) = read_dead_letters(process.store)
    assert (letter.note["attempts"], letter.note["replays"]) == (6, 2)
    process.poison = {}
    replay_dead_letters(process.store, everything=True)
    assert process.run()["replayed"] == 1
    assert list(read_dead_letters(process.store)) == []


def test_dead_letters_of_another_task_are_left_to_it(process: Process, dead: list[str]) -> None:
    """Its handler is another one. If it was renamed, the new one is named."""
    replay_dead_letters(process.store, everything=True)
    assert process.run("renamed")["replayed"] == 0
    replay_dead_letters(process.store, [dead[0]], task="dag/renamed")
    assert process.run("renamed")["replayed"] == 1
    assert process.calls == [dead[0]]
    assert process.run()["replayed"] == 2


def test_rate_is_a_limit_of_calls(process: Process, dead: list[str]) -> None:
    """Of all of them, those of one dead letter included."""
    replay_dead_letters(process.store, everything=True, rate=5)
    process.poison = dict.fromkeys(dead, KeyError("name"))
    process.run()
    assert len(process.calls) == 6
    gaps = [later - earlier for earlier, later in zip(process.times, process.times[1:], strict=False)]
    assert min(gaps) > 0.15


def test_slow_rate_keeps_neither_queue_nor_task_waiting(
    process: Process,
    dead: list[str],
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue is handled meanwhile, and what there was no time for stays marked."""
    monkeypatch.setattr(replaying, "AT_LEAST", 0.1)
    replay_dead_letters(process.store, everything=True, rate=0.001)
    green_api_connection.push(*traffic(seed=2, n=5))
    result = process.run()
    assert (result["replayed"], result["handled"]) == (1, 5)
    assert not green_api_connection.queue()
    replay_dead_letters(process.store, everything=True)
    assert process.run()["replayed"] == 2


def test_replays_go_on_when_the_queue_is_empty(process: Process, dead: list[str]) -> None:
    """The drain has ended long before, and a task that replayed is not skipped."""
    replay_dead_letters(process.store, everything=True, rate=2)
    assert process.run(skip_if_empty=True, empty_answers=1)["replayed"] == 3
    with pytest.raises(AirflowSkipException):
        process.run(skip_if_empty=True)


def test_replay_has_one_runner(process: Process, dead: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the lease taken leaves them marked."""
    monkeypatch.setattr(replaying, "AT_LEAST", 0.1)
    replay_dead_letters(process.store, everything=True)
    other = process.store.open("dag/other/process/-1")
    lease = ReaderLease(other.leases, "dead letters of dag/process", "dag/other/process/-1 (try 1)")
    assert lease.take()
    assert process.run()["replayed"] == 0
    assert process.calls == []
    lease.release()
    other.release()
    monkeypatch.setattr(replaying, "AT_LEAST", 60.0)
    assert process.run()["replayed"] == 3


def test_what_is_dropped_meanwhile_is_not_handled(
    process: Process, dead: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks are read anew every few seconds."""
    monkeypatch.setattr(replaying, "FRESH", 0.05)
    replay_dead_letters(process.store, everything=True)
    handle = process.handle

    def drops(notification: Notification) -> None:
        handle(notification)
        drop_dead_letters(process.store, matching=lambda each: each.key == dead[1])
        time.sleep(0.1)

    monkeypatch.setattr(process, "handle", drops)
    assert process.run()["replayed"] == 2
    assert process.calls == [dead[0], dead[2]]


def test_task_that_is_told_to_stop_waits_for_no_replay(process: Process, dead: list[str]) -> None:
    """What waits for its turn stays marked."""
    replay_dead_letters(process.store, everything=True, rate=0.001)

    def stop() -> None:
        while not process.calls:
            time.sleep(0.01)
        process.operator.on_kill()

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(ToldToStop):
        process.run()
    stopping.join()
    assert process.calls == [dead[0]]
    replay_dead_letters(process.store, [dead[1], dead[2]])
    process.run()
    assert process.calls == dead


def test_replay_never_stops_the_task(process: Process, dead: list[str]) -> None:
    """With on_error="stop", too, what fails again is set aside: it isn't at the head of the queue."""
    replay_dead_letters(process.store, everything=True)
    process.poison = {dead[0]: KeyError("name")}
    result = process.run(on_error="stop")
    assert (result["replayed"], result["dead_letters"]) == (2, 1)


def test_replay_that_takes_the_process_down_is_given_up_again(process: Process, dead: list[str]) -> None:
    """Each attempt counts, over all tries; it stays marked until then."""
    replay_dead_letters(process.store, [dead[0]])
    process.poison = {dead[0]: SystemExit("as if the worker was killed")}
    for _ in range(2):
        with pytest.raises(SystemExit):
            process.run()
    assert process.run()["dead_letters"] == 1
    assert process.calls == [dead[0]] * 2
    (letter,) = [each for each in read_dead_letters(process.store) if each.notification.key == dead[0]]
    assert (letter.note["reason"], letter.note["attempts"]) == ("process_died", 4)


def test_fleet_replays_what_its_instances_left(
    process: Process,
    dead: list[str],
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once for all of them, under the fleet's lease."""
    monkeypatch.setenv("AIRFLOW_CONN_G2", green_api_connection.add_instance().connection)
    replay_dead_letters(process.store, everything=True)
    green_api_connection.push(*traffic(seed=2, n=2))
    result = process.run(green_api_conn_id=["green_api_default", "g2"])
    assert (result["replayed"], result["handled"]) == (3, 2)
    assert len(process.calls) == 5


class OwnStore(NotificationStore):
    """A store that somebody else wrote: it has what the protocol asks for, and no more."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def open(self, batch_id: str, queue: str = "") -> Any:
        return OwnStore(self._inner.open(batch_id, queue))

    @property
    def leases(self) -> Any:
        return self._inner.leases


for name in (
    "put",
    "close",
    "release",
    "begin_attempt",
    "finish",
    "forget_attempts",
    "held_messages",
    "not_handed_on",
    "adopt",
    "settle",
):
    setattr(OwnStore, name, lambda self, *args, name=name: getattr(self._inner, name)(*args))


def test_store_of_ones_own_has_no_replays(green_api_connection: GreenApiEmulator, process: Process) -> None:
    """It isn't asked for what it doesn't know."""
    process.store = OwnStore(process.store)
    green_api_connection.push(*traffic(seed=1, n=1))
    assert process.run()["handled"] == 1
