"""Airflow's own API server as an app, users of it, and connections that it lists."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.page import app
from airflow_green_notify.stores import NotificationStore, SqlStore
from airflow_green_notify.stores.drain_record import DrainRecord

PAGE = "/green-api/"
STORES = "AIRFLOW__GREEN_API__STORES"
TEST_CONNECTION = "AIRFLOW__CORE__TEST_CONNECTION"


@pytest.fixture(scope="session")
def airflow_app(airflow_db: None) -> Any:
    """All of Airflow's API server, with the plugins that it finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
        from airflow.api_fastapi.app import create_app

        yield create_app()


@pytest.fixture(autouse=True)
def _api_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let connections be found as an API server finds them, and forget what was gathered for other tests."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
    app.gathering.cache_clear()
    yield
    app.gathering.cache_clear()


@pytest.fixture
def client_of(airflow_app: Any) -> Callable[..., Any]:
    """Make a client of the API server for a user with a role, or for nobody."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the one of Airflow 3.2 wants a library that Airflow 3.2 doesn't pin
        from fastapi.testclient import TestClient

    def make(role: str | None = None, by_cookie: bool = False) -> Any:
        client = TestClient(airflow_app, follow_redirects=False)
        if role:
            user = SimpleAuthManagerUser(username=role.lower(), role=role)
            token = airflow_app.state.auth_manager.generate_jwt(user)
            if by_cookie:
                client.cookies.set("_token", token)
            else:
                client.headers["Authorization"] = f"Bearer {token}"
        return client

    return make


@pytest.fixture
def admin(client_of: Callable[..., Any]) -> Any:
    return client_of("ADMIN")


@pytest.fixture
def list_connection(airflow_db: None) -> Iterator[Callable[[str], None]]:
    """Let Airflow list a connection of our type under any name."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    names: list[str] = []

    def add(conn_id: str) -> None:
        names.append(conn_id)
        with create_session() as session:
            row = {"conn_id": conn_id, "conn_type": "greenapi", "is_encrypted": False}
            session.execute(insert(Connection).values(**row, is_extra_encrypted=False))

    yield add
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id.in_(names)))


@pytest.fixture
def connect(list_connection: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Airflow list a connection, and find that it leads to an emulated gateway."""

    def add(conn_id: str, gateway: GreenApiEmulator, **changes: Any) -> None:
        list_connection(conn_id)
        fields = json.loads(gateway.connection) | changes
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return add


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """A table that the configuration names."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"})
    )
    monkeypatch.setenv(STORES, "warehouse")
    return SqlStore("warehouse")


def record(minutes: float = 1.0, **values: Any) -> DrainRecord:
    """A drain that ended so many minutes ago and took 3 s."""
    ended = datetime.now(UTC) - timedelta(minutes=minutes)
    fields: dict[str, Any] = {
        "batch_id": "etl/run/drain/-1",
        "conn_id": "green_api_sales",
        "instance_id": "1101000001",
        "began_at": ended - timedelta(seconds=3),
        "ended_at": ended,
        "received": 7,
        "stored": 5,
        "duplicates": 2,
        "deleted": 7,
        "dead_letters": 0,
        "doubtful_deletes": 0,
        "other_consumers": 0,
        "oldest_age": 42.0,
        "stopped_by": "empty",
        "error": "",
    }
    return DrainRecord(**fields | values)


def note(store: NotificationStore, *records: DrainRecord) -> None:
    """Let drains into a store have ended."""
    opened = store.open("etl/run/drain/-1")
    opened.note_drains(records)  # type: ignore[attr-defined]
    opened.close()


def complete_page(client: Any, seconds: float = 60.0) -> str:
    """Ask for the page until nothing of it is under way."""
    end = time.monotonic() + seconds
    while True:
        answer = client.get(PAGE)
        assert answer.status_code == 200, answer.text
        if 'data-complete="yes"' in answer.text:
            return str(answer.text)
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)


def words_of(html: str) -> str:
    """Return what somebody reads on a page, on one line."""
    from html import unescape

    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))
