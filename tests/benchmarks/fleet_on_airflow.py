"""What many instances cost in a real Airflow, and how soon a notification is a row.

``python -m tests.benchmarks.fleet_on_airflow`` starts an Airflow (LocalExecutor of eight slots, one
triggerer, all of it and the warehouse on a private PostgreSQL) and pushes one notification a second into each
of 20 instances for two minutes, with 50 ms of added round trip, in turn to: a Dag per instance with a
doorbell each; one Dag for all with one doorbell; a Dag that streams with ``schedule="@continuous"``, once
with a ``linger`` so short that the window has gaps between runs, once with that of the example. It prints the
Dag runs, the cores in use while notifications come, and the time from push to row. That is exact: from the
gateway's audit to the commit timestamp that PostgreSQL keeps for each row. The CPU of a part counts all its
processes, tasks included, which LocalExecutor starts below the scheduler; PostgreSQL and the emulator are
told apart. Exit code 1 if anything was lost, was left in its queue, or came twice.

Tasks read connections from the environment; the settings are Airflow's defaults but for the slots.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.notification import Notification
from tests.benchmarks.many_instances import (
    ManyInstances,
    Outcome,
    cpu_seconds,
    machine_cpu_seconds,
    many_instances,
    tree,
    wait_for_rest,
)
from tests.live.database import Database, on_server
from tests.live.live_airflow import LiveAirflow, members
from tests.live.running_airflow import until
from tests.servers import postgres

DAGS = Path(__file__).parent / "fleet_dags"
SLOTS = 8
IDLE_SECONDS = 30.0
SETTLE_SECONDS = 600.0
FOR_TESTS = (  # what LiveAirflow sets to other values than Airflow's defaults, for tests to be fast
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC",
    "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL",
)
BODY = example_notifications()[0]["body"]
AIRFLOW_PARTS = ("scheduler", "api-server", "triggerer", "dag-processor")
COMMITTED = "SELECT key, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM {table}"
POSTMASTER = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"


@dataclass
class Mode:
    """One way to read all instances.

    :param name: As printed.
    :param dag_ids: What has to run.
    :param table: Where its rows go.
    :param file: The Dags' own.
    :param watchers: How many triggers watch queues for it.
    :param ends: Whether its runs end when nothing comes any more.
    """

    name: str
    dag_ids: list[str]
    table: str
    file: str
    watchers: int = 0
    ends: bool = True


def modes(count: int, gaps: float) -> dict[str, Mode]:
    """All of them, by the word that chooses them; what doesn't end comes last."""
    instances = [f"instance_{number}" for number in range(count)]
    return {
        "instances": Mode("a Dag per instance", instances, "instances", "instances", watchers=count),
        "fleet": Mode("fleet, one doorbell", ["fleet"], "fleet", "fleet", watchers=1),
        "gaps": Mode(f"streaming, linger {gaps:g}", ["stream_with_gaps"], "stream_with_gaps", "stream"),
        "stream": Mode("streaming, linger 300", ["stream"], "stream", "stream", ends=False),
    }


class Measurement:
    """An Airflow, its gateway and its database, measured."""

    def __init__(self, airflow: LiveAirflow, gateway: ManyInstances, warehouse: Database) -> None:
        self.airflow = airflow
        self.gateway = gateway
        self.warehouse = warehouse
        self._postmaster = int(warehouse.query(POSTMASTER)[0][0])

    def run(self, mode: Mode, seconds: float, patience: float) -> dict[str, Any]:
        """Let a mode's Dags run while notifications come, and until all of them are rows."""
        wait_for_rest(patience)
        with self.airflow.running(*mode.dag_ids):
            self._warm_up(mode)
            runs_before, began, cpu = self._last_run(), time.time(), self._cpu()
            self._push(seconds)
            window = time.time() - began
            cores = {part: (now - cpu[part]) / window for part, now in self._cpu().items()}
            runs = self._runs(mode, runs_before)
            self._settle(mode)
        latencies = self._latencies(mode, began)
        stored = [key for key, _ in self._rows(mode)]
        return {"runs": len(runs), "window": window, "cores": cores, "latencies": latencies} | {
            "outcome": Outcome.of(self.gateway, stored, since=self._warmed_up_at),
            "failed": self._failed(runs_before),
        }

    def idle(self) -> dict[str, float]:
        """Cores in use while all Dags are paused."""
        cpu = self._cpu()
        time.sleep(IDLE_SECONDS)
        return {part: (now - cpu[part]) / IDLE_SECONDS for part, now in self._cpu().items()}

    def _warm_up(self, mode: Mode) -> None:
        """Return once a notification of each instance is a row."""
        watched = "SELECT count(*) FROM trigger WHERE triggerer_id IS NOT NULL"
        until(lambda: self.airflow.query(watched)[0][0] >= mode.watchers, 120, "trigger for each watcher")
        self._warmed_up_at = time.time()
        for instance in self.gateway.ids:
            self.gateway.push(instance, a_message())
        count = len(self.gateway.ids)
        until(lambda: len(self._rows(mode)) >= count, 300, "row for each instance")

    def _push(self, seconds: float) -> None:
        """Push one notification a second into each queue, evenly spread."""
        count, began = len(self.gateway.ids), time.monotonic()
        for number in range(int(seconds * count)):
            time.sleep(max(0.0, began + number / count - time.monotonic()))
            self.gateway.push(self.gateway.ids[number % count], a_message())
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    def _settle(self, mode: Mode) -> None:
        """Wait until all that came is in the table and, where runs end, until they have."""
        until(lambda: not self.gateway.waiting(), SETTLE_SECONDS, "empty queues", pause=1)
        if mode.ends:
            running = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
            until(lambda: self.airflow.query(running) == [(0,)], SETTLE_SECONDS, "end of all runs", pause=1)

    def _last_run(self) -> int:
        return int(self.airflow.query("SELECT coalesce(max(id), 0) FROM dag_run")[0][0])

    def _runs(self, mode: Mode, after: int) -> list[Any]:
        return self.airflow.query("SELECT id FROM dag_run WHERE id > :after", after=after)

    def _failed(self, after: int) -> int:
        failed = "SELECT count(*) FROM dag_run WHERE id > :after AND state = 'failed'"
        return int(self.airflow.query(failed, after=after)[0][0])

    def _rows(self, mode: Mode) -> list[tuple[str, float]]:
        """The key of each row, and when it was committed."""
        if not self.warehouse.column(mode.table, "key"):
            return []
        return [(key, float(at)) for key, at in self.warehouse.query(COMMITTED.format(table=mode.table))]

    def _latencies(self, mode: Mode, began: float) -> list[float]:
        """Seconds from push to row of all that came since then, in order of size."""
        committed = dict(self._rows(mode))
        pushed = ((Notification(0, item["body"]).key, item["pushed_at"]) for item in self.gateway.audit())
        return sorted(committed[key] - at for key, at in pushed if at >= began and key in committed)

    def _cpu(self) -> dict[str, float]:
        """CPU seconds so far of each part of Airflow, of PostgreSQL, and of the whole machine."""
        processes = self.airflow.processes
        parts = {name.partition("-1")[0]: process.pid for name, process in processes.items()}
        seconds = {name: cpu_seconds({*tree(pid), *members(pid)}) for name, pid in parts.items()}
        return seconds | {
            "PostgreSQL": cpu_seconds(tree(self._postmaster)),
            "gateway": cpu_seconds([self.gateway.process.pid]),
            "machine": machine_cpu_seconds(),
        }


