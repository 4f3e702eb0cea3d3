"""Triggerers that die, hang and lose their watchers, under notifications that keep coming."""

from __future__ import annotations

import random

import pytest

from tests.live.conftest import Live, on_postgres, on_sqlite
from tests.live.kill_triggerer import disturb

pytestmark = [pytest.mark.live, pytest.mark.crash]


@on_sqlite
def test_disturbed_triggerer_loses_nothing_and_doubles_nothing_in_the_store(live: Live) -> None:
    """All is in the store (doorbell) or in an event (ack mode), and every deferred sensor gets its answer."""
    hold_out(live, ["SIGKILL", "SIGTERM", "SIGSTOP", "pause"])


@on_postgres
def test_triggerers_disturbed_one_at_a_time_lose_nothing_and_double_nothing(live: Live) -> None:
    """The same where the other one takes over meanwhile."""
    hold_out(live, ["SIGKILL", "SIGTERM", "SIGSTOP"] * 2)


def hold_out(live: Live, kinds: list[str]) -> None:
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    chance.shuffle(kinds)
    with live.waiters.working(live.airflow):
        tally = disturb(live.airflow, live.waiters, kinds, chance)
    assert tally.is_clean(), f"seed {seed}, {kinds}: {tally}"
