"""The demo to look around in, as a new user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_green_notify.demo import examples
from tests.demo.processes_left import left

pytestmark = pytest.mark.live


class Demo:
    """A demo that runs, and what it has said so far."""

    def __init__(self, folder: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "airflow_green_notify.demo", "--ui"],
            env={**inherited, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []

    def read_until(self, words: str) -> None:
        """Read until it says this."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.strip())
            if words in line:
                return
        raise AssertionError("\n".join(self.said))

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        self._process.send_signal(number)
        said, _ = self._process.communicate(timeout=60)
        self.said += said.splitlines()
        return self._process.returncode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    started = Demo(folder)
    try:
        yield started
    finally:
        started.end(signal.SIGKILL)


def get(demo: Demo, path: str) -> Any:
    [url] = {line for line in demo.said if line.startswith("http://127.0.0.1:") and line.count("/") == 2}
    token = requests.get(f"{url}/auth/token", timeout=30).json()["access_token"]
    answer = requests.get(f"{url}/api/v2/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    answer.raise_for_status()
    return answer.json()


def test_demo_shows_dags_that_run_and_real_connections_and_leaves_no_process(
    demo: Demo, folder: Path
) -> None:
    """One after the other: the first successful run, what is there to be seen, and the end."""
    demo.read_until("The first Dag run succeeded")
    connections = {each["connection_id"]: each for each in get(demo, "connections")["connections"]}
    assert set(connections) >= {
        "green_api_default",
        "green_api_sales",
        "green_api_support",
        "green_api_warehouse",
    }
    assert connections["green_api_sales"]["conn_type"] == "greenapi"
    dags = {each["dag_id"]: each["is_paused"] for each in get(demo, "dags?limit=1000")["dags"]}
    assert {name for name, is_paused in dags.items() if not is_paused} == set(examples.RUNNING)
    assert get(demo, "importErrors")["import_errors"] == []
    assert demo.end(signal.SIGINT) == 0
    [home] = folder.glob("green-api-demo-*")
    assert str(home) in demo.said[-1]
    assert left("AIRFLOW_HOME", str(home)) == []
