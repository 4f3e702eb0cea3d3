"""Kills real triggerers at random moments, and counts from the gateway's audit what was lost.

``python -m tests.live.kill_triggerer --kills 30`` is the long form: 30 times SIGKILL, 30 times SIGTERM, 30
freezes with SIGSTOP while a second triggerer takes over, and 30 pauses of the Dag behind the events, in any
order; it takes about an hour. With ``--database postgres`` it is done to one of two triggerers, whose Airflow
and whose store are on PostgreSQL. It ends with a table, and exit code 0 if nothing was lost and nothing lies
twice in the store. The tests do the same with a few of each.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.notification import Notification
from tests.live.database import Database, MakeDatabase, in_files, on_server
from tests.live.live_airflow import HEALTH_CHECK, LiveAirflow
from tests.live.running_airflow import until
from tests.servers import postgres

DAGS = Path(__file__).parent / "dags"
TRIGGERERS = {"sqlite": 1, "postgres": 2}
SETTLE_SECONDS = 180.0
LYING_SECONDS = 90.0  # until an event's Dag run: the third quiet event, and what a scheduler needs
AT_ONCE = 4  # tasks; more would have SQLite's many writers lock each other out


class Waiters:
    """The Dags of ``dags/killed_waiters.py``, each on an instance of its own."""

    def __init__(self, gateway: GreenApiEmulator, store: Database, waits: int) -> None:
        self.rung = gateway.add_instance()
        self.carried = gateway.add_instance()
        self.awaited = [gateway.add_instance() for _ in range(waits)]
        self.store = store
        self.connections = {
            "green_api_rung": self.rung.connection,
            "green_api_carried": self.carried.connection,
            "green_api_store": store.connection,
        }
        for number, instance in enumerate(self.awaited):
            self.connections[f"green_api_awaited_{number}"] = instance.connection

    @contextmanager
    def working(self, airflow: LiveAirflow) -> Iterator[None]:
        """Let the Dags run, with their watchers in a triggerer's hands."""
        with airflow.running("drain_when_rung", "take_events", "wait_deferred"):
            for trigger in ("GreenApiDoorbellTrigger", "GreenApiNotificationTrigger"):
                until(lambda trigger=trigger: airflow.is_watched_by(trigger), 60, trigger)  # type: ignore[misc]
            yield

    def stored_keys(self) -> list[str]:
        return self.store.column("green_api_notifications", "key")


@dataclass
class Tally:
    """What became of everything pushed; without losses all but the last two are 0."""

    lost_by_doorbell: int = 0
    twice_in_store: int = 0
    lost_by_events: int = 0
    failed_waits: int = 0
    events_in_no_run: int = 0
    events_that_came_twice: int = 0
    pushed: int = 0

    def is_clean(self) -> bool:
        losses = (self.lost_by_doorbell, self.twice_in_store, self.lost_by_events, self.failed_waits)
        return not any(losses) and not self.events_in_no_run and self.pushed > 0


def disturb(airflow: LiveAirflow, waiters: Waiters, kinds: list[str], chance: random.Random) -> Tally:
    """Disturb the triggerer once per kind while notifications come, let it settle, and count."""
    runs = _deferred_runs(airflow, len(kinds))
    with _traffic(waiters, chance):
        for kind, awaited in zip(kinds, waiters.awaited, strict=False):
            answer = threading.Timer(chance.uniform(0, 8), awaited.push, [_body(chance)])
            answer.start()
            time.sleep(chance.uniform(0, 4))
            _DISTURBANCES[kind](airflow, chance)
            answer.join()
    until(lambda: all(_has_ended(airflow, run) for run in runs), SETTLE_SECONDS, "end of the waits")
    _settle(airflow, waiters)
    return _count(airflow, waiters, runs)


def _deferred_runs(airflow: LiveAirflow, count: int) -> list[str]:
    """Start as many waits, each for a notification of its own instance, and return once they sleep."""
    runs: list[str] = []
    sleeping = "SELECT count(*) FROM task_instance WHERE dag_id = 'wait_deferred' AND state = 'deferred'"
    for number in range(count):
        runs.append(airflow.trigger("wait_deferred", conn_id=f"green_api_awaited_{number}"))
        if len(runs) % AT_ONCE == 0 or len(runs) == count:
            until(lambda: airflow.query(sleeping) == [(len(runs),)], 90, f"{len(runs)} deferred waits")
    return runs


def _sigkill(airflow: LiveAirflow, chance: random.Random) -> None:
    name = chance.choice(airflow.triggerers)
    airflow.kill(name)
    airflow.start_triggerers(name)


def _sigterm(airflow: LiveAirflow, chance: random.Random) -> None:
    name = chance.choice(airflow.triggerers)
    airflow.terminate(name)
    airflow.start_triggerers(name)


