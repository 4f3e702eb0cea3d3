"""An Airflow as it runs in production, on loopback, in one folder.

PostgreSQL for metadata, and another one as the warehouse; Redis; api-server, dag-processor, two schedulers,
two Celery workers, two triggerers; and an emulated gateway. Each part can be killed, frozen or started again.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet

from tests.benchmarks.many_instances import Instances
from tests.demo.processes_left import left
from tests.live.database import Database, on_server
from tests.live.live_airflow import airflow_command, plain_environment
from tests.live.running_airflow import BOOT_SECONDS, RunningAirflow, until
from tests.production.parts import Part, Parts
from tests.production.ports import ports
from tests.production.settings import production_settings
from tests.production.steady import Steady
from tests.servers import missing, postgres_command, postgres_login

WAREHOUSE = "green_api_warehouse"  # the id of the connection
MARK = "GREEN_API_PRODUCTION"  # in the environment of all parts: the folder that they belong to
SCHEDULERS = ["scheduler-1", "scheduler-2"]
TRIGGERERS = ["triggerer-1", "triggerer-2"]
WORKERS = ["worker-1", "worker-2"]
REVIVE_EVERY = 1.0  # seconds
SERVERS = ["metadata", "warehouse", "redis", "gateway"]


class ProductionAirflow(RunningAirflow):
    """Starts all of it, and ends what it started.

    .. code-block:: python

        with ProductionAirflow(folder, dags, instances=20) as airflow:
            airflow.pause("drain", False)
            airflow.gateway.push(airflow.gateway.ids[0], body)
            airflow.parts.kill("worker-1")
            airflow.parts.start("worker-1")
            airflow.warehouse.column("green_api_notifications", "key")

    :param folder: An empty one, in which everything lies: databases, logs, ``AIRFLOW_HOME``.
    :param dags: The folder of Dag files, which is copied; the Dags are paused until somebody needs them.
    :param instances: How many the gateway has. Their connections are ``green_api_0``, ``green_api_1``, …;
        that of the warehouse is ``green_api_warehouse``.
    :param round_trip: Seconds that the gateway adds to each exchange.
    :param settings: Airflow's, as ``{"SCHEDULER__PARSING_PROCESSES": "4"}``.
    :param environment: Further variables of all parts.
    :param supervised: Whether a part that ends by itself is started again, as systemd or Kubernetes would.
        Otherwise that is an error.
    """

    def __init__(
        self,
        folder: Path,
        dags: Path,
        *,
        instances: int = 1,
        round_trip: float = 0.0,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> None:
        self.folder = folder
        self._supervised = supervised
        self._dags = dags
        self._count = instances
        self._round_trip = round_trip
        names = [*SERVERS, "api-server"]
        self.ports = dict(zip(names, ports(), strict=False))
        self.home = folder / "home"
        self.logs = folder / "logs"
        self.environment = plain_environment(self.home) | {MARK: str(folder)}
        self._further = {f"AIRFLOW__{name}": value for name, value in (settings or {}).items()}
        self._further |= environment or {}
        self.parts = Parts(self.environment, self.logs)
        self._stack = ExitStack()
        metadata = Database(postgres_login(self.ports["metadata"], "airflow"))
        super().__init__(f"http://127.0.0.1:{self.ports['api-server']}", metadata)

    def __enter__(self) -> Self:
        if find_spec("airflow.providers.celery") is None:
            missing("pip install -e '.[test-production]'")
        with ExitStack() as stack:
            self.logs.mkdir()
            stack.enter_context(self.parts)
            self._start_servers()
            self._describe()
            self._migrate()
            self._start_airflow()
            if self._supervised:
                stack.enter_context(Steady(self._revive, REVIVE_EVERY))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
        if left := left_in(self.folder):
            raise RuntimeError(f"Left over: {left}")

    def check_parts(self) -> None:
        """Raise an error if a part has ended that nobody stopped or killed, and nobody starts again."""
        if not self._supervised and (ended := self.parts.ended()):
            raise RuntimeError("\n".join(f"{name} ended by itself:\n{log}" for name, log in ended.items()))

    def _revive(self) -> None:
        """Start again what ended by itself, as systemd or Kubernetes do."""
        for name in self.parts.revive():
            print(f"{name} ended by itself, and was started again.", flush=True)

    # --- servers ---

    def _start_servers(self) -> None:
        self.parts.add("metadata", self._postgres("metadata", "max_connections=300"))
        self.parts.add("warehouse", self._postgres("warehouse", "track_commit_timestamp=on"))
        self.parts.add("redis", Part(self._redis()))
        port = str(self.ports["gateway"])
        emulator = [sys.executable, "-m", "airflow_green_notify.emulator", "--port", port]
        self.parts.add("gateway", Part([*emulator, "--round-trip", str(self._round_trip)]))
        for name in SERVERS:
            until(lambda name=name: self.answers(name), 60, f"answer of {name}")  # type: ignore[misc]
        server = on_server(postgres_login(self.ports["metadata"]))
        until(lambda: _is_there(Database(postgres_login(self.ports["metadata"]))), 60, "metadata database")
        server("airflow")
        self.warehouse = Database(postgres_login(self.ports["warehouse"]))
        until(lambda: _is_there(self.warehouse), 60, "warehouse")
        self.gateway = Instances(f"http://127.0.0.1:{port}")
        self.gateway.add(self._count - 1, round_trip=self._round_trip)

    def _postgres(self, name: str, *settings: str) -> Part:
        folder = self.folder / name
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self.folder.chmod(0o755)  # PostgreSQL's user has to pass through
        return Part(postgres_command(folder, self.ports[name], *settings), signal.SIGINT)

    def _redis(self) -> list[str]:
        program = shutil.which("redis-server") or missing("apt-get install redis-server")
        folder = self.folder / "redis"
        folder.mkdir()
        options = {"--port": str(self.ports["redis"]), "--bind": "127.0.0.1", "--dir": str(folder)}
        options |= {"--appendonly": "yes", "--save": ""}
        return [program, *(word for option in options.items() for word in option)]

    def answers(self, name: str) -> bool:
        """Whether something listens at the port of a server."""
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self.ports[name])) == 0

    # --- Airflow ---

    def _describe(self) -> None:
        """Tell all parts where everything is."""
        shutil.copytree(self._dags, self.home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        self.environment |= production_settings(
            metadata=self.database.url,
            broker=f"redis://127.0.0.1:{self.ports['redis']}/0",
            url=self.url,
            fernet_key=Fernet.generate_key().decode(),
            secret=secrets.token_urlsafe(48),
            logs=str(self.logs / "tasks"),
        )
        self.environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            f"AIRFLOW_CONN_{WAREHOUSE.upper()}": self.warehouse.connection,
        }
        self.environment |= self.gateway.connections | self._further

    def _migrate(self) -> None:
        with (self.logs / "migrate.log").open("ab") as log:
            subprocess.run(
                [airflow_command(), "db", "migrate"],
                env=self.environment,
                stdout=log,
                stderr=log,
                check=True,
                timeout=BOOT_SECONDS,
            )

    def _start_airflow(self) -> None:
        port = str(self.ports["api-server"])
        self._add("api-server", "api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1")
        self._add("dag-processor", "dag-processor")
        for name in SCHEDULERS:
            self._add(name, "scheduler", "--skip-serve-logs")
        for name in TRIGGERERS:
            self._add(name, "triggerer", "--skip-serve-logs")
        for name in WORKERS:
            pid_file = self.folder / f"{name}.pid"
            arguments = ["celery", "worker", "--skip-serve-logs", "-H", f"{name}@%h", "--pid", str(pid_file)]
            self._add(name, *arguments, pid_file=pid_file)
        until(self.is_healthy, BOOT_SECONDS, "a healthy Airflow")
        for name in WORKERS:
            until(lambda name=name: " ready." in self.parts.log(name), BOOT_SECONDS, name)  # type: ignore[misc]
        self.log_in()

    def _add(self, name: str, *arguments: str, pid_file: Path | None = None) -> None:
        def before() -> None:
            if pid_file:
                pid_file.unlink(missing_ok=True)

        self.parts.add(name, Part([airflow_command(), *arguments], before=before))


def left_in(folder: Path) -> list[tuple[int, list[str]]]:
    """The ids and command lines of processes that belong to the Airflow in a folder."""
    return left(MARK, str(folder))


def _is_there(database: Database) -> bool:
    try:
        database.query("SELECT 1")
    except Exception:
        return False
    return True
