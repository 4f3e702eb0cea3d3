"""A task that drains 20 instances, killed at random moments under gateways that fail too.

6 SIGKILLs for each kind of store here, and some SIGTERMs. The long form, 200, takes longer than a test may
take by default:
``GREEN_API_KILLS=200 .venv/bin/pytest -m crash -o faulthandler_timeout=0 tests/crash/test_fleet_killed.py``
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import read_batch
from tests.balance import Balance, balances, key_of
from tests.crash.processes import Zygote
from tests.crash.runs import Runs
from tests.crash.task_run import SPAN

pytestmark = pytest.mark.crash

KILLS = int(os.environ.get("GREEN_API_KILLS", "6"))
FAULTS = {"cut_before": 0.01, "cut_after": 0.01, "500": 0.01, "500_after": 0.01, "502": 0.01, "429": 0.005}
INSTANCES = 20
WAITING = (2, 15)
"""Notifications in each queue before a run, at least and at most."""

AFTER_FIRST, AFTER_LAST = 0.4, 3.0
"""Seconds from the first or from the last delete of a run to its kill, at most."""

PATIENCE = 10.0
"""Seconds to wait for a delete: the lease of a run that was killed has to run out, and requests fail."""

BUCKET_SPAN = 5.0
"""Seconds of a lease in a bucket, which takes five requests to renew each of 20."""

TERMINATED = 143
"""The exit code of a run that was told to stop."""


@pytest.fixture
def fleet() -> Iterator[list[GatewayInstance]]:
    switches: dict[str, Any] = {"rate_limits": False, "receipt_id": "new"}
    with GreenApiEmulator(**switches) as gateway:
        fleet = [gateway, *(gateway.add_instance(**switches) for _ in range(INSTANCES - 1))]
        for seed, instance in enumerate(fleet):
            instance.faults_at_random(seed, FAULTS)
        yield fleet


@pytest.fixture
def environment(
    fleet: list[GatewayInstance], store: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The connections to the instances and to the store, here and in every run."""
    environment = dict(store["environment"])
    for number, instance in enumerate(fleet):
        environment[f"AIRFLOW_CONN_INSTANCE_{number}"] = instance.connection
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


