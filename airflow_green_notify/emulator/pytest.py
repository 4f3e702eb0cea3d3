"""Fixtures for tests of Dags: ``pytest_plugins = ["airflow_green_notify.emulator.pytest"]``."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator

CONNECTION_VARIABLE = "AIRFLOW_CONN_GREEN_API_DEFAULT"
SESSION_TOKEN = secrets.token_hex(25)
"""The token of every emulator of this session: Airflow's secrets masker gets slower with each it learns."""


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    """What the emulator of this test is made with; override it to set switches."""
    return {}


@pytest.fixture
def green_api_emulator(green_api_switches: dict[str, Any]) -> Iterator[GreenApiEmulator]:
    """A fresh emulated gateway."""
    with GreenApiEmulator(**{"api_token": SESSION_TOKEN, **green_api_switches}) as gateway:
        yield gateway


@pytest.fixture
def green_api_connection(
    green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> GreenApiEmulator:
    """The same gateway, with the connection ``green_api_default`` leading to it."""
    monkeypatch.setenv(CONNECTION_VARIABLE, green_api_emulator.connection)
    return green_api_emulator
