"""Histories of drains under virtual time: nothing is lost, whatever freezes, dies or meets.

10,000 new ones each day here. The long form: ``python -m tests.simulation --histories 100000 --seed-base 1``
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_green_notify.drain import engine
from airflow_green_notify.notification import Notification
from tests.simulation.many import Totals, run_many, run_one, shares, tell
from tests.simulation.schedule import MIXES

pytestmark = pytest.mark.simulation

HISTORIES = int(os.environ.get("GREEN_API_HISTORIES", "10000"))
SEED_BASE = int(os.environ.get("GREEN_API_SEED_BASE", f"{datetime.now(UTC):%Y%m%d}")) * 1_000_000
ONCE_FAILED = Path(__file__).with_name("once_failed.txt")


def once_failed() -> Iterator[tuple[str, int]]:
    for line in ONCE_FAILED.read_text().splitlines():
        mix, seed = line.split("#")[0].split()
        yield mix, int(seed)


@pytest.fixture(scope="module")
def new_histories(request: pytest.FixtureRequest) -> dict[str, Totals]:
    """Of seeds that are others each day."""
    totals = run_many(shares(HISTORIES), SEED_BASE)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nSeeds from {SEED_BASE} on:", *totals.values(), sep="\n")
    return totals


@pytest.mark.parametrize("mix", shares(HISTORIES))
def test_new_histories_keep_the_promises(mix: str, new_histories: dict[str, Totals]) -> None:
    """No history of today's seeds does what its mix must never do."""
    if new_histories[mix].break_promises():
        pytest.fail(str(new_histories[mix]), pytrace=False)


@pytest.mark.parametrize(("mix", "seed"), list(once_failed()))
def test_histories_that_once_failed_keep_the_promises(mix: str, seed: int) -> None:
    """What a seed once found stays found."""
    outcome = run_one(mix, seed).outcome
    if outcome.lost or outcome.breaks(MIXES[mix].promises):
        pytest.fail(tell(mix, seed), pytrace=False)


def test_same_seed_tells_the_same_story() -> None:
    """A history depends on its seed alone: not on hashes, addresses, or what ran before it."""
    command = [sys.executable, "-m", "tests.simulation", "--mix", "worst", "--story", "7"]
    stories = [
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, check=True
        )
        for hash_seed in ("1", "2")
    ]
    assert stories[0].stdout.decode().strip() == stories[1].stdout.decode().strip() == tell("worst", 7)
    assert tell("worst", 7) != tell("worst", 8)


def test_delete_before_put_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that deletes first loses what it held when it was killed, and the simulation sees that."""
    put_and_delete = engine.Drain._put_and_delete

    async def delete_first(drain: engine.Drain, notification: Notification) -> Notification | None:
        await drain.hook.adelete_notification(notification.receipt_id)
        return await put_and_delete(drain, notification)

    def found() -> bool:
        return any(run_one("alone", seed).outcome.lost for seed in range(1, 51))

    assert not found()
    monkeypatch.setattr(engine.Drain, "_put_and_delete", delete_first)
    assert found()
