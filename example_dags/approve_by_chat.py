"""Ask in a chat, wait for the answer, decide; without an answer in time, decide that too.

The answer must quote the question, so that a "yes" to something else, or from before, approves nothing.
What else comes into the queue meanwhile is stored, and only then deleted. The answer itself stays in the
queue until the decision is carried out: whatever task dies, its retry goes on, and the question is sent once.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDeleteNotificationOperator, GreenApiSendMessageOperator
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite


@dag(
    schedule=None,
    catchup=False,
    tags=["green-api"],
    doc_md=__doc__,
    params={
        "chat_id": Param("12025550101@c.us", type="string"),
        "question": Param("Shall the release go out?", type="string"),
    },
)
def approve_by_chat() -> None:
    ask = GreenApiSendMessageOperator(
        task_id="ask",
        chat_id="{{ params.chat_id }}",
        message="{{ params.question }} Reply to this message with yes or no.",
        retries=2,
    )
    wait = GreenApiNotificationSensor(
        task_id="wait",
        matching={
            "type_webhook": "incomingMessageReceived",
            "chat_id": "{{ params.chat_id }}",
            "quoted_id": "{{ ti.xcom_pull('ask') }}",
            "text": r"(?i)^\s*(yes|no)\b",
        },
        unmatched=SqlStore(WAREHOUSE),
        deferrable=True,
        timeout=3600,  # the deadline, in seconds
        soft_fail=True,  # past it, this is skipped and the decision goes on without an answer
        retries=1,
    )

    @task.branch(trigger_rule="none_failed")
    def decide(answer: dict[str, Any] | None = None) -> str:
        if answer is None:
            return "nobody_answered"
        text = Notification.from_dict(answer).text or ""
        return "approved" if text.strip().lower().startswith("yes") else "rejected"

    @task
    def approved() -> None:
        print("The release goes out.")

    @task
    def rejected() -> None:
        print("The release stays.")

    nobody_answered = GreenApiSendMessageOperator(
        task_id="nobody_answered",
        chat_id="{{ params.chat_id }}",
        message="Nobody answered in time, so it stays as it is.",
        quoted_message_id="{{ ti.xcom_pull('ask') }}",
    )
    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, trigger_rule="none_failed_min_one_success"
    )

    decision = decide(wait.output)
    ask >> wait
    decision >> [approved(), rejected()] >> delete
    decision >> nobody_answered


approve_by_chat()
