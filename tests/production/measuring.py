"""What a run on a production Airflow cost, in a form that stands in the docs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from airflow_green_notify.notification import Notification
from tests.benchmarks.many_instances import machine_cpu_seconds
from tests.live.running_airflow import until
from tests.production.airflow import ProductionAirflow
from tests.production.evidence import keep

ROOT = Path(__file__).parents[2]
COMMITTED = "SELECT key, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM {table}"
WATCHED = "SELECT count(*) FROM trigger WHERE triggerer_id IS NOT NULL"
AT_WORK = "SELECT dag_id, run_id FROM dag_run WHERE state IN ('queued', 'running')"
HELD = "SELECT count(*) FROM {table}_leases WHERE expires_at > extract(epoch FROM clock_timestamp())"


def heading(module: str) -> str:
    """Return what was run, when, of which commit, and on which machine."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    versions = f"Airflow {importlib.metadata.version('apache-airflow')}, Python {platform.python_version()}"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    command = shlex.join(["python", "-m", module, *sys.argv[1:]])
    return (
        f"`{command}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, "
        f"commit {commit.stdout.strip() or 'unknown'}; {os.cpu_count()} cores ({_processor()}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {versions}; load average before: {load}."
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


@dataclass
class Costs:
    """CPU seconds of each kind of part so far, and of everything else on the machine."""

    at: float
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, airflow: ProductionAirflow) -> Costs:
        """Look at all parts."""
        parts = by_kind(airflow.parts.cpu_seconds())
        return cls(time.monotonic(), parts | {"elsewhere": machine_cpu_seconds() - sum(parts.values())})

    def since(self, before: Costs) -> dict[str, float]:
        """Return the cores that were in use since then."""
        passed = self.at - before.at
        return {kind: (now - before.seconds[kind]) / passed for kind, now in self.seconds.items()}


def by_kind(parts: Mapping[str, float]) -> dict[str, float]:
    """Sum up what there is twice: ``worker-1`` and ``worker-2`` are the workers."""
    found: dict[str, float] = defaultdict(float)
    for name, value in parts.items():
        kind, _, number = name.rpartition("-")
        found[f"{kind}s" if number.isdigit() else name] += value
    return found


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return one of values in order of size; not a number if there are none."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("nan")


def committed(airflow: ProductionAirflow, of: str) -> dict[str, float]:
    """The key of each row of a table of the warehouse, and when it was committed."""
    if not airflow.warehouse.column(of, "key"):
        return {}
    return {key: float(at) for key, at in airflow.warehouse.query(COMMITTED.format(table=of))}


def pushed(airflow: ProductionAirflow, since: float, ids: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """What the gateway's audit says of all pushed since then, by key; of all instances by default."""
    audit = (item for instance in ids or airflow.gateway.ids for item in airflow.gateway.audit_of(instance))
    return {Notification(0, item["body"]).key: item for item in audit if item["pushed_at"] >= since}


def end_runs(airflow: ProductionAirflow, tables: Iterable[str]) -> None:
    """Let all runs of paused Dags fail, and wait until nobody reads a queue into these tables."""
    for dag_id, run_id in airflow.query(AT_WORK):
        airflow.api("PATCH", f"dags/{dag_id}/dagRuns/{run_id}", state="failed")
    there = [each for each in tables if airflow.warehouse.column(f"{each}_leases", "queue")]
    for each in there:
        held = HELD.format(table=each)
        until(lambda held=held: airflow.warehouse.query(held) == [(0,)], 180, f"end of {each}", pause=1)  # type: ignore[misc]


def keep_evidence(airflow: ProductionAirflow) -> None:
    """Keep what is needed to understand a loss, and say where."""
    folder = keep(airflow)
    audit = {instance: airflow.gateway.audit_of(instance) for instance in airflow.gateway.ids}
    (folder / "audit.json").write_text(json.dumps(audit))
    print(f"What is needed to understand it lies in {folder}.", flush=True)
