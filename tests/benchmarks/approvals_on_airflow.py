"""From an answer in a chat to the end of the task that waits for it, hundreds of them at once.

``python -m tests.benchmarks.approvals_on_airflow`` runs a whole Airflow (LocalExecutor with 8 slots,
PostgreSQL, two triggerers) in which a Dag streams 10 emulated instances into a table, and 500 runs of another
wait in the triggerers, each for the answer to its own question. It then pushes the answers, and as many other
notifications between them, all within 10 s, and prints the time from the push to the task's success (the end
that Airflow notes), and the cores in use meanwhile. Exit code 1 if the p95 is 5 s or more, an approval got
no answer or another's, or the stream lost, left or doubled anything.

Starting 500 runs takes a worker process for each, 2 to 3 s of CPU; that is not measured. A few are asked and
answered before: a triggerer's first answer takes seconds, in which Airflow loads its API. Triggerers have the
capacity for an even share: Airflow gives the first one all that it has capacity for.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from airflow_green_notify.notification import Notification
from tests.benchmarks.fleet_on_airflow import BODY, FOR_TESTS, SLOTS, Measurement, _cores, a_message
from tests.benchmarks.many_instances import Outcome, many_instances, wait_for_rest
from tests.live.database import on_server
from tests.live.live_airflow import LiveAirflow
from tests.live.running_airflow import until
from tests.servers import postgres

DAGS = Path(__file__).parent / "approvals_dags"
P95_SECONDS = 5.0
SPARE = 5
"""Triggers that a triggerer has capacity for beside its share."""

PATIENCE = 3600.0
ENDED = (
    "SELECT run_id, extract(epoch FROM end_date) FROM task_instance "
    "WHERE dag_id = 'approval' AND state = 'success'"
)
RESULTS = "SELECT run_id, CAST(value AS TEXT) FROM xcom WHERE dag_id = 'approval' AND key = 'return_value'"
DEFERRED = (
    "SELECT count(*) FROM task_instance i JOIN trigger t ON t.id = i.trigger_id "
    "WHERE i.dag_id = :dag_id AND i.state = 'deferred' AND t.triggerer_id IS NOT NULL"
)


class Approvals(Measurement):
    """An Airflow in which approvals wait beside a stream."""

    def ask(self, count: int) -> dict[str, str]:
        """Start so many runs, and return which question each asks, once all wait in the triggerer."""
        until(lambda: self.warehouse.column("approvals", "key") or self._wake(), 300, "row", pause=5)
        asked: dict[str, str] = {}
        for _ in range(count):
            question = f"3EB0ASKED{time.time_ns()}"
            asked[self.airflow.trigger("approval", asked=question)] = question
        until(
            lambda: self.airflow.query(DEFERRED, dag_id="approval")[0][0] >= count,
            PATIENCE,
            "deferral of all",
            pause=2,
        )
        return asked

    def _wake(self) -> None:
        self.gateway.push(self.gateway.ids[0], a_message())

    def answer(self, asked: dict[str, str], seconds: float) -> None:
        """Push an answer to each, and as many other notifications between them, evenly over this time."""
        bodies = [body for question in asked.values() for body in (answer_to(question), a_message())]
        began = time.monotonic()
        for number, body in enumerate(bodies):
            time.sleep(max(0.0, began + seconds * number / len(bodies) - time.monotonic()))
            self.gateway.push(self.gateway.ids[number % len(self.gateway.ids)], body)

    def end_all(self, asked: dict[str, str], seconds: float) -> None:
        """Answer all, and wait until their tasks have ended."""
        self.answer(asked, seconds)
        until(lambda: asked.keys() <= dict(self.airflow.query(ENDED)).keys(), 600, "end of all", pause=2)

    def latencies(self, asked: dict[str, str]) -> list[float]:
        """Seconds from push to success of each, in order of size."""
        pushed = {Notification(0, item["body"]).quoted_id: item["pushed_at"] for item in self.gateway.audit()}
        ended = dict(self.airflow.query(ENDED))
        return sorted(float(ended[run]) - pushed[asked[run]] for run in asked if run in ended)

    def wrong(self, asked: dict[str, str]) -> int:
        """How many have no result, or that of another."""
        results = {run: json.loads(value) for run, value in self.airflow.query(RESULTS)}
        found = {
            run: Notification.from_dict(result).quoted_id
            for run, result in results.items()
            if isinstance(result, dict)
        }
        return sum(found.get(run) != question for run, question in asked.items())

    def outcome(self) -> Outcome:
        """What the stream made of all that was pushed."""
        until(lambda: not self.gateway.waiting(), 120, "empty queues", pause=1)
        return Outcome.of(self.gateway, self.warehouse.column("approvals", "key"))


_answers = itertools.count(1)


def answer_to(question: str) -> dict[str, Any]:
    data = {
        "typeMessage": "quotedMessage",
        "extendedTextMessageData": {"text": "Yes"},
        "quotedMessage": {"stanzaId": question},
    }
    moment = {"timestamp": int(time.time()), "idMessage": f"3EB0ANSWER{next(_answers):08}"}
    return BODY | moment | {"messageData": data}


@contextmanager
def _approvals(instances: int, round_trip: float, triggerers: int, capacity: int) -> Iterator[Approvals]:
    with ExitStack() as stack:
        gateway = stack.enter_context(many_instances(instances, round_trip))
        database = on_server(stack.enter_context(postgres()))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        shutil.copytree(DAGS, home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        warehouse = database("warehouse")
        connections = {"warehouse": warehouse.connection}
        airflow = LiveAirflow(home, home / "dags", connections, database("airflow"), triggerers)
        for name in FOR_TESTS:
            del airflow.environment[name]
        airflow.environment |= gateway.connections | {
            "AIRFLOW__CORE__PARALLELISM": str(SLOTS),
            "AIRFLOW__TRIGGERER__CAPACITY": str(capacity),
            "BENCHMARK_INSTANCES": " ".join(gateway.ids),
        }
        yield Approvals(stack.enter_context(airflow), gateway, warehouse)


def main() -> int:
    """Let all wait, answer them, and say how that went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--approvals", type=int, default=500)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--round-trip", type=float, default=50, help="in milliseconds")
    parser.add_argument("--seconds", type=float, default=10, help="in which all answers come")
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for others to rest")
    parser.add_argument("--triggerers", type=int, default=2)
    options = parser.parse_args()
    capacity = options.approvals // options.triggerers + SPARE
    with (
        _approvals(options.instances, options.round_trip, options.triggerers, capacity) as found,
        found.airflow.running("stream", "approval"),
    ):
        found.end_all(found.ask(4 * options.triggerers), 0.0)
        began = time.monotonic()
        asked = found.ask(options.approvals)
        print(f"{len(asked)} approvals wait, after {time.monotonic() - began:.0f} s.", flush=True)
        wait_for_rest(options.patience)
        cpu, at = found._cpu(), time.time()
        idle = _since(found, cpu, at, 15.0)
        cpu, at = found._cpu(), time.time()
        found.end_all(asked, options.seconds)
        busy = _since(found, cpu, at)
        latencies, wrong, outcome = found.latencies(asked), found.wrong(asked), found.outcome()
    p50, p95 = (latencies[min(len(latencies) - 1, len(latencies) * p // 100)] for p in (50, 95))
    print(f"while all wait  {_cores(idle)}\nwhile they end  {_cores(busy)}")
    print(
        f"push to success p50 {p50:.2f} s, p95 {p95:.2f} s, max {latencies[-1]:.2f} s over {len(latencies)}; "
        f"{wrong} without their own answer; lost {outcome.lost}, left {outcome.left}, twice {outcome.twice}",
        flush=True,
    )
    return int(p95 >= P95_SECONDS or wrong > 0 or not outcome.is_clean())


def _since(measurement: Approvals, cpu: dict[str, float], at: float, sleep: float = 0.0) -> dict[str, float]:
    """Cores in use since a moment, after a sleep."""
    time.sleep(sleep)
    seconds = time.time() - at
    return {part: (now - cpu[part]) / seconds for part, now in measurement._cpu().items()}


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent.parent)
    sys.exit(main())
