"""The example Dag that reads the models, run with real Airflow in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from tests.example_dags.conftest import states
from tests.models.conftest import ANNA, BORIS, by_bot, message

HOSTILE = "<script>alert(1)</script>@c.us"


@pytest.fixture
def report(
    run_example: Callable[..., Any], warehouse: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Run the Dag for a day, and return what its report draws."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def run(day: str = "2026-11-30") -> str:
        ended = run_example("warehouse_models", day=day)
        assert set(states(ended).values()) == {"success"}
        return Path(ended.get_task_instance("report").xcom_pull(task_ids="report")).read_text()

    return run


def test_report_draws_each_chat_by_hour_and_what_came_late(
    green_api_connection: GreenApiEmulator, report: Callable[..., Any]
) -> None:
    """A second run has other numbers for the same day, since a message of it came meanwhile."""
    green_api_connection.push(
        message("A", 0), by_bot("B", 1), message("C", 2, chat=BORIS), message("D", 70, chat=BORIS)
    )
    assert drawn(report()) == {ANNA: {10: "2"}, BORIS: {10: "1", 11: "1"}}
    green_api_connection.push(message("E", 71, chat=BORIS))
    assert drawn(report()) == {ANNA: {10: "2"}, BORIS: {10: "1", 11: "2"}}


def test_report_of_a_day_without_messages_is_empty_and_no_chat_runs_as_html(
    green_api_connection: GreenApiEmulator, report: Callable[..., Any]
) -> None:
    """Who names a chat names no tag."""
    green_api_connection.push(message("A", 0, chat=HOSTILE))
    assert "<script>" not in report()
    assert "<td" not in report("2026-11-29")


def drawn(page: str) -> dict[str, dict[int, str]]:
    """The cells of each chat."""
    rows = {row.split("<td")[0].strip(): row for row in page.split("<th>") if "<td" in row}
    return {chat: cells(row) for chat, row in rows.items()}


def cells(row: str) -> dict[int, str]:
    """What stands in the hours of a row that aren't empty."""
    numbers = [cell.split(">")[1].split("<")[0].strip() for cell in row.split("<td")[1:]]
    assert len(numbers) == 24
    return {hour: number for hour, number in enumerate(numbers) if number}
