"""What the tests that kill have in common: a process that forks, and each kind of store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.processes import Zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(params=["sqlite", "postgres", "files", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A store's description, and the environment its drain needs."""
    name = f"t{time.time_ns()}"
    if request.param == "sqlite":
        connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
        return sql(connection, name)
    if request.param == "postgres":
        return sql(request.getfixturevalue("postgres_connection"), name)
    if request.param == "files":
        return {"kind": "object_storage", "arguments": {"path": str(tmp_path / "files")}, "environment": {}}
    connection = request.getfixturevalue("s3_connection")
    arguments = {"path": f"s3://store@green-api/{name}"}
    return {
        "kind": "object_storage",
        "arguments": arguments,
        "environment": {"AIRFLOW_CONN_STORE": connection},
    }


def sql(connection: str, table: str) -> dict[str, Any]:
    return {
        "kind": "sql",
        "arguments": {"conn_id": "store", "table": table},
        "environment": {"AIRFLOW_CONN_STORE": connection},
    }
