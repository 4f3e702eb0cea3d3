"""Start one Dag run per incoming message, and never a second one for the same message.

A run's id is made from the notification's key, so a repeated one meets its run, and is skipped. The run
reads the message from the batch: expand_kwargs would render as a template what somebody wrote.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import ObjectStorageStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

HOME = os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow"))
DOORBELL = AssetWatcher(name="green_api_messages_doorbell", trigger=GreenApiDoorbellTrigger())
MESSAGES = Asset("green_api_messages", watchers=[DOORBELL])


@dag(schedule=[MESSAGES], catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def one_run_per_message() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        store=ObjectStorageStore(os.path.join(HOME, "green-api-inbox")),  # or a bucket: s3://…
        max_notifications=500,  # Airflow maps over at most 1024; what is left makes the doorbell ring again
        skip_if_empty=True,
        retries=3,
    )

    @task
    def runs_of(batch: dict[str, Any]) -> list[dict[str, Any]]:
        keys = [each.key for each in read_batch(batch) if each.type_webhook == "incomingMessageReceived"]
        return [{"trigger_run_id": f"message__{key}", "conf": {"key": key, "batch": batch}} for key in keys]

    TriggerDagRunOperator.partial(
        task_id="start_run",
        trigger_dag_id="handle_message",
        logical_date=None,
        skip_when_already_exists=True,
        retries=3,
    ).expand_kwargs(runs_of(drained.output))


@dag(schedule=None, catchup=False, tags=["green-api"], doc_md=__doc__)
def handle_message() -> None:
    @task
    def handle(dag_run: Any = None) -> None:
        message = {each.key: each for each in read_batch(dag_run.conf["batch"])}[dag_run.conf["key"]]
        print(f"{message.sender_name} wrote: {message.text}")

    handle()


one_run_per_message()
handle_message()
