"""Reads what became of everything, and keeps it where something went wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_green_notify.json_text import from_text
from airflow_green_notify.notification import Notification
from tests.production.airflow import ProductionAirflow
from tests.production.traffic import Taken
from tests.production.verdict import AuditedInstance, Evidence
from tests.production.witness import NOTED, STORE
from tests.servers import program_of_postgres

COMMITTED = "SELECT key, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM arrivals"
STARTED = "SELECT run_id FROM dag_run WHERE dag_id = 'approval'"
NOTES = "SELECT key, extract(epoch FROM at) FROM {}"
RESULTS = (
    "SELECT x.run_id, x.task_id, CAST(x.value AS TEXT) FROM xcom x JOIN task_instance i "
    "ON (i.dag_id, i.run_id, i.task_id) = (x.dag_id, x.run_id, x.task_id) "
    "WHERE x.dag_id = 'approval' AND x.key = 'return_value' AND i.state = 'success'"
)


def gather(
    airflow: ProductionAirflow, pushed: Sequence[str], taken: Sequence[Taken], approvals: Sequence[str]
) -> Evidence:
    """Read all that the verdict needs."""
    gateway, warehouse = airflow.gateway, airflow.warehouse
    rows = warehouse.query(f"SELECT key, body FROM {STORE}")
    return Evidence(
        instances=[
            AuditedInstance(instance, gateway.audit_of(instance), gateway.queue(instance))
            for instance in gateway.ids
        ],
        pushed=pushed,
        rows=[Notification(0, from_text(body), key=key) for key, body in rows],
        arrivals=_pairs(warehouse.query(COMMITTED)),
        noted={name: _pairs(warehouse.query(NOTES.format(name))) for name in NOTED},
        taken=taken,
        answers=_answers(airflow, approvals),
    )


def _pairs(rows: list[tuple[Any, ...]]) -> list[tuple[str, float]]:
    return [(key, float(at)) for key, at in rows]


def _answers(
    airflow: ProductionAirflow, approvals: Sequence[str]
) -> dict[str, tuple[str | None, str | None]]:
    results = {(run, task): json.loads(value) for run, task, value in airflow.database.query(RESULTS)}
    started = {run for (run,) in airflow.database.query(STARTED)}
    answers = {}
    for run in started.union(approvals):
        answer = results.get((run, "answer"))
        quoted = Notification.from_dict(answer).quoted_id if isinstance(answer, dict) else None
        answers[run] = (results.get((run, "ask")), quoted)
    return answers


def keep(airflow: ProductionAirflow, evidence: Evidence | None = None) -> Path:
    """Keep logs, both databases and the gateway's audit in a folder, and return it."""
    folder = Path(tempfile.mkdtemp(prefix="green-notify-evidence-"))
    shutil.copytree(airflow.logs, folder / "logs", dirs_exist_ok=True)
    for name, database in (("metadata", "airflow"), ("warehouse", "postgres")):
        with (folder / f"{name}.sql").open("wb") as dump:
            login = ["-h", "127.0.0.1", "-p", str(airflow.ports[name]), "-U", "store", "-d", database]
            subprocess.run([program_of_postgres("pg_dump"), *login], stdout=dump, env=dict(os.environ))
    if evidence is not None:
        audit = {each.id_instance: each.audited for each in evidence.instances}
        wrong = {name: sorted(keys) for name, keys in vars(evidence.verdict()).items()}
        (folder / "audit.json").write_text(json.dumps(audit))
        (folder / "verdict.json").write_text(json.dumps(wrong, indent=1))
        (folder / "taken.json").write_text(json.dumps([vars(each) for each in evidence.taken]))
    return folder
