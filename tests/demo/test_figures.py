"""What the demo on a terminal counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.demo.figures import report
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from tests.example_dags.conftest import run_example, warehouse

# fixtures, by their names
__all__ = ["run_example", "warehouse"]


def figures(said: list[str]) -> dict[str, int]:
    """The numbers that were said, by the words beside them."""
    counted = [re.fullmatch(r"\s+(\d+)   (\w[\w ]*).*", line) for line in said]
    return {found[2]: int(found[1]) for found in counted if found}


@pytest.mark.slow
def test_figures_add_up_and_nothing_is_lost(
    green_api_connection: GreenApiEmulator,
    run_example: Callable[..., Any],
    warehouse: str,
) -> None:
    """What came twice counts once; what is no message is told by what it is."""
    examples = example_notifications()
    green_api_connection.push(examples[0])
    run_example("receive_load_delete")
    green_api_connection.push(*examples)
    run_example("etl_to_sqlite")
    said: list[str] = []
    assert report(green_api_connection, Path(warehouse), said.append) == 0
    assert figures(said) == {
        "messages": 43,
        "edits": 8,
        "delivery statuses": 10,
        "steps of calls": 7,
        "news of the account": 12,
    }
    assert any(re.match(r"  pushed +81   80 different; 1 came twice", line) for line in said)


def test_what_is_neither_stored_nor_in_the_queue_is_lost(
    green_api_connection: GreenApiEmulator,
    run_example: Callable[..., Any],
    warehouse: str,
) -> None:
    """The audit of the gateway says so, whatever the Dags say."""
    green_api_connection.push(*example_notifications()[:2])
    run_example("receive_load_delete")
    run_example("etl_to_sqlite")
    green_api_connection.push(example_notifications()[6])
    green_api_connection.advance(25 * 3600)
    said: list[str] = []
    assert report(green_api_connection, Path(warehouse), said.append) == 1
