"""An Airflow in production whose parts are killed, frozen and restarted at random, while notifications come.

``python -m tests.production.chaos --minutes 60 --disturbances 500 --seed 1`` pushes 20,000 notifications into
20 instances at a steady pace. A fifth of the instances is drained by a Dag each, two fifths by the Dag of a
fleet, the rest by one that streams, all into one table of PostgreSQL; which are which depends on the seed.
Beside them a consumer reads on in pages, another one works chat by chat, approvals wait for their answers,
and somebody else takes notifications from the queues. Parts that end by themselves are started again, as
systemd would. When the last disturbance is over nobody does anything any more, and all that was pushed has to
be stored once, handed on and handled.

It prints a report in Markdown. Exit code 1 if anything is lost, doubled or stranded; what is needed to
understand that is kept then, in a folder that it names.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live.running_airflow import until
from tests.production.__main__ import own_folder
from tests.production.airflow import ProductionAirflow
from tests.production.disturbing import Disturber
from tests.production.evidence import gather, keep
from tests.production.plan import Disturbance, plan
from tests.production.report import Outcome, as_markdown
from tests.production.settings import SHORT_HEARTBEATS
from tests.production.steady import Steady
from tests.production.traffic import Asker, OtherConsumer, Pusher
from tests.production.witness import CHAT, NOTED, STORE

DAGS = Path(__file__).parent / "chaos_dags"
FAULTS = {
    "cut_before": 0.01,
    "cut_after": 0.01,
    "truncated": 0.005,
    "malformed": 0.005,
    "429": 0.005,
    "500_after": 0.005,
    "502": 0.01,
    "slow": 0.01,
}
WARM_UP_SECONDS = 600.0
NOT_NOTED = f"SELECT count(*) FROM {STORE} WHERE key NOT IN (SELECT key FROM {{}})"
OPEN_APPROVALS = "SELECT count(*) FROM dag_run WHERE dag_id = 'approval' AND state IN ('queued', 'running')"


@dataclass(frozen=True)
class Options:
    """How much happens.

    :param seconds: In which the disturbances are spread.
    :param approvals: How many are asked for.
    :param settle: Seconds after the last disturbance in which everything has to be stored. What comes later
        is waited for, to tell what is late from what is lost.
    :param follow: Seconds in which something more has to be handed on or handled, until everything is.
    """

    seed: int = 1
    seconds: float = 3600.0
    disturbances: int = 500
    notifications: int = 20_000
    instances: int = 20
    approvals: int = 100
    ring_interval: float = 30.0
    linger: float = 300.0
    settle: float = 120.0
    follow: float = 300.0


class Chaos:
    """One run.

    :param airflow: With the Dags of this folder, and nothing in its queues.
    """

    def __init__(self, airflow: ProductionAirflow, options: Options) -> None:
        self._airflow = airflow
        self._options = options
        self.pusher = Pusher(airflow.gateway, options.seed)
        self.other = OtherConsumer(airflow.gateway, options.seed)
        self.asker = Asker(airflow, options.seed)
        self.disturber = Disturber(airflow.parts)
        self.planned: list[Disturbance] = plan(options.seed, options.disturbances, options.seconds)
        self._ended_at = 0.0

    def run(self) -> Outcome:
        """Let it all happen, wait until nothing is left to do, and tell what came of it."""
        self._warm_up()
        began = time.time()
        self._disturb()
        self._ended_at = self.disturber.ended_at
        print("Nothing is disturbed any more.", flush=True)
        if _within(self._options.settle + self._options.follow, self._is_all_stored):
            self._follow_up()
        evidence = gather(self._airflow, self.pusher.keys, self.other.taken, self.asker.runs)
        return Outcome(
            began=began,
            ended=self._ended_at,
            settle=self._options.settle,
            planned=self.planned,
            evidence=evidence,
            ended_by_themselves=dict(self._airflow.parts.ended_by_themselves),
        )

    def _warm_up(self) -> None:
        """Let everything run once, undisturbed."""
        airflow = self._airflow
        subprocess.run(
            [sys.executable, "-m", "tests.production.witness"],
            env=airflow.environment,
            check=True,
            timeout=120,
        )
        for number, instance in enumerate(airflow.gateway.ids):
            airflow.gateway.reply(instance, pattern="Shall the order", text="Yes", chat_id=CHAT)
            if number % 2:
                airflow.gateway.switch(instance, receipt_counter="restarts_when_empty")
        for dag_id in self._dag_ids():
            until(lambda dag_id=dag_id: airflow.knows(dag_id), 120, dag_id)  # type: ignore[misc]
            airflow.pause(dag_id, False)
        for _ in airflow.gateway.ids:
            self.pusher.push()
        until(self._is_all_stored, WARM_UP_SECONDS, "row for each instance")
        print("Everything runs.", flush=True)

    def _dag_ids(self) -> list[str]:
        own = self._airflow.environment["CHAOS_OWN"].split()
        return [*(f"own_{each}" for each in own), "fleet", "stream", "in_pages", "chat_by_chat", "approval"]

    def _disturb(self) -> None:
        options, gateway = self._options, self._airflow.gateway
        for number, instance in enumerate(gateway.ids):
            gateway.faults_at_random(instance, seed=options.seed + number, probabilities=FAULTS)
        paces = (
            (self.pusher.push, options.notifications),
            (self.other.take, max(20, options.notifications // 100)),
            (self.asker.ask, options.approvals),
        )
        with ExitStack() as stack:
            steady = [stack.enter_context(Steady(do, options.seconds / count)) for do, count in paces]
            self.disturber.carry_out(self.planned)
            for each in steady:
                each.end()
            for instance in gateway.ids:
                gateway.clear_faults(instance)

    def _is_all_stored(self) -> bool:
        """Whether no queue has anything; what is deleted is stored, or the verdict is that it is lost."""
        return not self._airflow.gateway.waiting()

    def _follow_up(self) -> None:
        """Wait until all is handed on, read, handled and answered, for as long as that goes on."""
        left = [-1]
        while any(left):
            before = left
            if not _within(self._options.follow, lambda before=before: self._left() != before):  # type: ignore[misc]
                return
            left = self._left()

    def _left(self) -> list[int]:
        """How many are not handed on, not read, not handled, and how many approvals wait."""
        noted = [self._airflow.warehouse.query(NOT_NOTED.format(name)) for name in NOTED]
        return [rows[0][0] for rows in (*noted, self._airflow.database.query(OPEN_APPROVALS))]


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Tell whether a condition came true in time; what is away for a moment has not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except Exception as error:
            print(f"Not yet: {error}", flush=True)
        time.sleep(1)
    return False


def shares(count: int, seed: int) -> dict[str, list[str]]:
    """Tell how each instance is drained: a fifth by a Dag of its own, two fifths each by fleet and stream."""
    names = [f"green_api_{(number + seed * 7) % count}" for number in range(count)]
    own, fleet = max(1, count // 5), max(1, count * 2 // 5)
    return {"OWN": names[:own], "FLEET": names[own : own + fleet], "STREAM": names[own + fleet :]}


@contextmanager
def chaotic_airflow(folder: Path, options: Options) -> Iterator[ProductionAirflow]:
    """Run an Airflow with the Dags of a chaos run."""
    names = shares(options.instances, options.seed)
    environment = {f"CHAOS_{name}": " ".join(connections) for name, connections in names.items()}
    environment |= {
        "CHAOS_RING_INTERVAL": str(options.ring_interval),
        "CHAOS_LINGER": str(options.linger),
    }
    with ProductionAirflow(
        folder,
        DAGS,
        instances=options.instances,
        settings=SHORT_HEARTBEATS,
        environment=environment,
        supervised=True,
    ) as airflow:
        yield airflow


def run(options: Options) -> tuple[Outcome, str]:
    """Make a run, and return what came of it, and its report.

    :raises BaseException: The run itself failed; what is needed to understand that is kept, too.
    """
    with own_folder() as folder, chaotic_airflow(folder, options) as airflow:
        print(f"Seed {options.seed}, in {folder}.", flush=True)
        chaos = Chaos(airflow, options)
        try:
            outcome = chaos.run()
        except BaseException:
            print(f"Kept in {keep(airflow)}.", flush=True)
            raise
        report = as_markdown(outcome, options.seed)
        if not outcome.is_clean():
            report += f"\nKept in `{keep(airflow, outcome.evidence)}`.\n"
        return outcome, report


def main() -> int:
    """Make a run and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.production.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--disturbances", type=int, default=500)
    parser.add_argument("--notifications", type=int, default=20_000)
    parser.add_argument("--approvals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--linger", type=float, default=300, help="seconds of a batch of the streaming Dag")
    parser.add_argument(
        "--settle", type=float, default=120, help="seconds from the last disturbance to the last row"
    )
    chosen = parser.parse_args()
    outcome, report = run(
        Options(
            seed=chosen.seed,
            seconds=chosen.minutes * 60,
            disturbances=chosen.disturbances,
            notifications=chosen.notifications,
            approvals=chosen.approvals,
            linger=chosen.linger,
            settle=chosen.settle,
        )
    )
    print(report)
    return int(not outcome.is_clean())


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    sys.exit(main())
