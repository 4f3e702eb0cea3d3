"""Whether a production Airflow that reads for an hour grows: memory and handles of its parts, and tables.

``python -m tests.production.soak`` streams 20 instances into a table; two consumers read on behind it, one of
them chat by chat; 20 approvals wait on it, and each minute one is answered and another one asked; a handler
works on one queue each minute; and doorbells watch 100 more, one of which rings each minute. Beside them a
triggerer with a metadata database of its own has as many watchers of Airflow's: what grows there, grows
without this package.

Every half minute it looks at the processes that last, which tasks don't. After a warm-up a straight line is
laid through what each part holds, which is told as growth per hour with its standard error: ``flat`` where
that is less than two of them, or than one part in a hundred. Exit code 1 if one of Airflow's parts that work
for this package grows, as far as it grows faster than the control does, or if anything was lost: then audit,
databases and logs are kept. What it prints is Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.approvals_on_airflow import DEFERRED, ENDED, answer_to
from tests.benchmarks.fleet_on_airflow import a_message
from tests.live.database import on_server
from tests.live.live_airflow import airflow_command
from tests.live.running_airflow import BOOT_SECONDS, until
from tests.production.__main__ import own_folder
from tests.production.airflow import SCHEDULERS, TRIGGERERS, WORKERS, ProductionAirflow
from tests.production.measuring import (
    WATCHED,
    committed,
    end_runs,
    heading,
    keep_evidence,
    percentile,
    pushed,
    table,
)
from tests.production.parts import Part
from tests.servers import postgres_login

HERE = Path(__file__).parent
CONTROL = "control triggerer"
WATCHED_PARTS = [*TRIGGERERS, CONTROL, *WORKERS, *SCHEDULERS, "dag-processor", "api-server"]
OURS = [*TRIGGERERS, *WORKERS]
STORES = ("soak", "watched", "handled")
SAMPLE_SECONDS = 30.0
APPROVALS = 20
PUSHED_EVERY = 0.1
SIZES = (
    "SELECT relname, pg_total_relation_size(c.oid) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relkind = 'r'"
)
FAILED = "SELECT dag_id, count(*) FROM dag_run WHERE state = 'failed' GROUP BY dag_id"


@dataclass(frozen=True)
class Held:
    """What a process holds: MiB of its own, open files, and threads.

    What it shares isn't counted: its part of that changes with whatever else begins or ends on the machine.
    """

    mib: float
    handles: int
    threads: int

    @classmethod
    def by(cls, pid: int) -> Held:
        """Look at a process."""
        process = psutil.Process(pid)
        mib = process.memory_full_info().uss / 2**20
        return cls(mib, process.num_fds(), process.num_threads())


@dataclass
class Sample:
    """What the processes of each part hold at a moment.

    :param hours: Since the beginning.
    """

    hours: float
    parts: dict[str, dict[int, Held]]


@dataclass
class Line:
    """A straight line through values over time.

    :param mean: Of the values.
    :param slope: By how much they grow in an hour.
    :param error: The standard error of that.
    """

    mean: float
    slope: float
    error: float

    @classmethod
    def through(cls, hours: Sequence[float], values: Sequence[float]) -> Line:
        """Lay it through at least three of them, by least squares."""
        slope, intercept = statistics.linear_regression(hours, values)
        left = [value - slope * hour - intercept for hour, value in zip(hours, values, strict=True)]
        spread = sum((hour - statistics.fmean(hours)) ** 2 for hour in hours)
        error = math.sqrt(sum(each**2 for each in left) / (len(hours) - 2) / spread)
        return cls(statistics.fmean(values), slope, error)

    @property
    def is_flat(self) -> bool:
        """Whether it can't be told from one that doesn't grow."""
        return self.slope <= max(2 * self.error, self.mean / 100)

    def __str__(self) -> str:
        growth = "flat" if self.is_flat else "grows"
        return f"{self.mean:.0f}, {self.slope:+.2f} ± {self.error:.2f} an hour: {growth}"


class Soak:
    """An Airflow that reads, watched.

    :param streamed: How many instances the stream reads; the next one is the handler's, and all behind it
        are watched by doorbells.
    :param file: Where samples are kept.
    """

    def __init__(self, airflow: ProductionAirflow, streamed: int, file: Path | None = None) -> None:
        self.airflow = airflow
        self._file = file
        self.gateway = airflow.gateway
        self._streamed = self.gateway.ids[:streamed]
        self._handled = self.gateway.ids[streamed]
        self._watched = self.gateway.ids[streamed + 1 :]
        self._asked: dict[str, str] = {}
        self.samples: list[Sample] = []
        self._numbers = itertools.count(1)
        self._chance = random.Random(1)
        self.dags = ["stream", "consume", "work_by_chat", "handle_queue", "approval"]
        self.dags += [f"watched_{streamed + 1 + number}" for number in range(len(self._watched))]

    def begin(self) -> None:
        """Return once everything is at work."""
        until(
            lambda: self.airflow.query(WATCHED)[0][0] >= len(self._watched), 300, "trigger for each watcher"
        )
        for instance in self._streamed:
            self.gateway.push(instance, a_message())
        until(
            lambda: len(committed(self.airflow, "soak")) >= len(self._streamed), 600, "row of each", pause=2
        )
        for _ in range(APPROVALS):
            self._ask()
        until(
            lambda: self.airflow.query(DEFERRED, dag_id="approval")[0][0] >= APPROVALS,
            600,
            "deferral of all",
            pause=2,
        )

    def go_on(self, minutes: float) -> None:
        """Push, answer and look for so long."""
        began = time.monotonic()
        next_minute, instances = 60.0, itertools.cycle(self._streamed)
        while (passed := time.monotonic() - began) < minutes * 60:
            self.gateway.push(next(instances), a_message())
            if passed >= len(self.samples) * SAMPLE_SECONDS:
                self.samples.append(Sample(passed / 3600, self._look()))
                self._keep(self.samples[-1])
            if passed >= next_minute:
                next_minute += 60
                self._each_minute()
            time.sleep(max(0.0, PUSHED_EVERY - (time.monotonic() - began - passed)))

    def _keep(self, sample: Sample) -> None:
        """Add it to the file of samples, a JSON object on each line, for who wants to see the curve."""
        if self._file is not None:
            parts = {
                part: {pid: vars(held) for pid, held in pids.items()} for part, pids in sample.parts.items()
            }
            with self._file.open("a") as file:
                file.write(json.dumps({"hours": sample.hours, "parts": parts}) + "\n")

    def _each_minute(self) -> None:
        self.airflow.check_parts()
        self.gateway.push(self._handled, a_message())
        if self._watched:
            self.gateway.push(self._chance.choice(self._watched), a_message())
        answered = next(iter(self._asked), None)
        if answered is not None:
            self.gateway.push(self._streamed[0], answer_to(self._asked.pop(answered)))
        self._ask()

    def _ask(self) -> None:
        question = f"3EB0SOAK{next(self._numbers):08}"
        self._asked[self.airflow.trigger("approval", asked=question)] = question

    def _look(self) -> dict[str, dict[int, Held]]:
        found: dict[str, dict[int, Held]] = {}
        for name in WATCHED_PARTS:
            found[name] = {}
            for pid in self.airflow.parts.pids(name):
                with suppress(psutil.Error):
                    found[name][pid] = Held.by(pid)
        return found

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes of each table of the warehouse."""
        sizes = dict(self.airflow.warehouse.query(SIZES))
        counted = {
            name: self.airflow.warehouse.query(f"SELECT count(*) FROM {name}")[0][0] for name in sorted(sizes)
        }
        return {name: (count, int(sizes[name])) for name, count in counted.items()}

    def latencies(self, since: float) -> list[float]:
        """Seconds from push to row of what was streamed, in order of size."""
        at = committed(self.airflow, "soak")
        audit = pushed(self.airflow, since)
        return sorted(at[key] - item["pushed_at"] for key, item in audit.items() if key in at)

    def lost(self) -> int:
        """How much the gateway let go of that is in no table; what was handled is in none."""
        stored = {*committed(self.airflow, "soak"), *committed(self.airflow, "watched")}
        audit = pushed(self.airflow, 0.0, [*self._streamed, *self._watched])
        return sum(item["deletions"] > 0 and key not in stored for key, item in audit.items())


