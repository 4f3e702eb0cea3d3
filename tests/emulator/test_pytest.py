"""The fixtures that users import."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import requests


def test_emulator_fixture_is_a_running_gateway(green_api_emulator: Any) -> None:
    """The gateway of the fixture answers, and sets no connection by itself."""
    assert requests.get(f"{green_api_emulator.url}/_emulator/queue", timeout=20).json() == []


def test_connection_fixture_sets_the_default_connection(
    green_api_connection: Any, green_api_emulator: Any
) -> None:
    """Both fixtures are one gateway, and Airflow's variable leads to it."""
    assert green_api_connection is green_api_emulator
    assert os.environ["AIRFLOW_CONN_GREEN_API_DEFAULT"] == green_api_emulator.connection


class TestSwitches:
    """A test that wants another gateway."""

    @pytest.fixture
    def green_api_switches(self) -> dict[str, Any]:
        """Another idle form."""
        return {"idle": "empty", "type_instance": "telegram"}

    def test_switches_fixture_is_overridden_where_it_is_needed(self, green_api_emulator: Any) -> None:
        """What the overriding fixture returns is what the gateway is made with."""
        assert green_api_emulator.switch()["idle"] == "empty"
        assert green_api_emulator.settings()["typeInstance"] == "telegram"


def test_fixture_is_fresh_for_each_test(green_api_connection: Any) -> None:
    """Nothing of another test's requests is left, and the environment is this gateway's."""
    assert green_api_connection.requests() == []
    connection = json.loads(os.environ["AIRFLOW_CONN_GREEN_API_DEFAULT"])
    assert connection["password"] == green_api_connection.api_token
