"""Ask in a chat, act by the first answer that quotes the question, and tell the chat who decided.

What else comes into the queue is stored, and only then deleted; the answer is deleted last, so whatever task
dies, its retry goes on. Beside another reader of the queue, see approvals_beside_etl.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDeleteNotificationOperator, GreenApiSendMessageOperator
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore

CHAT = "{{ params.chat_id }}"
PARAMS = {"chat_id": Param("12025550101@c.us", type="string")}
QUESTION = "Shall the release go out? Reply to this message with yes or no."


@dag(schedule=None, catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__, params=PARAMS)
def approve_by_chat() -> None:
    ask = GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message=QUESTION, retries=2)
    quoting = {"chat_id": CHAT, "quoted_id": ask.output, "text": r"(?i)^\s*(yes|no)\b"}
    wait = GreenApiNotificationSensor(
        task_id="wait",
        matching={"type_webhook": "incomingMessageReceived", **quoting},
        unmatched=SqlStore("green_api_warehouse"),
        deferrable=True,
        timeout=3600,
    )

    @task
    def verdict(answer: dict[str, Any]) -> str:
        given = Notification.from_dict(answer)
        decision = "Approved" if (given.text or "").strip().lower().startswith("yes") else "Rejected"
        return f"{decision} by {given.sender_name or given.sender} at {given.timestamp:%H:%M} UTC."

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def is_approved(verdict: str) -> bool:
        return verdict.startswith("Approved")

    @task
    def release() -> None:
        print("The release goes out.")

    decided = verdict(wait.output)
    tell = GreenApiSendMessageOperator(
        task_id="tell", chat_id=CHAT, message=decided, quoted_message_id=ask.output, retries=2
    )
    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, trigger_rule="none_failed"
    )
    [is_approved(decided) >> release(), tell] >> delete


approve_by_chat()
