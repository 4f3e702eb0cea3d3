"""One Airflow and one gateway for all tests of this folder; each test lets run the Dags it needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from tests.live.kill_triggerer import DAGS, Waiters
from tests.live.live_airflow import LiveAirflow

WAITS = 8
EXAMPLES = Path(__file__).parents[2] / "example_dags"


@dataclass
class Live:
    """What runs: Airflow, the gateway behind it, and where Dags put things."""

    airflow: LiveAirflow
    gateway: GreenApiEmulator
    waiters: Waiters
    warehouse: Path


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    pytest.importorskip("airflow.triggers.shared_stream", reason="the Dags here need Airflow 3.3")
    home = tmp_path_factory.mktemp("airflow")
    dags = shutil.copytree(DAGS, home / "dags")
    for name in ("wait_for_reply", "on_new_notifications", "one_run_per_message"):
        shutil.copy(EXAMPLES / f"{name}.py", dags)
    warehouse = home / "warehouse.db"
    with GreenApiEmulator() as gateway:
        waiters = Waiters(gateway, home, WAITS)
        connections = waiters.connections | {
            "green_api_default": gateway.connection,
            "green_api_warehouse": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
        }
        with LiveAirflow(home, dags, connections) as airflow:
            yield Live(airflow, gateway, waiters, warehouse)
