"""One Airflow and one gateway for all tests of a database; each test lets run the Dags it needs.

On SQLite it is what a new user has: one triggerer. On PostgreSQL there are two, as where it must not fail.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from tests.live.database import Database, in_files, on_server
from tests.live.kill_triggerer import DAGS, TRIGGERERS, Waiters
from tests.live.live_airflow import LiveAirflow

WAITS = 6
EXAMPLES = Path(__file__).parents[2] / "example_dags"
COPIED = (
    "wait_for_reply",
    "on_new_notifications",
    "one_run_per_message",
    "fleet_to_warehouse",
    "stream_to_warehouse",
    "approvals_beside_etl",
    "support_desk",
)
WATCHERS = [f"watcher_{number}" for number in range(4)]

on_sqlite = pytest.mark.parametrize("live", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("live", ["postgres"], indirect=True)
on_each = pytest.mark.parametrize("live", list(TRIGGERERS), indirect=True)


@dataclass
class Live:
    """What runs: Airflow, the gateway behind it, and where Dags put things."""

    airflow: LiveAirflow
    gateway: GreenApiEmulator
    waiters: Waiters
    shared: GatewayInstance
    fleet: list[GatewayInstance]
    warehouse: Database


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests on one database come one after the other, so that each Airflow is started once."""

    def order(item: pytest.Item) -> tuple[Any, ...]:
        database = item.callspec.params.get("live") if hasattr(item, "callspec") else None
        return (list(TRIGGERERS).index(database), *item.location[:2]) if database else (-1,)

    items.sort(key=order)


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    pytest.importorskip("airflow.triggers.shared_stream", reason="the Dags here need Airflow 3.3")
    home = tmp_path_factory.mktemp("airflow")
    dags = shutil.copytree(DAGS, home / "dags")
    for name in COPIED:
        shutil.copy(EXAMPLES / f"{name}.py", dags)
    for name in WATCHERS:
        shutil.copy(Path(__file__).with_name("watcher.py"), dags / f"{name}.py")
    is_on_server = request.param == "postgres"
    database = on_server(request.getfixturevalue("postgres_connection")) if is_on_server else in_files(home)
    with GreenApiEmulator() as gateway:
        waiters = Waiters(gateway, database("store"), WAITS)
        shared, warehouse = gateway.add_instance(), database("warehouse")
        fleet = [gateway.add_instance() for _ in range(2)]
        connections = waiters.connections | {
            "green_api_sales": fleet[0].connection,
            "green_api_support": fleet[1].connection,
            "green_api_default": gateway.connection,
            "green_api_shared": shared.connection,
            "green_api_warehouse": warehouse.connection,
        }
        triggerers = TRIGGERERS[request.param]
        with LiveAirflow(home, dags, connections, database("airflow"), triggerers) as airflow:
            yield Live(airflow, gateway, waiters, shared, fleet, warehouse)
