"""Tasks of one Dag, or the triggerer of some watchers, in an Airflow of its own that sends metrics.

``python -m tests.metrics_run tasks|triggerer FOLDER``
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.conftest import save_dag  # it makes the home of this Airflow first

from airflow.sdk import DAG, Asset, AssetWatcher, task  # isort: skip
from airflow.sdk.bases.operator import chain  # isort: skip

from airflow.providers.standard.operators.empty import EmptyOperator  # isort: skip

from airflow_green_notify.consume import commit
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiProcessStoredOperator,
    GreenApiReadNewOperator,
)
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger


def fail(notification: object) -> None:
    raise LookupError("no such customer")


def dag_of_tasks() -> DAG:
    """Seven are stored and one is set aside; the reader leaves two of the seven, the worker none."""
    store = SqlStore("store")
    with DAG("metrics", schedule=None) as dag:
        read = GreenApiReadNewOperator(task_id="read", store=store, consumer="reader", page_size=5)
        chain(
            GreenApiDrainNotificationsOperator(
                task_id="drain", store=store, max_notifications=7, receive_timeout=0.2
            ),
            GreenApiProcessNotificationsOperator(
                task_id="process",
                handler=fail,
                max_attempts=1,
                dead_letter=SqlStore("store", table="dead_letters"),
                receive_timeout=0.2,
            ),
            read,
            task(commit)(read.output),
            GreenApiProcessStoredOperator(task_id="work", store=store, handler=str, consumer="worker"),
        )
    return dag


def dag_of_watchers() -> DAG:
    watchers = [
        AssetWatcher(name=conn_id, trigger=GreenApiDoorbellTrigger(conn_id, receive_timeout=0.3))
        for conn_id in ("green_api_default", "green_api_away")
    ]
    with DAG("watched", schedule=[Asset("queue", watchers=watchers)]) as dag:
        EmptyOperator(task_id="nothing")
    return dag


def main() -> None:
    from airflow.utils import db

    what, folder = sys.argv[1:]
    connection = {"conn_type": "sqlite", "host": str(Path(folder) / "store.db")}
    os.environ["AIRFLOW_CONN_STORE"] = json.dumps(connection)
    db.initdb()
    if what == "tasks":
        dag = dag_of_tasks()
        save_dag(dag)
        state = dag.test().state
        sys.exit(0 if state == "success" else f"The run is {state}.")
    save_dag(dag_of_watchers())
    os.execv(sys.executable, [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"])


if __name__ == "__main__":
    main()
