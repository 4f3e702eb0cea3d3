"""Two runs on one queue at once, in processes of their own: stopped, killed, woken and tried again at random.

30 rounds for each kind of store here. The long form, 300, takes longer than a test may take by default:
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
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import read_batch
from tests.balance import key_of
from tests.crash.processes import Zygote
from tests.crash.runs import Runs
from tests.crash.task_run import SPAN

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("GREEN_API_ROUNDS", "30"))
FAULTS = {"cut_before": 0.01, "cut_after": 0.01, "500_after": 0.01, "502": 0.01}
PAIRS = (("drain", "drain"), ("drain", "process"), ("process", "drain"), ("process", "process"))


@dataclass
class Outcome:
    """The keys of what was pushed, by what is wrong with them; all empty if nothing is."""

    """Lost also if it lies in the store, in a batch that no task returned."""

    lost: set[str] = field(default_factory=set)
    in_two_batches: set[str] = field(default_factory=set)
    handled_at_once: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def zygotes() -> Iterator[list[Zygote]]:
    zygotes = [Zygote(), Zygote()]
    yield zygotes
    for zygote in zygotes:
        zygote.close()


@pytest.fixture
def gateway() -> Iterator[GreenApiEmulator]:
    with GreenApiEmulator(rate_limits=False, receipt_counter="restarts_when_empty") as gateway:
        yield gateway


@pytest.fixture(params=["sqlite", "postgres", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "files":
        return {"kind": "object_storage", "arguments": {"path": str(tmp_path / "files")}}
    connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    if request.param == "postgres":
        connection = request.getfixturevalue("postgres_connection")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", connection)
    return {"kind": "sql", "arguments": {"conn_id": "store", "table": f"t{time.time_ns()}"}}


@pytest.fixture
def peeking(gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A doorbell that looks at the head all the time, and so is handed receipt ids in between."""
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
    ended = threading.Event()

    def peek() -> None:
        with GreenApiHook(max_attempts=1) as hook:
            while not ended.wait(0.02):
                with suppress(GreenApiError):
                    hook.receive_notification(0.1)

    thread = threading.Thread(target=peek)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.usefixtures("peeking")
def test_two_runs_at_once_lose_and_double_nothing(
    request: pytest.FixtureRequest,
    zygotes: list[Zygote],
    gateway: GreenApiEmulator,
    store: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Whatever overlaps, freezes and dies, each is handed on in one batch, or handled by one at a time."""
    environment = {"AIRFLOW_CONN_GREEN_API_DEFAULT": gateway.connection}
    if "AIRFLOW_CONN_STORE" in os.environ:
        environment["AIRFLOW_CONN_STORE"] = os.environ["AIRFLOW_CONN_STORE"]
    seed = os.environ.get("GREEN_API_SEED", str(time.time_ns()))
    print(f"GREEN_API_SEED={seed}")
    runs = Runs(tmp_path, store, environment, seed)
    bodies = iter(traffic(seed=29))
    gateway.faults_at_random(23, FAULTS)
    returned = [batch for _ in range(ROUNDS) for batch in one_round(runs, zygotes, gateway, bodies)]
    gateway.clear_faults()
    returned += [undisturbed(runs, zygotes[0], kind) for kind in ("drain", "process", "drain", "process")]
    outcome = count(gateway, returned, runs)
    print(f"{len(gateway.audit())} notifications, {len(returned)} batches, {outcome}")
    assert outcome == Outcome()


def one_round(runs: Runs, zygotes: list[Zygote], gateway: GreenApiEmulator, bodies: Any) -> list[Any]:
    """Two runs, or a try that is frozen and its retry; return the batches that Airflow took for returned."""
    chance = runs.chance
    gateway.push(*(next(bodies) for _ in range(chance.randrange(1, 25))))
    pair = chance.choice(PAIRS)
    is_retry = chance.random() < 0.3
    first = runs.job(pair[0])
    pid = zygotes[0].start(first)
    disturbance = threading.Thread(target=disturb, args=(runs, first, pid, is_retry))
    disturbance.start()
    time.sleep(chance.uniform(0, 0.8))
    second = runs.job(pair[0], retry_of=first) if is_retry else runs.job(pair[1])
    zygotes[1].start(second)
    gateway.push(*(next(bodies) for _ in range(chance.randrange(1, 10))))
    disturbance.join()
    codes = [zygotes[0].end(), zygotes[1].end()]
    runs.ended(first, codes[0])
    runs.ended(second, codes[1])
    succeeded = [job for job, code in zip((first, second), codes, strict=True) if code == 0]
    results = [runs.result(job) for job in succeeded if not (is_retry and job is first)]
    return [result for result in results if result is not None]


def disturb(runs: Runs, job: dict[str, Any], pid: int, is_retry: bool) -> None:
    """Freeze a run, perhaps for longer than its lease, wake it or kill it, or let it be."""
    chance = random.Random(job["name"] + str(runs.chance.random()))
    kind = "freeze" if is_retry else chance.choice(("freeze", "kill", "terminate", "nothing"))
    time.sleep(chance.uniform(0, 0.6))
    with suppress(ProcessLookupError):
        if kind == "freeze":
            os.kill(pid, signal.SIGSTOP)
            seconds = chance.uniform(0.1, 2 * SPAN)
            if seconds > SPAN / 2:
                runs.frozen.add(job["name"])
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        if kind == "kill" or (kind == "freeze" and chance.random() < 0.3):
            os.kill(pid, signal.SIGKILL)
            runs.killed_at[job["name"]] = time.monotonic()
        if kind == "terminate":
            os.kill(pid, signal.SIGTERM)


def undisturbed(runs: Runs, zygote: Zygote, kind: str) -> dict[str, Any]:
    """A last run of a task, which hands on what the others left."""
    job = runs.job(kind)
    zygote.start(job)
    assert zygote.end() == 0
    runs.ended(job, 0)
    result = runs.result(job)
    assert result is not None
    return result


def count(gateway: GreenApiEmulator, batches: list[Any], runs: Runs) -> Outcome:
    """Compare what was pushed with what batches and handlers have."""
    log = runs.folder / "handled.jsonl"
    in_batches = Counter(notification.key for batch in batches for notification in read_batch(batch))
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    handled = {event["key"] for event in events if event["event"] == "end"}
    pushed = {key_of(entry["body"]) for entry in gateway.audit()}
    waiting = {key_of(body) for body in gateway.queue()}
    return Outcome(
        lost=pushed - waiting - set(in_batches) - handled,
        in_two_batches={key for key, number in in_batches.items() if number > 1},
        handled_at_once=overlapping(events, runs),
        waiting=waiting,
    )


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