def _freeze(airflow: LiveAirflow, chance: random.Random) -> None:
    """Freeze a triggerer until another has taken over, and wake it beside the other."""
    name = chance.choice(airflow.triggerers)
    with _company(airflow):
        airflow.send_signal(name, signal.SIGSTOP)
        time.sleep(HEALTH_CHECK + 5)
        airflow.send_signal(name, signal.SIGCONT)
        time.sleep(5)


@contextmanager
def _company(airflow: LiveAirflow) -> Iterator[None]:
    """Give a lone triggerer a second one meanwhile."""
    if len(airflow.triggerers) > 1:
        yield
        return
    airflow.start_triggerers("triggerer-of-help")
    yield
    airflow.terminate("triggerer-of-help")


def _pause(airflow: LiveAirflow, chance: random.Random) -> None:
    """Pause the Dag behind the events, so that its watcher is removed in the middle, and let it run again."""
    airflow.pause("take_events")
    until(lambda: not airflow.is_watched_by("GreenApiNotificationTrigger"), 60, "removal of the watcher")
    time.sleep(2)
    airflow.pause("take_events", False)


_DISTURBANCES = {"SIGKILL": _sigkill, "SIGTERM": _sigterm, "SIGSTOP": _freeze, "pause": _pause}


@contextmanager
def _traffic(waiters: Waiters, chance: random.Random) -> Iterator[None]:
    """Push notifications all the time, singly and in little bursts."""
    ended = threading.Event()

    def push() -> None:
        while not ended.wait(chance.uniform(0.5, 3.0)):
            waiters.rung.push(*traffic(chance.randrange(1 << 30), chance.choice((1, 1, 5))))
            if chance.random() < 0.25:  # events take their time: about 4 s each, when nothing disturbs
                waiters.carried.push(_body(chance))

    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _body(chance: random.Random) -> Any:
    return next(iter(traffic(chance.randrange(1 << 30), 1)))


def _has_ended(airflow: LiveAirflow, run_id: str) -> bool:
    return airflow.run_state("wait_deferred", run_id) in ("success", "failed")


def _settle(airflow: LiveAirflow, waiters: Waiters) -> None:
    """Wait until both queues are empty and no drain is at work."""
    until(lambda: not waiters.rung.queue(), SETTLE_SECONDS, "empty queue of the doorbell")
    seconds = SETTLE_SECONDS + 5 * len(waiters.carried.queue())
    until(lambda: not waiters.carried.queue(), seconds, "empty queue of the events")
    working = "SELECT 1 FROM dag_run WHERE dag_id = 'drain_when_rung' AND state IN ('queued', 'running')"
    until(lambda: not airflow.query(working), SETTLE_SECONDS, "end of the drains")


def _count(airflow: LiveAirflow, waiters: Waiters, runs: list[str]) -> Tally:
    stored = Counter(waiters.stored_keys())
    # There are quiet events too, and rings of other triggers: SQLite gives the id of one that was deleted to
    # the next, and Airflow goes by the id while the old one still runs.
    keys = (payload.get("key") for payload in airflow.event_payloads("carried"))
    carried = Counter(key for key in keys if key)
    rung_keys, carried_keys = _pushed(waiters.rung), _pushed(waiters.carried)
    return Tally(
        lost_by_doorbell=len(rung_keys - stored.keys()),
        twice_in_store=sum(count > 1 for count in stored.values()),
        lost_by_events=len(carried_keys - carried.keys()),
        events_in_no_run=airflow.lying_events("carried", LYING_SECONDS),
        failed_waits=sum(airflow.run_state("wait_deferred", run) != "success" for run in runs),
        events_that_came_twice=sum(count > 1 for count in carried.values()),
        pushed=len(rung_keys) + len(carried_keys) + len(runs),
    )


def _pushed(instance: Any) -> set[str]:
    return {Notification(0, item["body"]).key for item in instance.audit()}


@contextmanager
def _databases(kind: str, home: Path) -> Iterator[MakeDatabase]:
    if kind == "sqlite":
        yield in_files(home)
        return
    with postgres() as connection:
        yield on_server(connection)


def main() -> int:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=30, help="disturbances of each kind")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--database", choices=TRIGGERERS, default="sqlite", help="postgres: two triggerers")
    arguments = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="green-api-kills-"))
    chance = random.Random(arguments.seed)
    kinds = [kind for kind in _DISTURBANCES for _ in range(arguments.kills)]
    chance.shuffle(kinds)
    print(f"seed {arguments.seed}, everything in {home}", flush=True)
    with GreenApiEmulator() as gateway, _databases(arguments.database, home) as database:
        waiters = Waiters(gateway, database("store"), len(kinds))
        triggerers = TRIGGERERS[arguments.database]
        live = LiveAirflow(home, DAGS, waiters.connections, database("airflow"), triggerers)
        with live as airflow, waiters.working(airflow):
            tally = disturb(airflow, waiters, kinds, chance)
    for name, value in vars(tally).items():
        print(f"{name.replace('_', ' '):28}{value:8}")
    return 0 if tally.is_clean() else 1


if __name__ == "__main__":
    sys.exit(main())
