"""An Airflow that runs, whoever started it, by its REST API and its metadata database."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from tests.live.database import Database

BOOT_SECONDS = 180.0


class RunningAirflow:
    """Steers Dags, and tells what became of them.

    :param url: Of its api-server, where everybody may do everything.
    :param database: The metadata database.
    """

    def __init__(self, url: str, database: Database) -> None:
        self.url = url
        self.database = database
        self._token = ""

    def log_in(self) -> None:
        """Get the token that the REST API wants."""
        self._token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]

    def check_parts(self) -> None:
        """Raise an error if a part that should run has ended."""

    def is_healthy(self) -> bool:
        """Whether all parts say so."""
        self.check_parts()
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def api(self, verb: str, path: str, **body: Any) -> None:
        """Call Airflow's REST API, again where SQLite was locked too long: what is done twice is the same."""
        until(lambda: self._has_answered(verb, path, body), 120, f"answer to {verb} {path}")

    def _has_answered(self, verb: str, path: str, body: dict[str, Any]) -> bool:
        self.check_parts()
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
            until(lambda dag_id=dag_id: self.knows(dag_id), BOOT_SECONDS, dag_id)  # type: ignore[misc]
            self.pause(dag_id, False)
        try:
            yield
        finally:
            for dag_id in dag_ids:
                self.pause(dag_id)

    def knows(self, dag_id: str) -> bool:
        """Whether the dag-processor has read a Dag.

        :raises RuntimeError: Some Dag file can't be imported.
        """
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
        self.check_parts()
        return self.database.query(sql, **parameters)


def until(condition: Callable[[], Any], seconds: float, what: str, pause: float = 0.2) -> Any:
    """Wait for a condition and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"No {what} within {seconds:.0f} s.")
        time.sleep(pause)
    return value
