"""The demo to look around in: a whole Airflow beside an emulated gateway with live traffic."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from airflow_green_notify.demo import examples
from airflow_green_notify.demo.chats import EVERY, Chats
from airflow_green_notify.demo.local_airflow import LocalAirflow, ToldToStop
from airflow_green_notify.demo.processes import EndedByItself
from airflow_green_notify.emulator import GreenApiEmulator

STARTED_BY_US = "three_teams_one_queue"  # it would begin by itself at the next full minute
FIRST_RUN = "demo"
SETTINGS = {
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    "AIRFLOW__GREEN_API__STORES": "green_api_warehouse",
}
LOOK_FIRST = """
Look at this first:
  {url}/green-api/
      what each instance, drain, consumer and watcher reports
  {url}/dags/three_teams_one_queue
      one Dag drains, three teams work on what is meant for them; then Assets: who starts whom
  {url}/dags/stream_to_warehouse
      a task that stays on two queues: what comes is a row at once
  {url}/dags/approvals_beside_etl
      trigger it: it asks in a chat, waits without a worker, and Anna answers
  {url}/required_actions
      questions that support_desk has no answer to: write one, and it goes into the chat
  {url}/dags/warehouse_models
      trigger it: views for analysts, and a chart as an HTML file in {folder}
  {url}/connections
      edit green_api_sales, spoil its password, and press "Test connection"
"""


def run(port: int) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return 0, or 1 if something failed."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="green-api-demo-"))
    except OSError as error:
        _say(f"There is no folder for the demo; set TMPDIR to one that can be written to: {error}")
        return 1
    dags = Path(shutil.copytree(examples.folder(), folder / "dags", ignore=shutil.ignore_patterns("_*")))
    with _stop_by_signal() as stop:
        try:
            with (
                LocalAirflow(folder, dags, port, SETTINGS, stop) as airflow,
                GreenApiEmulator() as gateway,
            ):
                _serve(airflow, gateway, folder)
        except ToldToStop:
            failed = False
        except (EndedByItself, TimeoutError, OSError) as error:
            with suppress(OSError):
                _say(str(error))
            failed = True
        with suppress(OSError):  # nobody reads any more
            _say(f"Stopped; nothing of it runs any more. Its database, logs and Dags: {folder}")
    return 1 if failed else 0


def _serve(airflow: LocalAirflow, gateway: GreenApiEmulator, folder: Path) -> None:
    began = time.monotonic()
    _say(f"Starting Airflow in {folder}; Ctrl-C ends it. The emulated gateway is {gateway.url}")
    instances = {
        "green_api_default": gateway,
        "green_api_sales": gateway.add_instance(),
        "green_api_support": gateway.add_instance(),
    }
    with Chats(instances.values()):
        airflow.boot()
        _say(f"\nAirflow runs, after {time.monotonic() - began:.0f} s:\n\n  {airflow.url}")
        _say(LOOK_FIRST.format(url=airflow.url, folder=folder))
        for name, instance in instances.items():
            _connect(airflow, name, instance.connection)
        warehouse = {"conn_type": "sqlite", "host": str(folder / "warehouse.db")}
        _connect(airflow, "green_api_warehouse", json.dumps(warehouse))
        _let_run(airflow)
        airflow.until(lambda: _has_succeeded(airflow), "successful Dag run")
        seconds = time.monotonic() - began
        _say(f"The first Dag run succeeded, {seconds:.0f} s after the start: {FIRST_RUN} of {STARTED_BY_US}.")
        _say(f"Each instance gets a notification every {EVERY:.0f} seconds. Ctrl-C ends the demo.")
        airflow.until(lambda: False, "end", seconds=float("inf"))


def _connect(airflow: LocalAirflow, name: str, connection: str) -> None:
    """Make a real connection, which can be seen and edited in the UI."""
    fields = json.loads(connection)
    if extra := fields.pop("extra", None):
        fields["extra"] = json.dumps(extra)
    airflow.call("POST", "connections", connection_id=name, **fields)


def _let_run(airflow: LocalAirflow) -> None:
    """Un-pause what can run by itself, as soon as Airflow knows it, and say what can't, and why."""
    waiting = set(examples.RUNNING)
    airflow.until(lambda: not _still_unknown(airflow, waiting), "list of all example Dags")
    _say(f"Dags that run: {', '.join(examples.RUNNING)}.\nPaused:")
    for name, why in examples.PAUSED.items():
        _say(f"  {name:24}{why}")


def _still_unknown(airflow: LocalAirflow, waiting: set[str]) -> set[str]:
    """Un-pause those of the Dags that Airflow knows, and return the others."""
    known = airflow.call("GET", "dags?limit=1000&exclude_stale=true")["dags"]
    for dag_id in sorted(waiting & {dag["dag_id"] for dag in known}):
        airflow.call("PATCH", f"dags/{dag_id}", is_paused=False)
        if dag_id == STARTED_BY_US:
            airflow.call("POST", f"dags/{dag_id}/dagRuns", logical_date=None, dag_run_id=FIRST_RUN)
        waiting.remove(dag_id)
    return waiting


def _has_succeeded(airflow: LocalAirflow) -> bool:
    state = airflow.call("GET", f"dags/{STARTED_BY_US}/dagRuns/{FIRST_RUN}")["state"]
    if state == "failed":
        raise EndedByItself(f"The first run of {STARTED_BY_US} failed; see it in the UI, or in the logs.")
    return bool(state == "success")


@contextmanager
def _stop_by_signal() -> Iterator[threading.Event]:
    """Let signals end the demo; a second one changes nothing about its orderly end, which is a short one."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    yield stop


def _say(text: str) -> None:
    print(text, flush=True)
