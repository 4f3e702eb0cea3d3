"""Watches a queue through an asset of its own. Each copy, under a name of its own, is one more watcher."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetWatcher, dag

from airflow_green_notify.triggers import GreenApiNotificationTrigger

NAME = Path(__file__).stem
ASSET = Asset(
    NAME,
    watchers=[AssetWatcher(name="carrier", trigger=GreenApiNotificationTrigger("green_api_shared", 5.0))],
)


@dag(dag_id=NAME, schedule=[ASSET], catchup=False)
def watch() -> None:
    EmptyOperator(task_id="take")


watch()
