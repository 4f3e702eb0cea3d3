"""A whole Airflow in processes of its own: api-server, scheduler, dag-processor and any number of triggerers.

It lies in one folder and one database, and listens on loopback. What happened is read from that database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests
from cryptography.fernet import Fernet

import airflow_green_notify
from tests.live.database import Database
from tests.servers import free_port

HEALTH_CHECK = 4  # seconds after which a silent triggerer counts as dead
BOOT_SECONDS = 180.0
END_SECONDS = 15.0


class LiveAirflow:
    """Starts Airflow's parts one by one, and ends what it started.

    :param home: ``AIRFLOW_HOME``.
    :param dags: The folder of Dag files; Dags are paused until a test needs them.
    :param connections: From connection ids to their JSON.
    :param database: The metadata database, empty.
    :param triggerers: How many there are.
    """

    def __init__(
        self, home: Path, dags: Path, connections: dict[str, str], database: Database, triggerers: int = 1
    ) -> None:
        self.home = home
        self.database = database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.fernet_key = Fernet.generate_key().decode()
        self.environment = _environment(home) | {
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": self.fernet_key,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()},
        }
        self._first_triggerers = [f"triggerer-{number}" for number in range(1, triggerers + 1)]

    def __enter__(self) -> LiveAirflow:
        try:
            self._airflow("db", "migrate")
            self.start("api-server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
            self.start("dag-processor")
            self.start_scheduler()
            self.start_triggerers(*self._first_triggerers)
            until(self._is_healthy, BOOT_SECONDS, "a healthy Airflow")
            self._token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # --- processes ---

    def start(self, part: str, *arguments: str, name: str = "") -> None:
        """Start a part of Airflow in a session of its own; its output goes into a log file of that name."""
        name = name or part
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [_airflow_command(), part, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        """Start a scheduler, whose tasks run in processes of its own."""
        self.start("scheduler", "--skip-serve-logs")

    def start_triggerers(self, *names: str) -> None:
        """Start triggerers, and return once they run."""
        jobs = "SELECT count(*) FROM job WHERE job_type = 'TriggererJob'"
        before = self.query(jobs)[0][0]
        for name in names:
            self.start("triggerer", "--skip-serve-logs", name=name)
        wanted = before + len(names)
        until(lambda: self.query(jobs)[0][0] >= wanted, BOOT_SECONDS, f"running {' and '.join(names)}")

    @property
    def triggerers(self) -> list[str]:
        """The names of the triggerers that run."""
        return [name for name in self.processes if name.startswith("triggerer")]

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a part and to whatever it started, at once."""
        for pid in _members(self.processes[name].pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, name: str) -> None:
        """Kill a part as a machine that dies does: all its processes, without a word."""
        for _ in range(2):  # the second time what was forked during the first
            self.send_signal(name, signal.SIGKILL)
        self.processes.pop(name).wait()

    def terminate(self, name: str) -> None:
        """End a part as a rolling deploy does: SIGTERM to its main process, wait, and kill what is left."""
        self.processes[name].terminate()
        with suppress(subprocess.TimeoutExpired):
            self.processes[name].wait(END_SECONDS)
        self.kill(name)

    def stop(self) -> None:
        """End everything that was started, at once: a scheduler would wait for its tasks."""
        for name in list(self.processes):
            self.kill(name)

    def _airflow(self, *arguments: str) -> None:
        with (self.home / "commands.log").open("ab") as log:
            subprocess.run(
                [_airflow_command(), *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=BOOT_SECONDS,
            )

    def _is_healthy(self) -> bool:
        self._check_parts()
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def _check_parts(self) -> None:
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                log = (self.home / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} ended by itself:\n{log[-4000:]}")

    # --- Dags ---

    def api(self, verb: str, path: str, **body: Any) -> None:
        """Call Airflow's REST API, again where SQLite was locked too long: what is done twice is the same."""
        until(lambda: self._has_answered(verb, path, body), 120, f"answer to {verb} {path}")

    def _has_answered(self, verb: str, path: str, body: dict[str, Any]) -> bool:
        self._check_parts()
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            response = requests.request(
                verb, f"{self.url}/api/v2/{path}", json=body, headers=headers, timeout=30
            )
        except requests.RequestException:
            return False
        if response.status_code >= 500:
            return False
        if response.status_code != requests.codes.conflict:  # it was done before a failing answer
            response.raise_for_status()
        return True

    def pause(self, dag_id: str, is_paused: bool = True) -> None:
        """Pause a Dag, or let it run."""
        self.api("PATCH", f"dags/{dag_id}", is_paused=is_paused)

    @contextmanager
    def running(self, *dag_ids: str) -> Iterator[None]:
        """Let Dags run meanwhile."""
        for dag_id in dag_ids:
            until(lambda dag_id=dag_id: self._knows(dag_id), BOOT_SECONDS, dag_id)  # type: ignore[misc]
            self.pause(dag_id, False)
        try:
            yield
        finally:
            for dag_id in dag_ids:
                self.pause(dag_id)

    def _knows(self, dag_id: str) -> bool:
        errors = self.query("SELECT filename, stacktrace FROM import_error")
        if errors:
            raise RuntimeError(f"Dag files can't be imported: {errors}")
        return bool(self.query("SELECT 1 FROM serialized_dag WHERE dag_id = :dag_id", dag_id=dag_id))

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run and return its id."""
        run_id = f"live__{uuid.uuid4()}"
        self.api("POST", f"dags/{dag_id}/dagRuns", logical_date=None, conf=conf, dag_run_id=run_id)
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        sql = "SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id"
        return str(self.query(sql, dag_id=dag_id, run_id=run_id)[0][0])

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str:
        where = "dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id"
        sql = f"SELECT state FROM task_instance WHERE {where}"
        return str(self.query(sql, dag_id=dag_id, run_id=run_id, task_id=task_id)[0][0])

    def is_watched_by(self, trigger: str) -> bool:
        """Whether a watcher of this class is in a triggerer's hands."""
        sql = "SELECT 1 FROM trigger WHERE classpath LIKE :path AND triggerer_id IS NOT NULL"
        return bool(self.query(sql, path=f"%{trigger}"))

    def event_payloads(self, asset: str) -> list[dict[str, Any]]:
        """What the events of an asset carry, oldest first."""
        sql = (
            "SELECT CAST(e.extra AS TEXT) FROM asset_event e JOIN asset a ON a.id = e.asset_id "
            "WHERE a.name = :asset ORDER BY e.id"
        )
        return [json.loads(extra)["payload"] for (extra,) in self.query(sql, asset=asset)]

    def lying_events(self, asset: str, seconds: float = 0.0) -> int:
        """How many events of an asset that tell of a notification are in no Dag run after this time."""
        sql = (
            "SELECT count(*) FROM asset_event e JOIN asset a ON a.id = e.asset_id "
            "LEFT JOIN dagrun_asset_event d ON d.event_id = e.id WHERE d.event_id IS NULL "
            """AND a.name = :asset AND CAST(e.extra AS TEXT) LIKE '%"key": "%'"""
        )
        count = lambda: int(self.query(sql, asset=asset)[0][0])  # noqa: E731
        with suppress(TimeoutError):
            until(lambda: count() == 0, seconds, "run for each event")
        return count()

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Read from the metadata database of an Airflow whose parts all run."""
        self._check_parts()
        return self.database.query(sql, **parameters)


def until(condition: Callable[[], Any], seconds: float, what: str, pause: float = 0.2) -> Any:
    """Wait for a condition and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"No {what} within {seconds:.0f} s.")
        time.sleep(pause)
    return value


def _environment(home: Path) -> dict[str, str]:
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",  # seconds
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "1",  # so that two share them out
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(HEALTH_CHECK),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "PYTHONPATH": str(Path(airflow_green_notify.__file__).parents[1]),  # the provider that is tested here
        "TMPDIR": str(home / "tmp"),
    }
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | settings | {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}


def _members(session: int) -> list[int]:
    """The processes of a session; children stay in it, also when their parent is gone."""
    members = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == session:
                members.append(pid)
    return members


def _airflow_command() -> str:
    return str(Path(sys.executable).parent / "airflow")
