"""The demo on a terminal: some example Dags, run to their end, and what lies where after that.

Starts the emulator, migrates an Airflow database on SQLite in a temporary folder, and runs the example Dags
with ``dag.test()`` until the queue is empty. Everything stays in that folder to be looked at.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from airflow_green_notify.demo import examples
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications

if TYPE_CHECKING:
    from airflow.sdk import DAG

# Lines of the examples: texts, a quote, files, a location, a reaction, statuses, a state, calls.
FIRST_DOZEN = (1, 2, 4, 5, 7, 11, 14, 32, 33, 40, 46, 49)


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
        lost = _report(gateway, folder / "warehouse.db", say)
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
    gateway.push(*(bodies[line - 1] for line in FIRST_DOZEN))
    say(f"\nreceive_load_delete: {len(FIRST_DOZEN)} notifications wait; one Dag run each")
    dag = _dag("receive_load_delete")
    while queue := gateway.queue():
        began = time.monotonic()
        _run(dag)
        done = len(FIRST_DOZEN) - len(gateway.queue())
        say(
            f"  {done:2}/{len(FIRST_DOZEN)}  {_kind(queue[0]):46} received, transformed, loaded, deleted"
            f"  {time.monotonic() - began:4.1f} s"
        )


def _in_one_drain(gateway: GreenApiEmulator, say: Callable[[str], None]) -> None:
    bodies = example_notifications()
    gateway.push(*bodies)
    say(f"\netl_to_sqlite: all {len(bodies)} examples wait; one Dag run for them all")
    began = time.monotonic()
    _run(_dag("etl_to_sqlite"))
    say(f"  drained, sorted into tables, reported  {time.monotonic() - began:4.1f} s")


def _report(gateway: GreenApiEmulator, warehouse: Path, say: Callable[[str], None]) -> int:
    """Print what came, what lies in the database, and the gateway's audit; return how many were lost."""
    audit = gateway.audit()
    say("\nWhat came, by type")
    for kind, count in sorted(Counter(entry["body"]["typeWebhook"] for entry in audit).items()):
        say(f"  {kind:32}{count:6}")
    say("\nWhat lies in the database")
    with sqlite3.connect(warehouse) as database:
        rows = {table: _count(database, table) for table in _tables(database)}
        stored = _stored_keys(database)
    for table, count in rows.items():
        say(f"  {table:32}{count:6}")
    waiting = {_key(body) for body in gateway.queue()}
    lost = len({_key(entry["body"]) for entry in audit} - stored - waiting)
    say("\nAudit of the gateway")
    say(f"  {'pushed':32}{len(audit):6}   ({len({_key(entry['body']) for entry in audit})} different)")
    say(f"  {'stored, each once':32}{len(stored):6}")
    say(f"  {'deleted':32}{sum(entry['deleted_at'] is not None for entry in audit):6}")
    say(f"  {'still in the queue':32}{len(gateway.queue()):6}")
    say(f"  {'lost':32}{lost:6}")
    return lost


def _tables(database: sqlite3.Connection) -> Sequence[str]:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names]


def _count(database: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(database.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])


def _stored_keys(database: sqlite3.Connection) -> set[str]:
    """The keys of both Dags' tables."""
    tables = ("notifications", "green_api_notifications")
    return {key for table in tables for (key,) in database.execute(f"SELECT key FROM {table}")}


def _key(body: dict[str, Any]) -> str:
    from airflow_green_notify.notification import Notification

    return Notification(0, body).key
