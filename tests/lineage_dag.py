"""A Dag of the tasks of which OpenLineage is told; run as a program, it tells as the environment says."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiCreateModelsOperator,
    GreenApiDownloadMediaOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiProcessStoredOperator,
    GreenApiReadNewOperator,
)
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

SOON = {"receive_timeout": 0.2, "until": None}


def refuse_files(notification: Notification) -> None:
    if notification.file_name:
        raise ValueError("no files here")


def lineage_dag(folder: Path) -> DAG:
    """Return the Dag; its files go into the folder.

    It reads the connections ``one``, ``two``, ``missing``, which isn't there, and ``refused``, whose token is
    wrong.
    """
    store, dead = SqlStore("{{ 'warehouse' }}"), ObjectStorageStore(folder / "dead")
    with DAG("lineage", schedule=None) as dag:
        drain = GreenApiDrainNotificationsOperator(
            task_id="drain", store=store, green_api_conn_id="{{ 'one' }}", **SOON
        )
        media = GreenApiDownloadMediaOperator(
            task_id="media",
            notifications=drain.output,
            path=folder / "media",
            allow_private_addresses=True,
            green_api_conn_id="one",
        )
        read_new = GreenApiReadNewOperator(task_id="read_new", store=store, consumer="billing")
        work = GreenApiProcessStoredOperator(
            task_id="work",
            store=store,
            handler=refuse_files,
            consumer="bot",
            max_attempts=1,
            dead_letter=dead,
        )
        backfill = GreenApiBackfillMessagesOperator(
            task_id="backfill",
            store=ObjectStorageStore(folder / "parquet", format="parquet"),
            receive_timeout=0.2,
            green_api_conn_id="one",
        )
        stream = GreenApiDrainNotificationsOperator(
            task_id="stream",
            store=ObjectStorageStore(folder / "lines"),
            accept={"type_webhook": "incomingMessageReceived"},
            unmatched=SqlStore("warehouse", table="rest"),
            green_api_conn_id=["one", "missing", "two"],
            on_instance_error="warn",
            linger=0.5,
            **SOON,
        )
        process = GreenApiProcessNotificationsOperator(
            task_id="process", handler=print, dead_letter=dead, green_api_conn_id="two", **SOON
        )
        refused = GreenApiDrainNotificationsOperator(
            task_id="refused", store=store, green_api_conn_id="refused", **SOON
        )
        models = GreenApiCreateModelsOperator(task_id="models", store=store)
        chain(drain, models, media, read_new, work, backfill, stream, process, refused)
    return dag


if __name__ == "__main__":
    lineage_dag(Path(os.environ["LINEAGE_FOLDER"])).test()
