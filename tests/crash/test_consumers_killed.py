"""Writers and consumers killed and frozen at random moments: each consumer sees each row, in order.

1,600 rows on each database, and in files, here. The long form takes longer than a test may take by default:
``GREEN_API_ROWS=100000 pytest -m crash -o faulthandler_timeout=0 tests/crash/test_consumers_killed.py``
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from tests.crash.conftest import sql
from tests.crash.readers_and_writers import SPAN, store_of

pytestmark = pytest.mark.crash

ROWS = int(os.environ.get("GREEN_API_ROWS", "1600"))
IS_LONG = ROWS > 1600
WRITERS, CONSUMERS, READERS = 8, 5, 2
"""Of each consumer there are two readers, of which one may work at a time."""

INSTANCES = 4
"""Those that each writer puts for, as the drain of a fleet does."""

EACH = ROWS // WRITERS // INSTANCES
"""Rows of one instance."""

BATCH = EACH // 5
"""Of an instance's rows, so many go into one batch."""

DISTURBED = 3600.0 if IS_LONG else 6.0
"""Seconds in which processes are killed and frozen, at most."""

EXCUSE = 1.5
"""Seconds that a reader may stand still and keep its lease."""


class Nursery:
    """Processes that are forked, and how those ended that were not killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._answers = self._process.stdin, self._process.stdout
        self._pids: SimpleQueue[int] = SimpleQueue()
        self.ended: dict[int, int] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._answers:
            answer = json.loads(line)
            if "pid" in answer:
                self._pids.put(answer["pid"])
            else:
                self.ended[answer["ended"]] = answer["code"]

    def start(self, job: dict[str, Any]) -> int:
        print(json.dumps(job), file=self._jobs, flush=True)
        try:
            return self._pids.get(timeout=60)
        except Empty:
            raise EOFError("The nursery died.") from None

    def close(self) -> None:
        self._jobs.close()
        self._process.wait(30)
        self._listener.join(30)
        self._answers.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(params=["sqlite", "postgres", "mariadb", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "files":
        return {"kind": "object_storage", "arguments": {"path": str(tmp_path / "store")}, "environment": {}}
    if request.param == "sqlite":
        connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    else:
        connection = request.getfixturevalue(f"{request.param}_connection")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", connection)
    return sql(connection, f"t{time.time_ns()}")


class Crowd:
    """Writers and readers, each of which is replaced when it is killed."""

    def __init__(self, nursery: Nursery, folder: Path, store: dict[str, Any], chance: random.Random) -> None:
        self.killed_at: dict[int, float] = {}
        self.frozen: set[int] = set()
        """Those that stood still for longer than is excused."""
        self.deeds: Counter[str] = Counter()
        self._wakes_at: dict[int, float] = {}
        self._nursery = nursery
        self._chance = chance
        common = {"folder": str(folder), "store": store, "environment": store["environment"]}
        writers = [
            common
            | {
                "instances": instances_of(number),
                "rows": EACH,
                "batch_size": BATCH,
                "seconds_of_pause": 0.0 if IS_LONG else 0.05,
            }
            for number in range(WRITERS)
        ]
        sizes = [300, 1000, 3000] if IS_LONG else [3, 20, 100]
        readers = [
            common
            | {
                "consumer": f"{number}",
                "total": EACH * INSTANCES * WRITERS,
                "page_sizes": sizes,
                "seconds_of_work": 0.05,
            }
            for number in range(CONSUMERS)
            for _ in range(READERS)
        ]
        self._jobs = {self._start(job): job for job in writers + readers}

    def _start(self, job: dict[str, Any]) -> int:
        return self._nursery.start(job | {"seed": self._chance.random()})

    def at_work(self) -> list[int]:
        """The processes that haven't ended; none may have failed."""
        ended = {pid: code for pid, code in self._nursery.ended.items() if pid in self._jobs}
        assert set(ended.values()) <= {0}, "see what it printed"
        return [pid for pid in self._jobs if pid not in ended]

    def disturb(self) -> None:
        """Kill one of them, or freeze it, perhaps for longer than its lease."""
        for pid in [pid for pid, until in self._wakes_at.items() if until < time.monotonic()]:
            self._wake(pid)
        awake = [pid for pid in self.at_work() if pid not in self._wakes_at]
        if not awake:
            return
        pid = self._chance.choice(awake)
        if self._chance.random() < 0.6:
            self._kill(pid)
            return
        seconds = self._chance.choice((0.3, 1.0, 1.5 * SPAN))
        self.deeds[f"frozen for {seconds:g} s"] += 1
        if seconds > EXCUSE:
            self.frozen.add(pid)
        os.kill(pid, signal.SIGSTOP)
        self._wakes_at[pid] = time.monotonic() + seconds

    def calm(self) -> None:
        """Wake all that are frozen."""
        for pid in [*self._wakes_at]:
            self._wake(pid)

    def _wake(self, pid: int) -> None:
        del self._wakes_at[pid]
        os.kill(pid, signal.SIGCONT)
        if self._chance.random() < 0.2:
            self._kill(pid)

    def _kill(self, pid: int) -> None:
        if pid in self._nursery.ended:
            return
        os.kill(pid, signal.SIGKILL)
        self.killed_at[pid] = time.monotonic()
        job = self._jobs.pop(pid)
        self.deeds["writers killed" if "instances" in job else "readers killed"] += 1
        self._jobs[self._start(job)] = job

    def end(self) -> None:
        for pid in self.at_work():
            os.kill(pid, signal.SIGKILL)


