"""Ask in a chat, act by the first answer that quotes the question, and edit the question: who decided, when.

What else comes is stored, and only then deleted; the answer is deleted last, so whatever task dies, its retry
goes on. Beside another reader of the queue, see approvals_beside_etl.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiCallOperator,
    GreenApiDeleteNotificationOperator,
    GreenApiSendMessageOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore

CHAT = "{{ params.chat_id }}"
PARAMS = {"chat_id": Param("12025550101@c.us", type="string")}
STORE = SqlStore("green_api_warehouse")
QUESTION = "Shall the release go out? Reply to this message with yes or no."


@dag(schedule=None, catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__, params=PARAMS)
def approve_by_chat() -> None:
    ask = GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message=QUESTION, retries=2)
    quoting = {"chat_id": CHAT, "quoted_id": ask.output, "text": r"(?i)^\s*(yes|no)\b"}
    answers = {"type_webhook": "incomingMessageReceived", **quoting}
    wait = GreenApiNotificationSensor(
        task_id="wait", matching=answers, unmatched=STORE, deferrable=True, timeout=14 * 60
    )  # WhatsApp takes edits for a quarter of an hour

    @task
    def verdict(answer: dict[str, Any]) -> str:
        given = Notification.from_dict(answer)
        decision = "Approved" if (given.text or "").strip().lower().startswith("yes") else "Rejected"
        return f"{decision} by {given.sender_name or given.sender} at {given.timestamp:%H:%M} UTC."

    @task
    def release(verdict: str) -> None:
        if not verdict.startswith("Approved"):
            raise AirflowSkipException(verdict)
        print("The release goes out.")

    decided = verdict(wait.output)
    edit = {"chatId": CHAT, "idMessage": ask.output, "message": decided}  # in the place of the question
    tell = GreenApiCallOperator(task_id="tell", verb="POST", method="editMessage", payload=edit, repeat=True)
    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, trigger_rule="none_failed"
    )
    [release(decided), tell] >> delete


approve_by_chat()