def add_control(airflow: ProductionAirflow) -> None:
    """Start a triggerer that has nothing to do with this package, with a metadata database of its own."""
    database = on_server(postgres_login(airflow.ports["metadata"]))("control")
    home = airflow.folder / "control"
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "control_dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }
    with (airflow.logs / "control.log").open("ab") as log:
        for command in (["db", "migrate"], ["dags", "reserialize"]):
            subprocess.run(
                [airflow_command(), *command],
                env=airflow.environment | own,
                stdout=log,
                stderr=log,
                check=True,
                timeout=BOOT_SECONDS,
            )
    words = [f"{name}={value}" for name, value in own.items()]
    airflow.parts.add(CONTROL, Part(["env", *words, airflow_command(), "triggerer", "--skip-serve-logs"]))
    until(lambda: database.query(WATCHED)[0][0] > 0, 180, "watcher of the control")


# --- what it prints ---


def lines(samples: Sequence[Sample], warm_up: float) -> dict[str, dict[str, Line]]:
    """What the lasting processes of each part hold, by part and by kind, after so many hours."""
    warm = [sample for sample in samples if sample.hours >= warm_up]
    found: dict[str, dict[str, Line]] = {}
    for name in WATCHED_PARTS:
        lasting = set.intersection(*({*sample.parts[name]} for sample in warm))
        hours = [sample.hours for sample in warm]
        for kind in ("mib", "handles", "threads"):
            values = [sum(getattr(each.parts[name][pid], kind) for pid in lasting) for each in warm]
            found.setdefault(name, {})[kind] = Line.through(hours, [float(value) for value in values])
    return found