def instances_of(writer: int) -> list[int]:
    return [writer * INSTANCES + number for number in range(INSTANCES)]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def flaws(lines: list[dict[str, Any]], crowd: Crowd) -> list[str]:
    """What is wrong with what one consumer has seen."""
    found: list[str] = []
    at_work: dict[tuple[int, int], set[int]] = {}
    worked: dict[tuple[int, int], list[dict[str, Any]]] = {}
    committed: Counter[tuple[int, int]] = Counter()
    for line in lines:
        if line["event"] == "refused":
            for pids in at_work.values():
                pids.discard(line["pid"])
            continue
        span = (line["after"], line["until"])
        if line["event"] == "begin":
            others = {
                pid
                for pid in at_work.setdefault(span, set()) - crowd.frozen
                if crowd.killed_at.get(pid, line["at"]) >= line["at"]
            }
            found += [f"{span}: two at once"] * bool(others and line["pid"] not in crowd.frozen)
            at_work[span].add(line["pid"])
        elif line["event"] == "worked":
            worked.setdefault(span, []).append(line)
        else:
            at_work[span].discard(line["pid"])
            committed[span] += span[0] < span[1]
    found += [f"{span}: committed {times} times" for span, times in committed.items() if times > 1]
    pages = sorted(span for span in worked if span[0] < span[1])
    ends = [0, *(until for _, until in pages)]
    found += [f"{page}: not behind {end}" for page, end in zip(pages, ends, strict=False) if page[0] != end]
    for page in pages:
        first, *again = worked[page]
        found += [f"{page}: other rows" for each in again if each["rows"] != first["rows"]]
        excused = crowd.killed_at.keys() | crowd.frozen
        found += [f"{page}: worked on again" for each in worked[page][:-1] if each["pid"] not in excused]
    rows = [tuple(row) for page in pages for row in worked[page][0]["rows"]]
    for instance in chain(*map(instances_of, range(WRITERS))):
        numbers = [number for at, number in rows if at == str(instance)]
        if numbers != list(range(EACH)):
            skipped = len({*range(EACH)} - {*numbers})
            found.append(f"instance {instance}: {skipped} skipped, {len(numbers)} seen, or out of order")
    return found


def test_consumers_see_each_row_in_order_whoever_dies(
    nursery: Nursery, store: dict[str, Any], tmp_path: Path
) -> None:
    """None is skipped, and a page is worked on again only if its reader died or stood still before commit."""
    seed = os.environ.get("GREEN_API_SEED", str(time.time_ns()))
    print(f"GREEN_API_SEED={seed}")
    with store_of(store).open("dag/run/first/-1"):
        pass
    chance = random.Random(seed)
    crowd = Crowd(nursery, tmp_path, store, chance)
    began = time.monotonic()
    try:
        while len(crowd.at_work()) > 3 and time.monotonic() - began < DISTURBED:
            time.sleep(chance.uniform(0, 1.5 if IS_LONG else 0.4))
            crowd.disturb()
        crowd.calm()
        while crowd.at_work():
            assert time.monotonic() - began < DISTURBED + 240
            time.sleep(0.05)
    finally:
        crowd.end()
    logs = {number: lines_of(tmp_path / f"consumer-{number}") for number in range(CONSUMERS)}
    worked = Counter(
        (number, each["after"]) for number, lines in logs.items() for each in lines if each.get("rows")
    )
    again = sum(times - 1 for times in worked.values())
    events = Counter(line["event"] for lines in logs.values() for line in lines)
    seconds = time.monotonic() - began
    print(f"{ROWS} rows, {seconds:.0f} s, {dict(crowd.deeds)}, {dict(events)}, {again} pages worked on again")
    assert {number: flaws(lines, crowd) for number, lines in logs.items()} == {number: [] for number in logs}
