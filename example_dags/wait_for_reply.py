"""Ask something in a chat, wait for the answer, act on it, and only then delete the answer.

The answer stays in the queue until what follows from it is done: whatever task dies, its retry finds the
answer again. While the Dag waits, it costs no worker. It waits in front of what others write; name a store in
the sensor's unmatched= to have that put away, as approve_by_chat does.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDeleteNotificationOperator, GreenApiSendMessageOperator
from airflow_green_notify.sensors import GreenApiNotificationSensor

PARAMS = {"chat_id": Param("12025550101@c.us", type="string")}


@dag(schedule=None, catchup=False, tags=["green-api"], doc_md=__doc__, params=PARAMS)
def wait_for_reply() -> None:
    ask = GreenApiSendMessageOperator(
        task_id="ask", chat_id="{{ params.chat_id }}", message="Is the report ready? Please answer yes or no."
    )
    answer = GreenApiNotificationSensor(
        task_id="answer",
        matching={
            "type_webhook": "incomingMessageReceived",
            "chat_id": "{{ params.chat_id }}",
            "text": r"(?i)^\s*(yes|no)\b",
        },
        deferrable=True,
        timeout=24 * 3600,
        retries=2,
    )

    @task.branch
    def decide(answer: dict[str, Any]) -> str:
        text = Notification.from_dict(answer).text or ""
        return "publish" if text.strip().lower().startswith("yes") else "remind"

    @task
    def publish() -> None:
        print("The report is published.")

    @task
    def remind() -> None:
        print("Somebody is reminded.")

    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=answer.output, trigger_rule="none_failed_min_one_success"
    )
    ask >> answer
    decide(answer.output) >> [publish(), remind()] >> delete


wait_for_reply()
