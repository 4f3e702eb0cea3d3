"""The example Dag that sets aside what fails, and takes it up again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from airflow_green_notify.consume import working
from airflow_green_notify.drain import drain
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import SqlStore
from tests.models.conftest import ANNA, BORIS, message


def test_order_without_a_price_is_booked_once_there_is_one_and_it_is_replayed(
    green_api_connection: GreenApiEmulator,
    run_example: Callable[..., Any],
    warehouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The order behind it doesn't wait; only ``replay`` takes it up, and nothing is booked twice."""
    monkeypatch.setattr(working, "pause_after", lambda attempts: 0.01)
    green_api_connection.push(
        message("A", 0, "Order tea"), message("B", 1, "order coffee", chat=BORIS), message("C", 2, "Hello")
    )
    with SqlStore("green_api_warehouse").open("stream/run/drain/-1") as store:
        drain(GreenApiHook(), store, receive_timeout=0.2)

    def booked(prices: dict[str, int], **params: Any) -> list[tuple[str, str, int]]:
        monkeypatch.setenv("AIRFLOW_VAR_GREEN_API_PRICES", json.dumps(prices))
        assert str(run_example("dead_letter_replay", **params).state) == "success"
        with sqlite3.connect(warehouse) as database:
            return database.execute("SELECT chat_id, product, price FROM orders ORDER BY rowid").fetchall()

    coffee, tea = (BORIS, "coffee", 3), (ANNA, "tea", 2)
    assert booked({"coffee": 3}) == [coffee]
    assert booked({"coffee": 3, "tea": 2}) == [coffee]
    assert booked({"coffee": 3, "tea": 2}, replay=True) == [coffee, tea]
    assert booked({"coffee": 3, "tea": 2}, replay=True) == [coffee, tea]
