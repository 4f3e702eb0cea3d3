"""Drains killed at random moments, under a gateway that fails too: nothing lost, nothing twice.

15 kills of each kind per store here. The long form, 200 per store:
``GREEN_API_KILLS=200 .venv/bin/python -m pytest -m crash tests/crash``
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import read_batch
from tests.balance import Balance, balance
from tests.crash.processes import Zygote
from tests.crash.task_run import store_of

pytestmark = pytest.mark.crash

KILLS = int(os.environ.get("GREEN_API_KILLS", "15"))
FAULTS = {"cut_before": 0.01, "cut_after": 0.01, "500": 0.01, "500_after": 0.01, "502": 0.01, "429": 0.005}
LONGEST_LIFE = 0.4
"""Seconds until the kill at most; a drain of what waits takes longer."""


@pytest.fixture
def gateway() -> Iterator[GreenApiEmulator]:
    with GreenApiEmulator(rate_limits=False, receipt_id="new") as gateway:
        yield gateway


@pytest.fixture
def job(
    gateway: GreenApiEmulator, store: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    environment = store["environment"] | {"AIRFLOW_CONN_GREEN_API_DEFAULT": gateway.connection}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def job(batch_id: str, flaky: bool = False) -> dict[str, Any]:
        options = {"receive_timeout": 0.2}
        return {
            "environment": environment,
            "store": store,
            "batch_id": batch_id,
            "options": options,
            "flaky": flaky,
        }

    return job


def stored(store: dict[str, Any], batches: set[str]) -> list[list[Notification]]:
    """The notifications of each batch, closed by a last look of its task."""
    return [list(read_batch(store_of(store).open(batch).close())) for batch in sorted(batches)]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_drain_killed_at_random_moments_loses_nothing_and_stores_nothing_twice(
    how: str,
    zygote: Zygote,
    gateway: GreenApiEmulator,
    store: dict[str, Any],
    job: Callable[..., dict[str, Any]],
) -> None:
    """Whatever moment a drain dies at, and however the gateway fails meanwhile, everything is stored once."""
    chance = random.Random(how)
    bodies = iter(traffic(seed=17))
    gateway.faults_at_random(23, FAULTS)
    batches = {"dag/undisturbed/drain/-1"}
    killed = 0
    for _ in range(KILLS):
        while len(gateway.queue()) < 120:
            gateway.push(*(next(bodies) for _ in range(60)))
        batch = f"dag/run-{chance.randrange(5)}/drain/-1"
        batches.add(batch)
        code = zygote.run(
            job(batch), getattr(signal, how), chance.uniform(0, LONGEST_LIFE), opened=chance.random() < 0.9
        )
        assert code in (-signal.SIGKILL, -signal.SIGTERM, 143, 0, 75)
        killed += code in (-signal.SIGKILL, -signal.SIGTERM, 143)
        if chance.random() < 0.2:
            gateway.restart_receipts()
    gateway.clear_faults()
    assert zygote.run(job("dag/undisturbed/drain/-1")) == 0
    outcome = balance(gateway, *stored(store, batches))
    print(f"{killed} of {KILLS} killed, {len(gateway.audit())} notifications, {outcome}")
    assert killed > KILLS / 2
    assert outcome == Balance()


def test_drain_into_a_store_that_fails_loses_nothing_and_stores_nothing_twice(
    zygote: Zygote,
    gateway: GreenApiEmulator,
    store: dict[str, Any],
    job: Callable[..., dict[str, Any]],
) -> None:
    """A store that fails before or after it took a notification ends the task; its retries make it whole."""
    gateway.push(*traffic(seed=19, n=300))
    codes = [zygote.run(job("dag/run/drain/-1", flaky=True)) for _ in range(10)]
    assert 75 in codes
    assert zygote.run(job("dag/run/drain/-1")) == 0
    assert balance(gateway, *stored(store, {"dag/run/drain/-1"})) == Balance()
