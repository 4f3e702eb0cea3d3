"""The example Dag that reads the models, run with real Airflow in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from tests.example_dags.conftest import states
from tests.models.conftest import BORIS, INSTANCE, by_bot, message, status


@pytest.mark.usefixtures("warehouse")
def test_report_tells_of_a_day_and_of_what_came_late(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any]
) -> None:
    """A second run has other numbers for the same day, since a message was read meanwhile."""
    green_api_connection.push(
        message("A", 0), by_bot("B", 1), message("C", 2, chat=BORIS), message("D", 3, chat=BORIS)
    )

    def report() -> Any:
        run = run_example("report_of_the_day", day="2026-11-30")
        assert set(states(run).values()) == {"success"}
        return run.get_task_instance("report").xcom_pull(task_ids="report")

    assert report() == {"numbers": [[INSTANCE, 3, 1, 0, 0]], "waiting": [[BORIS, 2]]}
    green_api_connection.push(status("B", 2000, "read"))
    assert report()["numbers"] == [[INSTANCE, 3, 1, 1, 0]]
