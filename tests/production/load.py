"""How much a production Airflow takes, how soon it is a row, and what that costs.

``python -m tests.production.load`` starts what :mod:`tests.production.airflow` describes, with Airflow's own
settings, and lets it read 1, 5, 20, 50 and 100 instances in three ways: a Dag per instance with a doorbell
each; one Dag for all with one doorbell; a Dag that streams. Each has to take a trickle (one notification a
second and instance), of which push to row and the cores in use are told, and then a backlog, of which
notifications a second are told. Then 10, 100 and 1,000 deferred sensors wait on a table, and some are
answered. Exit code 1 if anything was lost: then audit, databases and logs are kept.

What it prints is Markdown. ``--ways``, ``--instances`` and ``--sensors`` choose a part of it.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.approvals_on_airflow import DEFERRED, answer_to
from tests.benchmarks.fleet_on_airflow import a_message
from tests.live.running_airflow import until
from tests.production.__main__ import own_folder
from tests.production.airflow import ProductionAirflow
from tests.production.measuring import (
    WATCHED,
    Costs,
    by_kind,
    committed,
    end_runs,
    heading,
    keep_evidence,
    percentile,
    pushed,
    table,
)

DAGS = Path(__file__).parent / "load_dags"
WAYS = ("own", "fleet", "stream")
NAMES = {"own": "a Dag per instance", "fleet": "fleet", "stream": "streaming"}
AIRFLOW = ("schedulers", "workers", "triggerers", "api-server", "dag-processor")
SERVERS = ("metadata", "warehouse", "redis", "gateway", "elsewhere")
WARM_SECONDS = 600.0
MOST_AT_ONCE = 6000
FIRST, ANSWERS = 4, 20
"""How many sensors are answered: some for which triggerers load Airflow's API, and those measured then."""

BEGAN = "SELECT count(*) FROM dag_run WHERE start_date >= to_timestamp(:since)"
ANSWERED = (
    "SELECT map_index, extract(epoch FROM end_date) FROM task_instance "
    "WHERE dag_id = :dag_id AND run_id = :run_id AND state = 'success'"
)


@dataclass
class Result:
    """What came of a trickle and a backlog, or of waits.

    :param latencies: Seconds from push to row, or to success, in order of size.
    :param left: What was still in its queue when patience ended.
    :param lost: What is in neither queue nor table.
    :param rate: Notifications of the backlog that became rows each second; ``nan`` if not all did, or there
        was none, since even the trickle was too much.
    """

    way: str
    count: int
    latencies: list[float]
    cores: dict[str, float]
    memory: dict[str, float]
    runs: int = 0
    left: int = 0
    lost: int = 0
    rate: float = float("nan")
    load: float = field(default_factory=lambda: os.getloadavg()[0])


