"""Triggerers that die, hang and lose their watchers, under notifications that keep coming."""

from __future__ import annotations

import random

import pytest

from tests.live.conftest import WAITS, Live
from tests.live.kill_triggerer import disturb

pytestmark = [pytest.mark.live, pytest.mark.crash]

KINDS = ["SIGKILL", "SIGTERM"] * 3 + ["SIGSTOP", "pause"]


def test_disturbed_triggerer_loses_nothing_and_doubles_nothing_in_the_store(live: Live) -> None:
    """All is in the store (doorbell) or in an event (ack mode), and every deferred sensor gets its answer."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    kinds = chance.sample(KINDS, WAITS)
    with live.waiters.working(live.airflow):
        tally = disturb(live.airflow, live.waiters, kinds, chance)
    assert tally.is_clean(), f"seed {seed}, {kinds}: {tally}"
