"""The demo to look around in, as a program of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests


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
        return self.wait()

    def wait(self) -> int:
        """Let it end, and return the exit code."""
        said, _ = self._process.communicate(timeout=60)
        self.said += said.splitlines()
        return self._process.returncode

    @property
    def url(self) -> str:
        """Where Airflow is."""
        [url] = {line for line in self.said if re.fullmatch(r"http://127\.0\.0\.1:\d+", line)}
        return url

    @property
    def gateway(self) -> str:
        """Where the emulated gateway is."""
        found = re.search(r"gateway is (\S+)$", "\n".join(self.said), re.MULTILINE)
        assert found
        return found[1]

    @property
    def home(self) -> Path:
        """Where its files are."""
        found = re.search(r"Starting Airflow in (\S+);", "\n".join(self.said))
        assert found
        return Path(found[1])

    @property
    def warehouse(self) -> str:
        """The connection to its warehouse, as Airflow reads it from an environment."""
        return json.dumps({"conn_type": "sqlite", "host": str(self.home / "warehouse.db")})

    def get(self, path: str) -> Any:
        """Ask Airflow's REST API."""
        return self.ask("GET", path).json()

    def ask(self, verb: str, path: str) -> requests.Response:
        """Ask Airflow's REST API for something to be done."""
        token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(verb, f"{self.url}/api/v2/{path}", headers=headers, timeout=30)
        answer.raise_for_status()
        return answer


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """Start a demo, and end it as Ctrl-C does if nobody did."""
    demo = Demo(folder)
    try:
        yield demo
    finally:
        if demo._process.poll() is None:
            demo.end(signal.SIGINT)