_numbers = itertools.count(1)


def a_message() -> dict[str, Any]:
    """A message that nobody has sent before, of this moment."""
    return BODY | {"idMessage": f"3EB0{next(_numbers):016X}", "timestamp": int(time.time())}


@contextmanager
def _measurement(count: int, round_trip: float, gaps: float, files: set[str]) -> Iterator[Measurement]:
    with ExitStack() as stack:
        gateway = stack.enter_context(many_instances(count, round_trip))
        database = on_server(stack.enter_context(postgres("track_commit_timestamp=on")))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        for name in files:
            (home / "dags").mkdir(exist_ok=True)
            shutil.copy(DAGS / f"{name}.py", home / "dags")
        warehouse = database("warehouse")
        airflow = LiveAirflow(home, home / "dags", {"warehouse": warehouse.connection}, database("airflow"))
        for name in FOR_TESTS:
            del airflow.environment[name]
        airflow.environment |= gateway.connections | {
            "AIRFLOW__CORE__PARALLELISM": str(SLOTS),
            "BENCHMARK_INSTANCES": " ".join(gateway.ids),
            "BENCHMARK_GAPS": str(gaps),
        }
        yield Measurement(stack.enter_context(airflow), gateway, warehouse)


# --- the table ---


def _cores(cores: dict[str, float]) -> str:
    parts = [cores[part] for part in AIRFLOW_PARTS]
    counted = sum(parts) + cores["PostgreSQL"] + cores["gateway"]
    return (
        f"{sum(parts):6.2f} cores = {' + '.join(f'{part:.2f}' for part in parts)}   "
        f"PostgreSQL {cores['PostgreSQL']:.2f}, gateway {cores['gateway']:.2f}, "
        f"elsewhere {max(0.0, cores['machine'] - counted):.2f}"
    )


def _print(mode: Mode, result: dict[str, Any]) -> None:
    latencies, outcome = result["latencies"], result["outcome"]
    p50, p95, p99 = (latencies[min(len(latencies) - 1, len(latencies) * p // 100)] for p in (50, 95, 99))
    every = f", one every {result['window'] / result['runs']:.1f} s" if result["runs"] else ""
    print(
        f"{mode.name:22} {result['runs']:5} Dag runs began{every}, {result['failed']} failed; "
        f"push to row p50 {p50:.2f} s, p95 {p95:.2f} s, p99 {p99:.2f} s, max {latencies[-1]:.2f} s "
        f"over {len(latencies)}; lost {outcome.lost}, left {outcome.left}, twice {outcome.twice}\n"
        f"{'':22} {_cores(result['cores'])}",
        flush=True,
    )


def main() -> int:
    """Measure all modes, one after the other, in one Airflow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--round-trip", type=float, default=50, help="in milliseconds")
    parser.add_argument("--gaps", type=float, default=25, help="the short linger, in seconds")
    parser.add_argument("--modes", nargs="+", choices=list(modes(0, 0)), default=list(modes(0, 0)))
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for others to rest")
    options = parser.parse_args()
    known = modes(options.instances, options.gaps)
    chosen = [known[name] for name in known if name in options.modes]
    is_clean, files = True, {mode.file for mode in chosen}
    with _measurement(options.instances, options.round_trip, options.gaps, files) as measurement:
        print(f"{'idle, all paused':22} {_cores(measurement.idle())}", flush=True)
        for mode in chosen:
            result = measurement.run(mode, options.seconds, options.patience)
            _print(mode, result)
            is_clean = is_clean and result["outcome"].is_clean()
    return int(not is_clean)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent.parent)
    sys.exit(main())
