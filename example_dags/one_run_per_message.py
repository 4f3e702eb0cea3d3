"""Start one Dag run per incoming message, and never a second one for the same message.

The first Dag drains the queue into files, and starts the second once per message. A run's id is made from the
notification's key, so whatever is repeated (a retry, a message that the gateway brings twice) meets a run
that exists already, and is skipped. The run is handed the key of its message and reads the message from the
batch: expand_kwargs would render as a template what somebody wrote. Pause on_new_notifications meanwhile: two
Dags that drain one queue share what comes.
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
INBOX = os.path.join(HOME, "green-api-inbox")  # or a bucket: s3://…
MOST_RUNS = 500  # Airflow maps a task over at most 1024 items; what is left makes the doorbell ring again

MESSAGES = Asset(
    "green_api_messages",
    watchers=[AssetWatcher(name="green_api_messages_doorbell", trigger=GreenApiDoorbellTrigger())],
)


@dag(schedule=[MESSAGES], catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def one_run_per_message() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        store=ObjectStorageStore(INBOX),
        max_notifications=MOST_RUNS,
        skip_if_empty=True,
        retries=3,
    )

    @task
    def runs_of(batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "trigger_run_id": f"message__{notification.key}",
                "conf": {"key": notification.key, "batch": batch},
            }
            for notification in read_batch(batch)
            if notification.type_webhook == "incomingMessageReceived"
        ]

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
    def handle(dag_run: Any = None) -> str | None:
        conf = dag_run.conf
        message = next(item for item in read_batch(conf["batch"]) if item.key == conf["key"])
        print(f"{message.sender_name} wrote: {message.text}")
        return message.id_message

    handle()


one_run_per_message()
handle_message()
