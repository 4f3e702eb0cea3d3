"""The example Dag that answers what it knows; tests/live has what it hands over to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_green_notify.drain import drain
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import SqlStore
from tests.example_dags.conftest import states
from tests.models.conftest import message


def store_all() -> None:
    with SqlStore("green_api_warehouse").open("stream/run/drain/-1") as store:
        drain(GreenApiHook(), store, receive_timeout=0.2)


@pytest.mark.usefixtures("warehouse")
def test_support_desk_answers_what_it_knows_of_its_own_instance_and_once(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before the desk, what asks nothing, and what another instance got, isn't answered."""
    own = green_api_connection.id_instance
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_SUPPORT", green_api_connection.connection)
    green_api_connection.push(message("A", 0, "Do you open on Mondays?", instance=own))
    store_all()
    assert states(run_example("support_desk"))["answer"] == "skipped"
    green_api_connection.push(
        message("B", 1, "When do you open?", instance=own),
        message("C", 2, "The box is open.", instance=own),
        message("D", 3, "When do they open?"),
    )
    store_all()
    assert str(run_example("support_desk").state) == "success"
    [sent] = green_api_connection.sent()
    assert sent["message"] == "We are here from 9 to 18."
    assert states(run_example("support_desk"))["answer"] == "skipped"
    assert len(green_api_connection.sent()) == 1
