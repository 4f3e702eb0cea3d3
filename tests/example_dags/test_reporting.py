"""The example Dag that reads the models, run with real Airflow in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from tests.example_dags.conftest import states
from tests.models.conftest import ANNA, BORIS, by_bot, message, status

HOSTILE = "<script>alert(1)</script>@c.us"


@pytest.fixture
def report(
    run_example: Callable[..., Any], warehouse: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Run the Dag for a day, and return what its report tells and draws."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def run(day: str = "2026-11-30") -> tuple[dict[str, int], str]:
        ended = run_example("warehouse_models", day=day)
        assert set(states(ended).values()) == {"success"}
        told = ended.get_task_instance("report").xcom_pull(task_ids="report")
        return told, Path(told.pop("path")).read_text()

    return run


def test_report_draws_each_chat_by_hour_and_counts_what_came_late(
    green_api_connection: GreenApiEmulator, report: Callable[..., Any]
) -> None:
    """A second run has other numbers for the same day, since a message was read meanwhile."""
    green_api_connection.push(
        message("A", 0), by_bot("B", 1), message("C", 2, chat=BORIS), message("D", 70, chat=BORIS)
    )
    numbers, page = report()
    assert numbers == {"incoming": 3, "outgoing": 1, "read_count": 0, "failed_count": 0}
    drawn = {row.split("<td")[0]: row for row in page.split("<th>")}
    assert cells(drawn[ANNA]) == {10: "2"}
    assert cells(drawn[BORIS]) == {10: "1", 11: "1"}
    green_api_connection.push(status("B", 2000, "read"))
    assert report()[0]["read_count"] == 1


def test_report_of_a_day_without_messages_is_empty_and_no_chat_runs_as_html(
    green_api_connection: GreenApiEmulator, report: Callable[..., Any]
) -> None:
    """Who names a chat names no tag."""
    green_api_connection.push(message("A", 0, chat=HOSTILE))
    assert "<script>" not in report()[1]
    numbers, page = report("2026-11-29")
    assert numbers == {}
    assert "<td" not in page


def cells(row: str) -> dict[int, str]:
    """What stands in the hours of a row that aren't empty."""
    numbers = [cell.split(">")[1].split("<")[0].strip() for cell in row.split("<td")[1:]]
    assert len(numbers) == 24
    return {hour: number for hour, number in enumerate(numbers) if number}
