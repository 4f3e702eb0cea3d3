"""Every store there is, on everything it is tested on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore
from tests.servers import BUCKET

SQL = ("sqlite", "postgres", "mariadb")
S3 = tuple(pytest.param(kind, marks=pytest.mark.slow) for kind in ("s3", "s3-parquet"))
FILES = ("files", "files-parquet", *S3)


@pytest.fixture
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], NotificationStore]:
    """Make an empty store of a kind."""

    def make(kind: str) -> NotificationStore:
        name = f"t{uuid.uuid4().hex}"
        if kind in SQL:
            monkeypatch.setenv("AIRFLOW_CONN_STORE", _sql_connection(kind, request, tmp_path))
            return SqlStore("store", table=name)
        place, _, form = kind.partition("-")
        if place == "files":
            return ObjectStorageStore(tmp_path / name, format=form or "ndjson")
        # Airflow keeps a file system for each connection id, so all tests share one.
        monkeypatch.setenv("AIRFLOW_CONN_STORE_S3", request.getfixturevalue("s3_connection"))
        return ObjectStorageStore(f"s3://{BUCKET}/{name}", conn_id="store_s3", format=form or "ndjson")

    return make


def _sql_connection(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "sqlite":
        return json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    return request.getfixturevalue(f"{kind}_connection")


@pytest.fixture(params=SQL + FILES)
def store(
    request: pytest.FixtureRequest, make_store: Callable[[str], NotificationStore]
) -> NotificationStore:
    """Each store in turn, empty."""
    return make_store(request.param)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    """The kind of the store of this test."""
    return str(request.node.callspec.params["store"])


@pytest.fixture(params=("sqlite", "files"))
def quick_store(
    request: pytest.FixtureRequest, make_store: Callable[[str], NotificationStore]
) -> NotificationStore:
    """A store of each kind that needs no server."""
    return make_store(request.param)


@pytest.fixture(params=SQL)
def sql_store(
    request: pytest.FixtureRequest, make_store: Callable[[str], NotificationStore]
) -> NotificationStore:
    """A SQL store on each database in turn."""
    return make_store(request.param)


@pytest.fixture(params=FILES)
def file_store(
    request: pytest.FixtureRequest, make_store: Callable[[str], NotificationStore]
) -> NotificationStore:
    """A store of files of each kind in turn."""
    return make_store(request.param)


def some(count: int, start: int = 0) -> list[Notification]:
    """Notifications that differ, in queue order."""
    return [Notification(number, body(number)) for number in range(start, start + count)]


def body(number: int, **fields: Any) -> dict[str, Any]:
    return {"typeWebhook": "incomingMessageReceived", "timestamp": 1_700_000_000 + number} | fields
