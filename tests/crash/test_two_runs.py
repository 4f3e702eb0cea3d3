"""Two runs on the same queues at once, in processes of their own: stopped, killed, woken, retried at random.

12 rounds of single connections and 8 of fleets for each kind of store here. The long form, 300, takes longer
than a test may take by default:
``GREEN_API_ROUNDS=300 .venv/bin/pytest -m crash -o faulthandler_timeout=0 tests/crash/test_two_runs.py``
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator, traffic
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import read_batch
from tests.balance import key_of
from tests.crash.processes import Zygote
from tests.crash.runs import Runs
from tests.crash.task_run import SPAN

pytestmark = pytest.mark.crash

ROUNDS, ROUNDS_OF_FLEETS = (int(os.environ.get("GREEN_API_ROUNDS", default)) for default in ("12", "8"))
FAULTS = {"cut_before": 0.01, "cut_after": 0.01, "500_after": 0.01, "502": 0.01}
INSTANCES = [f"instance_{number}" for number in range(7)]
SWITCHES: dict[str, Any] = {"rate_limits": False, "receipt_counter": "restarts_when_empty"}

Gateways = dict[str, GatewayInstance]
Task = dict[str, Any]
"""What one try of a task differs in from others, see ``task_run.py``."""


@dataclass
class Outcome:
    """The keys of what was pushed, by what is wrong with them; all empty if nothing is."""

    lost: set[str] = field(default_factory=set)
    """Also if it lies in the store, in a batch that no task returned."""
    in_two_batches: set[str] = field(default_factory=set)
    handled_at_once: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def zygotes() -> Iterator[list[Zygote]]:
    zygotes = [Zygote(), Zygote()]
    yield zygotes
    for zygote in zygotes:
        zygote.close()


@pytest.fixture(params=["sqlite", "postgres", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "files":
        return {"kind": "object_storage", "arguments": {"path": str(tmp_path / "files")}}
    connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    if request.param == "postgres":
        connection = request.getfixturevalue("postgres_connection")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", connection)
    return {"kind": "sql", "arguments": {"conn_id": "store", "table": f"t{time.time_ns()}"}}


@pytest.fixture(params=[1, 7])
def gateways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateways]:
    """Instances by their connections: the default one, or those of a fleet."""
    with GreenApiEmulator(**SWITCHES) as first:
        gateways: Gateways = {GreenApiHook.default_conn_name: first}
        if request.param > 1:
            rest = [first.add_instance(**SWITCHES) for _ in range(request.param - 1)]
            gateways = {f"instance_{number}": each for number, each in enumerate([first, *rest])}
        for seed, (conn_id, each) in enumerate(gateways.items()):
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", each.connection)
            each.faults_at_random(23 + seed, FAULTS)
        yield gateways


@pytest.fixture
def peeking(gateways: Gateways) -> Iterator[None]:
    """Doorbells that look at each head all the time, and so are handed receipt ids in between."""
    ended = threading.Event()

    def peek(conn_id: str) -> None:
        with GreenApiHook(conn_id, max_attempts=1) as hook:
            while not ended.wait(0.02 * len(gateways)):
                with suppress(GreenApiError):
                    hook.receive_notification(0.1)

    threads = [threading.Thread(target=peek, args=[conn_id]) for conn_id in gateways]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def rounds(gateways: Gateways, store: dict[str, Any], zygotes: list[Zygote], tmp_path: Path) -> Rounds:
    environment = {name: os.environ[name] for name in os.environ if name.startswith("AIRFLOW_CONN_")}
    seed = os.environ.get("GREEN_API_SEED", str(time.time_ns()))
    print(f"GREEN_API_SEED={seed}")
    return Rounds(zygotes, gateways, Runs(tmp_path, store, environment, seed))


class Rounds:
    """Rounds in each of which two tries are at work on the same queues."""

    def __init__(self, zygotes: list[Zygote], gateways: Gateways, runs: Runs) -> None:
        self.chance = runs.chance
        self.batches: list[list[str]] = []
        """The keys in each that Airflow took for returned, as the tasks behind it found them."""
        self.deeds: Counter[str] = Counter()
        self._runs = runs
        self._zygotes = zygotes
        self._gateways = gateways
        self._bodies = [
            traffic(29 + seed, id_instance=int(each.id_instance))
            for seed, each in enumerate(gateways.values())
        ]

    def run(self, one: Task, other: Task, *, is_retry: bool) -> None:
        """Begin one try, disturb it, and begin the other, the retry of the first or a run of its own."""
        self._push(1, 25)
        first = self._runs.job(**one)
        pid = self._zygotes[0].start(first)
        disturbance = threading.Thread(target=self._disturb, args=(first, pid, is_retry))
        disturbance.start()
        time.sleep(self.chance.uniform(0, 0.8))
        second = self._runs.job(**other, retry_of=first if is_retry else None)
        self._zygotes[1].start(second)
        self._push(1, 10)
        disturbance.join()
        codes = [zygote.end() for zygote in self._zygotes]
        for job, code in zip((first, second), codes, strict=True):
            self._runs.ended(job, code)
            if code == 0 and not (is_retry and job is first):
                self._read(job)

    def hand_on(self, tasks: Iterable[Task]) -> None:
        """Run tasks once more, undisturbed, which hand on what the others left."""
        for gateway in self._gateways.values():
            gateway.clear_faults()
        for task in tasks:
            job = self._runs.job(**task)
            self._zygotes[0].start(job)
            assert self._zygotes[0].end() == 0
            self._runs.ended(job, 0)
            self._read(job)

    def outcome(self) -> Outcome:
        """Compare what was pushed with what batches and handlers have."""
        log = self._runs.folder / "handled.jsonl"
        in_batches = Counter(key for batch in self.batches for key in batch)
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        handled = {event["key"] for event in events if event["event"] == "end"}
        gateways = self._gateways.values()
        pushed = {key_of(entry["body"]) for gateway in gateways for entry in gateway.audit()}
        waiting = {key_of(body) for gateway in gateways for body in gateway.queue()}
        outcome = Outcome(
            lost=pushed - waiting - set(in_batches) - handled,
            in_two_batches={key for key, number in in_batches.items() if number > 1},
            handled_at_once=overlapping(events, self._runs),
            waiting=waiting,
        )
        print(f"{dict(self.deeds)}, {len(pushed)} notifications, {len(self.batches)} batches, {outcome}")
        return outcome

    def _read(self, job: dict[str, Any]) -> None:
        """Do what the task behind it does."""
        result = self._runs.result(job)
        assert result is not None
        self.batches.append([notification.key for notification in read_batch(result)])

    def _push(self, least: int, most: int) -> None:
        """Push so many notifications, of any instances."""
        for _ in range(self.chance.randrange(least, most)):
            gateway, bodies = self.chance.choice([*zip(self._gateways.values(), self._bodies, strict=True)])
            gateway.push(next(bodies))

    def _disturb(self, job: dict[str, Any], pid: int, is_retry: bool) -> None:
        """Freeze a run, perhaps for longer than its lease, wake it or kill it, or let it be."""
        chance = random.Random(job["name"] + str(self.chance.random()))
        kind = "freeze" if is_retry else chance.choice(("freeze", "kill", "terminate", "nothing"))
        self.deeds[kind] += 1
        time.sleep(chance.uniform(0, 0.6))
        with suppress(ProcessLookupError):
            if kind == "freeze":
                os.kill(pid, signal.SIGSTOP)
                seconds = chance.uniform(0.1, 2 * SPAN)
                if seconds > SPAN / 2:
                    self._runs.frozen.add(job["name"])
                time.sleep(seconds)
                os.kill(pid, signal.SIGCONT)
            if kind == "kill" or (kind == "freeze" and chance.random() < 0.3):
                os.kill(pid, signal.SIGKILL)
                self.deeds["killed"] += 1
                self._runs.killed_at[job["name"]] = time.monotonic()
            if kind == "terminate":
                os.kill(pid, signal.SIGTERM)


def overlapping(events: list[dict[str, Any]], runs: Runs) -> set[str]:
    """The keys that two handlers had at once, neither of which was frozen for as long as a lease lasts."""
    working: dict[str, set[str]] = {}
    found = set()
    for event in events:
        at_work = working.setdefault(event["key"], set())
        if event["event"] == "end":
            at_work.discard(event["run"])
            continue
        alive = {run for run in at_work if runs.killed_at.get(run, event["at"]) >= event["at"]}
        if alive - runs.frozen and event["run"] not in runs.frozen:
            found.add(event["key"])
        at_work.add(event["run"])
    return found


@pytest.mark.usefixtures("peeking")
@pytest.mark.parametrize("gateways", [1], indirect=True, ids=[""])
def test_two_runs_at_once_lose_and_double_nothing(rounds: Rounds) -> None:
    """Whatever overlaps, freezes and dies, each is handed on in one batch, or handled by one at a time."""
    drain, process = {"kind": "drain"}, {"kind": "process"}
    for _ in range(ROUNDS):
        one, other = (rounds.chance.choice((drain, process)) for _ in range(2))
        is_retry = rounds.chance.random() < 0.3
        rounds.run(one, one if is_retry else other, is_retry=is_retry)
    rounds.hand_on([drain, process] * 2)
    assert rounds.outcome() == Outcome()


def two_of_fleets(chance: random.Random) -> tuple[Task, Task, bool]:
    """Draw two tries of which at least one reads a fleet, and whether they are of one run.

    The single connection is that of an instance which all fleets have.
    """
    single, *rest = INSTANCES
    some = [single, *chance.sample(rest, chance.randint(3, 5))]
    changed = [*some[:-1], chance.choice([each for each in rest if each not in some])]
    others = [single, *chance.sample(rest, chance.randint(3, 5))]
    fleet, fleet_changed = fleet_of(some), fleet_of(changed)
    handlers = {"kind": "process", "connections": some}
    pairs = [
        (fleet, fleet, False),
        (fleet, fleet_changed, True),
        (handlers, handlers | {"connections": changed}, True),
        (fleet, {"kind": "drain", "connections": single}, False),
        (fleet, fleet | {"connections": single}, False),
        (fleet, fleet_of(others, "other_fleet"), False),
        (fleet_of(others), handlers, False),
    ]
    one, other, is_retry = chance.choice(pairs)
    return (one, other, True) if is_retry else (*chance.sample((one, other), 2), False)


def fleet_of(connections: list[str], task: str = "fleet") -> Task:
    return {"kind": "fleet", "task": task, "connections": connections}


@pytest.mark.usefixtures("peeking")
@pytest.mark.parametrize("gateways", [len(INSTANCES)], indirect=True, ids=[""])
def test_two_fleets_at_once_lose_and_double_nothing(rounds: Rounds) -> None:
    """So it is with tasks that read many queues, the same or some in common; a retry may read others."""
    for _ in range(ROUNDS_OF_FLEETS):
        one, other, is_retry = two_of_fleets(rounds.chance)
        rounds.run(one, other, is_retry=is_retry)
    single, handlers = INSTANCES[0], {"kind": "process", "connections": INSTANCES}
    tasks = [{"kind": "drain", "connections": single}, {"kind": "fleet", "connections": single}]
    rounds.hand_on([*tasks, fleet_of(INSTANCES), fleet_of(INSTANCES, "other_fleet"), handlers] * 2)
    assert rounds.outcome() == Outcome()
