"""A whole Airflow in processes of its own: api-server, scheduler, dag-processor and any number of triggerers.

It lies in one folder and one database, and listens on loopback. What happened is read from that database.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from cryptography.fernet import Fernet

import airflow_green_notify
from tests.live.database import Database
from tests.live.running_airflow import BOOT_SECONDS, RunningAirflow, until
from tests.servers import free_port

HEALTH_CHECK = 4  # seconds after which a silent triggerer counts as dead
END_SECONDS = 15.0


class LiveAirflow(RunningAirflow):
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
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}", database)
        self.home = home
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
            until(self.is_healthy, BOOT_SECONDS, "a healthy Airflow")
            self.log_in()
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
                [airflow_command(), part, *arguments],
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
        for pid in members(self.processes[name].pid):
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
                [airflow_command(), *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=BOOT_SECONDS,
            )

    def check_parts(self) -> None:
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                log = (self.home / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} ended by itself:\n{log[-4000:]}")


def plain_environment(home: Path) -> dict[str, str]:
    """What each process of an Airflow here needs in its environment, with settings as Airflow has them."""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": str(Path(airflow_green_notify.__file__).parents[1]),  # the provider that is tested here
        "TMPDIR": str(home / "tmp"),
    }
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | settings | {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}


def _environment(home: Path) -> dict[str, str]:
    return plain_environment(home) | {
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",  # seconds
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "1",  # so that two share them out
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(HEALTH_CHECK),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }


def members(session: int) -> list[int]:
    """The processes of a session; children stay in it, also when their parent is gone."""
    members = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == session:
                members.append(pid)
    return members


def airflow_command() -> str:
    return str(Path(sys.executable).parent / "airflow")