def growing(found: Mapping[str, Mapping[str, Line]]) -> list[str]:
    """The parts that work for this package and grow faster than the control does."""
    return [
        f"{name} ({kind})"
        for name in OURS
        for kind, line in found[name].items()
        if not line.is_flat
        and line.slope - max(0.0, found[CONTROL][kind].slope)
        > 2 * math.hypot(line.error, found[CONTROL][kind].error)
    ]


def _print_parts(samples: Sequence[Sample], warm_up: float) -> list[str]:
    """Print what the parts hold, and return which grow."""
    found = lines(samples, warm_up)
    rows = [[name, *(str(line) for line in kinds.values())] for name, kinds in found.items()]
    print(f"\n### Parts\n\n{table(['part', 'memory of its own, MiB', 'open files', 'threads'], rows)}")
    grown = growing(found)
    print(f"\nGrow faster than the control: {', '.join(grown) or 'none'}.", flush=True)
    return grown


def _print_tables(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> None:
    rows = [
        [f"`{name}`", before.get(name, (0, 0))[0], count, before.get(name, (0, 0))[1] // 1024, size // 1024]
        for name, (count, size) in after.items()
    ]
    columns = ["table", "rows at the begin", "at the end", "KiB at the begin", "at the end"]
    print(f"\n### Tables\n\n{table(columns, rows)}")


def _print_reading(soak: Soak, since: float) -> None:
    latencies, failed = soak.latencies(since), dict(soak.airflow.query(FAILED))
    p50, p95 = (percentile(latencies, percent) for percent in (50, 95))
    print(
        f"\n{len(latencies)} notifications streamed, push → row p50 {p50:.2f} s, p95 {p95:.2f} s; "
        f"{len(soak.airflow.query(ENDED))} approvals ended; failed runs: {failed or 'none'}; load average at "
        f"the end {os.getloadavg()[0]:.1f}.",
        flush=True,
    )


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Let it run, and say what grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.production.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=10, help="minutes of these that don't count")
    parser.add_argument("--streamed", type=int, default=20)
    parser.add_argument("--watched", type=int, default=100)
    parser.add_argument("--samples", type=Path, help="a file to which each sample is added")
    options = parser.parse_args()
    if (options.minutes - options.warm_up) * 60 < 5 * SAMPLE_SECONDS:
        parser.error("--minutes must be 3 more than --warm-up, at least")
    print(heading("tests.production.soak"), flush=True)
    environment = {"SOAK_STREAMED": str(options.streamed), "SOAK_WATCHED": str(options.watched)}
    count = options.streamed + 1 + options.watched
    lost, grown = 0, list[str]()
    with (
        own_folder() as folder,
        ProductionAirflow(folder, HERE / "soak_dags", instances=count, environment=environment) as airflow,
    ):
        _tell("Airflow is up.")
        add_control(airflow)
        soak = Soak(airflow, options.streamed, options.samples)
        with airflow.running(*soak.dags):
            soak.begin()
            _tell("Everything is at work.")
            before, began = soak.sizes(), time.time()
            try:
                soak.go_on(options.minutes)
            finally:
                grown = _print_parts(soak.samples, options.warm_up / 60)
            _print_tables(before, soak.sizes())
            _print_reading(soak, began)
        end_runs(airflow, STORES)
        lost = soak.lost()
        print(f"\nLost: {lost}.", flush=True)
        if lost:
            keep_evidence(airflow)
    return int(bool(lost or grown))


if __name__ == "__main__":
    sys.exit(main())
