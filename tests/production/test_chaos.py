"""The short form of the chaos run; ``python -m tests.production.chaos`` is the long one."""

from __future__ import annotations

import os

import pytest

from tests.production.chaos import Options, run

pytestmark = pytest.mark.production

SHORT = Options(
    seed=int(os.environ.get("GREEN_API_SEED", "1")),
    seconds=120.0,
    disturbances=25,
    notifications=1200,
    approvals=8,
    settle=240.0,  # where the machine has other work, too
    follow=240.0,
)


def test_whatever_dies_each_notification_is_stored_once_and_handed_on() -> None:
    """Everything is stored once, nothing is stranded, and each consumer gets all of it."""
    outcome, report = run(SHORT)
    print(report)
    assert outcome.is_clean(), report