class Load:
    """An Airflow under load.

    :param seconds: Of each trickle.
    :param patience: Seconds after which what isn't a row is left in its queue.
    :param each: The most that waits in each queue as a backlog.
    """

    def __init__(self, airflow: ProductionAirflow, seconds: float, patience: float, each: int) -> None:
        self.airflow = airflow
        self.gateway = airflow.gateway
        self._seconds = seconds
        self._patience = patience
        self._each = each
        self._seed = 0

    def read(self, way: str, count: int) -> Result:
        """Let so many instances be read."""
        ids = self.gateway.ids[:count]
        dags = [f"own_{number}" for number in range(count)] if way == "own" else [f"{way}_{count}"]
        rows = "own" if way == "own" else f"{way}_{count}"
        began = time.time()
        with self.airflow.running(*dags):
            self._warm_up(ids, rows, watchers=0 if way == "stream" else len(dags))
            result = self._trickle(ids, rows, Result(way, count, [], {}, {}))
            if not result.left:
                result.rate = self._backlog(ids, rows)
        end_runs(self.airflow, [rows])
        self._judge(result, ids, rows, began)
        self._clear(ids)
        return result

    def give_up(self) -> None:
        """Leave nothing to the next one of what didn't come to an end."""
        end_runs(self.airflow, [])
        self._clear(self.gateway.ids)

    def wait(self, count: int) -> Result:
        """Let so many sensors wait, and answer some of them."""
        dag_id, result = f"waits_{count}", Result("waits", count, [], {}, {})
        with self.airflow.running("stream_1", dag_id):
            self._warm_up(self.gateway.ids[:1], "stream_1", watchers=0)
            run_id = self.airflow.trigger(dag_id)
            is_waiting = lambda: self.airflow.query(DEFERRED, dag_id=dag_id)[0][0] >= count  # noqa: E731
            until(is_waiting, WARM_SECONDS + 5 * count, "deferral of all", pause=2)
            self._cost_of(lambda: time.sleep(self._seconds), result)
            first = self._answer(range(FIRST))
            self._ended(dag_id, run_id, first)
            pushed_at = self._answer(range(FIRST, min(count, FIRST + ANSWERS)))
            ended = self._ended(dag_id, run_id, pushed_at)
            result.latencies = sorted(at - pushed_at[number] for number, at in ended.items())
            result.left = len(pushed_at) - len(ended)
        end_runs(self.airflow, ["stream_1"])
        return result

    def _warm_up(self, ids: Sequence[str], rows: str, watchers: int) -> None:
        """Return once a notification of each instance is a row."""
        until(lambda: self.airflow.query(WATCHED)[0][0] >= watchers, 180, "trigger for each watcher")
        began = time.time()
        for instance in ids:
            self.gateway.push(instance, a_message())
        self._stored(ids, rows, began, WARM_SECONDS)

    def _trickle(self, ids: Sequence[str], rows: str, result: Result) -> Result:
        began = time.time()
        self._cost_of(lambda: self._push_evenly(ids), result)
        result.runs = int(self.airflow.query(BEGAN, since=began)[0][0])
        result.left = self._stored(ids, rows, began, self._patience)
        at = committed(self.airflow, rows)
        audit = pushed(self.airflow, began, ids)
        result.latencies = sorted(at[key] - item["pushed_at"] for key, item in audit.items() if key in at)
        return result

    def _backlog(self, ids: Sequence[str], rows: str) -> float:
        """Let much wait in each queue, and return how many of it became rows each second."""
        each = min(self._each, MOST_AT_ONCE // len(ids))
        began = time.time()
        self._seed += len(ids)
        self.gateway.push_traffic(each, ids, self._seed)
        if self._stored(ids, rows, began, self._patience):
            return float("nan")
        at = committed(self.airflow, rows)
        last = max(at[key] for key in pushed(self.airflow, began, ids))
        return each * len(ids) / (last - began)

    def _push_evenly(self, ids: Sequence[str]) -> None:
        """Push one notification a second into each queue."""
        began = time.monotonic()
        for number in range(int(self._seconds * len(ids))):
            time.sleep(max(0.0, began + number / len(ids) - time.monotonic()))
            self.gateway.push(ids[number % len(ids)], a_message())
        time.sleep(max(0.0, began + self._seconds - time.monotonic()))

    def _cost_of(self, work: Any, result: Result) -> None:
        before = Costs.of(self.airflow)
        work()
        result.cores = Costs.of(self.airflow).since(before)
        result.memory = by_kind(self.airflow.parts.memory_mib())
        result.load = os.getloadavg()[0]

    def _stored(self, ids: Sequence[str], rows: str, since: float, seconds: float) -> int:
        """Wait until all that was pushed since then is a row, and return how much isn't."""
        keys = pushed(self.airflow, since, ids).keys()
        end = time.monotonic() + seconds
        while left := len(keys - committed(self.airflow, rows).keys()):
            if time.monotonic() > end:
                return left
            time.sleep(1)
            self.airflow.check_parts()
        return 0

    def _judge(self, result: Result, ids: Sequence[str], rows: str, began: float) -> None:
        """Count what the gateway let go of that is no row."""
        at = committed(self.airflow, rows)
        audit = pushed(self.airflow, began, ids)
        result.lost = sum(item["deletions"] > 0 and key not in at for key, item in audit.items())

    def _clear(self, ids: Sequence[str]) -> None:
        """Leave nothing to the next one."""
        for instance in self.gateway.instances:
            if instance["idInstance"] in ids:
                path = f"waInstance{instance['idInstance']}/clearWebhooksQueue/{instance['apiTokenInstance']}"
                requests.delete(f"{self.gateway.url}/{path}", timeout=60).raise_for_status()

    def _answer(self, numbers: Sequence[int]) -> dict[int, float]:
        """Answer these within ten seconds, and return when each was."""
        at: dict[int, float] = {}
        for number in numbers:
            at[number] = time.time()
            self.gateway.push(self.gateway.ids[0], answer_to(f"Q{number}"))
            time.sleep(10 / len(numbers))
        return at

    def _ended(self, dag_id: str, run_id: str, wanted: dict[int, float]) -> dict[int, float]:
        """When each of these tasks succeeded, as far as they do in time."""
        end = time.monotonic() + self._patience
        while True:
            found = self.airflow.query(ANSWERED, dag_id=dag_id, run_id=run_id)
            ended = {number: float(at) for number, at in found if number in wanted}
            if len(ended) == len(wanted) or time.monotonic() > end:
                return ended
            time.sleep(1)


# --- what it prints ---


def _seconds(result: Result) -> list[str]:
    return [f"{percentile(result.latencies, percent):.2f}" for percent in (50, 95)]


def _cores(result: Result) -> list[str]:
    parts = [*AIRFLOW, *SERVERS]
    whole = sum(result.cores.get(kind, 0.0) for kind in AIRFLOW)
    return [f"{whole:.2f}", *(f"{result.cores.get(kind, 0.0):.2f}" for kind in parts), f"{result.load:.1f}"]


def _speed(results: Sequence[Result], seconds: float) -> str:
    columns = ["way", "instances", "pushed/s", "push → row p50, s", "p95, s", "Dag runs/min", "not stored"]
    columns += ["backlog, stored/s", "per instance"]
    rows = []
    for each in results:
        runs, rate = each.runs * 60 / seconds, each.rate
        rows.append(
            [
                *(NAMES[each.way], each.count, each.count, *_seconds(each), f"{runs:.0f}", each.left),
                *(["behind"] * 2 if math.isnan(rate) else [f"{rate:.0f}", f"{rate / each.count:.1f}"]),
            ]
        )
    return table(columns, rows)


def _costs(results: Sequence[Result]) -> str:
    columns = ["way", "count", "Airflow, cores", *AIRFLOW, *SERVERS, "load average"]
    return table(columns, [[NAMES.get(each.way, "sensors"), each.count, *_cores(each)] for each in results])


def _memory(results: Sequence[Result]) -> str:
    kinds = [*AIRFLOW, "metadata", "warehouse", "redis"]
    rows = [
        [NAMES.get(each.way, "sensors"), each.count, *(f"{each.memory.get(kind, 0.0):.0f}" for kind in kinds)]
        for each in results
    ]
    return table(["way", "count", *kinds], rows)


def _waits(results: Sequence[Result]) -> str:
    rows = [[each.count, *_seconds(each), each.left] for each in results]
    return table(["sensors", "push → success p50, s", "p95, s", "not answered"], rows)


def _print(results: Sequence[Result], seconds: float) -> None:
    reads = [each for each in results if each.way != "waits"]
    waits = [each for each in results if each.way == "waits"]
    if reads:
        print(f"\n### How much, and how soon\n\n{_speed(reads, seconds)}")
    if waits:
        print(f"\n### Deferred sensors on a table\n\n{_waits(waits)}")
    print(f"\n### Cores in use\n\n{_costs(results)}")
    print(f"\n### Memory (PSS), MiB\n\n{_memory(results)}", flush=True)


def main() -> int:
    """Measure what was chosen, in one Airflow."""
    parser = argparse.ArgumentParser(prog="python -m tests.production.load", description=__doc__)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--instances", nargs="*", type=int, default=[1, 5, 20, 50, 100])
    parser.add_argument("--sensors", nargs="*", type=int, default=[10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=40, help="of each trickle")
    parser.add_argument("--patience", type=float, default=120, help="seconds until what is no row is left")
    parser.add_argument("--backlog", type=int, default=200, help="the most that waits in each queue")
    parser.add_argument("--round-trip", type=float, default=50, help="in milliseconds")
    options = parser.parse_args()
    print(heading("tests.production.load"), flush=True)
    counts = options.instances if options.ways else []
    results: list[Result] = []
    is_lost = lambda: any(each.lost for each in results)  # noqa: E731
    environment = {
        "LOAD_INSTANCES": " ".join(map(str, counts)),
        "LOAD_SENSORS": " ".join(map(str, options.sensors)),
        "LOAD_LINGER": "3600",
    }
    chosen = [(way, count) for count in counts for way in options.ways]
    with own_folder() as folder:
        airflow = ProductionAirflow(
            folder,
            DAGS,
            instances=max(counts, default=1),
            round_trip=options.round_trip / 1000,
            environment=environment,
        )
        try:
            with airflow:
                load = Load(airflow, options.seconds, options.patience, options.backlog)
                for way, count in [*chosen, *(("waits", count) for count in options.sensors)]:
                    began, what = time.monotonic(), "ended"
                    try:
                        results.append(load.wait(count) if way == "waits" else load.read(way, count))
                    except TimeoutError as error:  # the others are of use all the same
                        what = f"given up: {error}"
                        load.give_up()
                    told = f"{way} {count}: {what} after {time.monotonic() - began:.0f} s"
                    print(told, file=sys.stderr, flush=True)
                if is_lost():
                    keep_evidence(airflow)
        finally:
            _print(results, options.seconds)
    return int(is_lost())


if __name__ == "__main__":
    sys.exit(main())
