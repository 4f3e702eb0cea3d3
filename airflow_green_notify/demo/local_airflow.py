"""A whole Airflow on this machine: SQLite, tasks in processes, anybody an administrator, loopback only.

Nobody logs in: ``[core] simple_auth_manager_all_admins`` is on, so a browser that opens the UI is let in, and
a program gets a token for ``Authorization: Bearer …`` by ``GET /auth/token`` (``access_token`` in its JSON).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from airflow_green_notify.demo.processes import Processes

HOST = "127.0.0.1"
PATIENCE = 300.0  # seconds; a slow machine boots for a minute
PARTS = {
    "api-server": ("--host", HOST, "--workers", "1"),
    "scheduler": ("--skip-serve-logs",),  # they would be served on all interfaces, and are read from files
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}


class ToldToStop(Exception):
    """Whoever started this wants it to end."""


class LocalAirflow:
    """Airflow's parts in processes of their own, which end with the ``with`` block.

    :param home: ``AIRFLOW_HOME``, empty.
    :param dags: The folder of Dag files. They are paused until :meth:`call` un-pauses them.
    :param port: That of the UI; 0 takes a free one.
    :param settings: More variables, such as ``AIRFLOW__CORE__TEST_CONNECTION``.
    :param stop: Ends each wait by :class:`ToldToStop`.
    :raises OSError: The port is taken.
    """

    def __init__(
        self, home: Path, dags: Path, port: int, settings: Mapping[str, str], stop: threading.Event
    ) -> None:
        self.port = _free_port(port)
        self.url = f"http://{HOST}:{self.port}"
        self._stop = stop
        self._token = ""
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy either
        self._running: list[str] = []
        self._processes = Processes(_environment(home, dags, self.url) | dict(settings), home)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.kill()

    def boot(self) -> None:
        """Migrate the database, start all parts, and return once they are healthy.

        :raises EndedByItself: One of them failed.
        """
        self._processes.start("migration", "airflow", "db", "migrate")
        self.until(lambda: self._processes.has_ended("migration"), "migrated database")
        for part, arguments in PARTS.items():
            port = ("--port", str(self.port)) if part == "api-server" else ()
            self._processes.start(part, "airflow", part, *arguments, *port)
            self._running.append(part)
        self.until(self._is_healthy, "healthy Airflow")
        self._token = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]

    def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        """Wait for a condition and return what it gave.

        :raises ToldToStop: The wait was ended from outside.
        :raises EndedByItself: A part of Airflow is gone.
        :raises TimeoutError: It took too long.
        """
        end = time.monotonic() + seconds
        while not (value := condition()):
            self._processes.check(*self._running)
            if self._stop.wait(0.3):
                raise ToldToStop
            if time.monotonic() > end:
                raise TimeoutError(f"There was no {what} within {seconds:.0f} s.")
        return value

    def call(self, verb: str, path: str, **body: Any) -> Any:
        """Call Airflow's REST API, again where SQLite was locked too long: what is done twice is the same."""
        return self.until(lambda: self._answer(verb, path, body), f"answer to {verb} {path}")

    def _answer(self, verb: str, path: str, body: dict[str, Any]) -> Any:
        """Return the answer, true whatever it is; ``None`` if there is none yet."""
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.url}/api/v2/{path}"
        try:
            response = self._session.request(verb, url, json=body or None, headers=headers, timeout=30)
        except requests.RequestException:
            return None
        if response.status_code >= requests.codes.server_error:
            return None
        if response.status_code == requests.codes.conflict:  # it was done before an answer that failed
            return {"done": True}
        response.raise_for_status()
        return response.json()

    def _is_healthy(self) -> bool:
        try:
            health = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)


def _free_port(wanted: int) -> int:
    try:
        listening = socket.create_server((HOST, wanted))
    except (OSError, OverflowError) as error:
        raise OSError(f"On {HOST}, port {wanted} is taken, or none that can be had ({error}).") from error
    with listening:
        port: int = listening.getsockname()[1]
        return port


def _environment(home: Path, dags: Path, url: str) -> dict[str, str]:
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # or deferred tasks that go on soon fail on 3.3
        "NO_PROXY": HOST,  # a proxy of the company's would be asked for what is on this machine
        "no_proxy": HOST,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | settings
