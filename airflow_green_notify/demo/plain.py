"""The demo on a terminal: some example Dags, run to their end, and what lies where after that.

Starts the emulator, migrates an Airflow database on SQLite in a temporary folder, and runs the example Dags
with ``dag.test()`` until the queue is empty. Everything stays in that folder to be looked at.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from airflow_green_notify.demo import examples
from airflow_green_notify.demo.figures import report
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications

if TYPE_CHECKING:
    from airflow.sdk import DAG

# Lines of the examples: a text, a quote, a picture, a location, a reaction, a status, a state, a call.
FIRST_FEW = (1, 4, 5, 11, 14, 32, 40, 46)


def run() -> int:
    """Run the demo; return 0 if nothing was lost."""
    folder = Path(tempfile.mkdtemp(prefix="green-api-demo-"))
    screen = _only_own_words_on_screen(folder / "airflow.log")
    started = time.monotonic()
    with GreenApiEmulator() as gateway:
        _set_environment(folder, gateway.connection)
        say = _Screen(screen)
        say(f"Emulated gateway on {gateway.url}; everything else is in {folder}")
        say("Migrating Airflow's database on SQLite ...")
        _migrate()
        _one_by_one(gateway, say)
        _in_one_drain(gateway, say)
        lost = report(gateway, folder / "warehouse.db", say)
    say(f"\nDone in {time.monotonic() - started:.0f} s. Look around:")
    say(f"  the warehouse      {folder / 'warehouse.db'}  (SQLite)")
    say(f"  Airflow's own log  {folder / 'airflow.log'}")
    say(f"  the Dags           {examples.folder()}")
    return 1 if lost else 0


class _Screen:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _only_own_words_on_screen(log: Path) -> TextIO:
    """Send what Airflow and the tasks print into a file, and return the real screen."""
    sys.stdout.flush()
    screen = os.fdopen(os.dup(1), "w")
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    return screen


def _set_environment(folder: Path, connection: str) -> None:
    os.environ.update(
        AIRFLOW_HOME=str(folder),
        AIRFLOW__CORE__DAGS_FOLDER=str(examples.folder()),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{folder}/airflow.db",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
        AIRFLOW_CONN_GREEN_API_DEFAULT=connection,
        AIRFLOW_CONN_GREEN_API_WAREHOUSE=json.dumps(
            {"conn_type": "sqlite", "host": str(folder / "warehouse.db")}
        ),
    )


def _migrate() -> None:
    from airflow.utils import db

    db.initdb()


def _dag(name: str) -> DAG:
    from airflow.models import DagBag

    bag = DagBag(dag_folder=str(examples.folder() / f"{name}.py"))
    if bag.import_errors:
        raise SystemExit(f"{name} can't be imported: {bag.import_errors}")
    dag: DAG = bag.dags[name]
    return dag


def _run(dag: DAG) -> None:
    run = dag.test()
    if str(run.state) != "success":
        raise SystemExit(f"{dag.dag_id} ended as {run.state}; see airflow.log.")


def _kind(body: dict[str, Any]) -> str:
    detail = body.get("messageData", {}).get("typeMessage") or body.get("status") or body.get("stateInstance")
    return f"{body['typeWebhook']}/{detail}" if detail else str(body["typeWebhook"])


def _one_by_one(gateway: GreenApiEmulator, say: Callable[[str], None]) -> None:
    bodies = example_notifications()
    gateway.push(*(bodies[line - 1] for line in FIRST_FEW))
    say(f"\nreceive_load_delete: {len(FIRST_FEW)} notifications wait; one Dag run each")
    dag = _dag("receive_load_delete")
    while queue := gateway.queue():
        began = time.monotonic()
        _run(dag)
        done = len(FIRST_FEW) - len(gateway.queue())
        say(
            f"  {done}/{len(FIRST_FEW)}  {_kind(queue[0]):46} received, transformed, loaded, deleted"
            f"  {time.monotonic() - began:4.1f} s"
        )


def _in_one_drain(gateway: GreenApiEmulator, say: Callable[[str], None]) -> None:
    bodies = example_notifications()
    gateway.push(*bodies)
    say(f"\netl_to_sqlite: all {len(bodies)} examples wait; one Dag run for them all")
    began = time.monotonic()
    _run(_dag("etl_to_sqlite"))
    say(f"  drained, sorted into tables, reported  {time.monotonic() - began:4.1f} s")