class Killed:
    """Runs of a task that drains a fleet, one after the other, all but the last of them killed."""

    def __init__(self, zygote: Zygote, fleet: list[GatewayInstance], runs: Runs, span: float) -> None:
        self.deaths: Counter[str] = Counter()
        self.batches: list[list[Notification]] = []
        """What was in each batch when its task returned it, as for the tasks behind it."""
        self._zygote, self._fleet, self._runs = zygote, fleet, runs
        self.chance = runs.chance
        self._span = span
        self._bodies = [traffic(seed, id_instance=int(each.id_instance)) for seed, each in enumerate(fleet)]
        self._last: dict[str, Any] | None = None

    def kill(self, how: str) -> None:
        """Fill the queues, begin a run or the retry of the one before, and kill it."""
        wanted = self.chance.randint(*WAITING)
        for instance, bodies in zip(self._fleet, self._bodies, strict=True):
            instance.push(*(next(bodies) for _ in range(wanted - len(instance.queue()))))
        is_retry = self._last is not None and self.chance.random() < 0.5
        job = self._job(retry_of=self._last if is_retry else None)
        pid = self._zygote.start(job)
        self._wait_for_the_moment(wanted)
        os.kill(pid, getattr(signal, how))
        code = self._end(job)
        assert code in (-signal.SIGKILL, TERMINATED, 0)
        self.deaths[how] += code != 0
        self._last = job if code else None
        if self.chance.random() < 0.2:
            self.chance.choice(self._fleet).restart_receipts()

    def run(self) -> dict[str, Any]:
        """Run once more, undisturbed, and return what the task returned."""
        job = self._job()
        self._zygote.start(job)
        assert self._end(job) == 0
        result = self._runs.result(job)
        assert result is not None
        return result

    def balances(self) -> dict[str, Balance]:
        """Compare what was pushed to each instance with the batches that tasks returned."""
        return balances(self._fleet, *self.batches)

    def _job(self, retry_of: dict[str, Any] | None = None) -> dict[str, Any]:
        connections = [f"instance_{number}" for number in range(INSTANCES)]
        own: dict[str, Any] = {"connections": connections, "span": self._span}
        own["seconds_to_return"] = self.chance.choice((0.0, 2.0))
        return self._runs.job("fleet", retry_of) | own

    def _end(self, job: dict[str, Any]) -> int:
        code = self._zygote.end()
        self._runs.ended(job, code)
        result = self._runs.result(job)
        if code == 0 and result is not None:
            self.batches.append(list(read_batch(result)))
        return code

    def _wait_for_the_moment(self, filled: int) -> None:
        """Wait until a run has begun, is in the midst of it, or near its end."""
        moment = self.chance.random()
        if moment < 0.1:
            time.sleep(self.chance.uniform(0, AFTER_LAST))
        elif moment < 0.6:
            self._wait_until(lambda waiting: min(waiting) < filled)
            time.sleep(self.chance.uniform(0, AFTER_FIRST))
        else:
            self._wait_until(lambda waiting: max(waiting) == 0)
            time.sleep(self.chance.uniform(0, AFTER_LAST))

    def _wait_until(self, reached: Callable[[list[int]], bool]) -> None:
        """Wait until the queues of some that never fail for good are so long."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if reached([len(instance.queue()) for instance in self._fleet[:3]]):
                return
            time.sleep(0.05)


@pytest.fixture
def killed(
    zygote: Zygote,
    fleet: list[GatewayInstance],
    store: dict[str, Any],
    environment: dict[str, str],
    tmp_path: Path,
) -> Killed:
    seed = os.environ.get("GREEN_API_SEED", str(time.time_ns()))
    print(f"GREEN_API_SEED={seed}")
    is_bucket = store["arguments"].get("path", "").startswith("s3://")
    span = BUCKET_SPAN if is_bucket else SPAN
    return Killed(zygote, fleet, Runs(tmp_path, store, environment, seed), span)


def refuse_token(instance: GatewayInstance, conn_id: str) -> None:
    """Give the instance another token than that of its connection."""
    with GreenApiHook(conn_id) as hook:
        hook.call("GET", "updateApiToken")


def hang(instance: GatewayInstance, conn_id: str) -> None:
    """Let no request to the instance ever be answered."""
    instance.fault("slow", seconds=1e6, times=None)


SPOILT = {INSTANCES - 2: refuse_token, INSTANCES - 1: hang}
"""What happens to the last instances, by their numbers."""


def spoil(fleet: list[GatewayInstance]) -> None:
    for number, how in SPOILT.items():
        fleet[number].clear_faults()
        how(fleet[number], f"instance_{number}")


def kill_often(killed: Killed, fleet: list[GatewayInstance], *, spoils: bool = False) -> dict[str, Any]:
    """Kill runs, spoil the last instances after a third of them, and return what an undisturbed run did."""
    is_spoilt = False
    while killed.deaths["SIGKILL"] < KILLS:
        if spoils and not is_spoilt and killed.deaths["SIGKILL"] >= KILLS // 3:
            is_spoilt = True
            spoil(fleet)
        killed.kill("SIGTERM" if killed.chance.random() < 0.2 else "SIGKILL")
    for instance in fleet[: min(SPOILT)] if is_spoilt else fleet:
        instance.clear_faults()
    result = killed.run()
    pushed = sum(len(instance.audit()) for instance in fleet)
    print(f"{dict(killed.deaths)}, {pushed} notifications, {len(killed.batches)} batches")
    return result


def test_fleet_killed_at_random_moments_loses_nothing_and_stores_nothing_twice(
    killed: Killed, fleet: list[GatewayInstance]
) -> None:
    """Whatever dies when, everything that was pushed lies in one batch, once, that a task returned."""
    result = kill_often(killed, fleet)
    assert [name for name, told in result["instances"].items() if "error" in told] == []
    assert killed.balances() == {}


def test_fleet_killed_while_some_instances_fail_stores_all_of_the_others_once(
    killed: Killed, fleet: list[GatewayInstance]
) -> None:
    """The others are drained to the end; of one that is refused or hangs, all is stored once or waits."""
    result = kill_often(killed, fleet, spoils=True)
    failed = {name for name, told in result["instances"].items() if "error" in told}
    waiting = {
        fleet[number].id_instance: Balance(waiting={key_of(body) for body in fleet[number].queue()})
        for number in SPOILT
    }
    assert failed == {f"instance_{number}" for number in SPOILT}
    assert all(balance.waiting for balance in waiting.values())
    assert killed.balances() == waiting
