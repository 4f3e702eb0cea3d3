"""Ask by a poll, and act by the option that somebody stands behind: a vote taken back approves nothing.

Votes come only where the settings incomingWebhook and pollMessageWebhook are on. Each tells the whole tally.
What else comes into the queue is stored, as in approve_by_chat.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.operators import GreenApiDeleteNotificationOperator, GreenApiSendPollOperator
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore

CHAT = "{{ params.chat_id }}"
PARAMS = {"chat_id": Param("12025550101@c.us", type="string")}
QUESTION, OPTIONS = "Shall the release go out?", ["Yes", "No"]


@dag(schedule=None, catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__, params=PARAMS)
def approve_by_poll() -> None:
    ask = GreenApiSendPollOperator(task_id="ask", chat_id=CHAT, message=QUESTION, options=OPTIONS, retries=2)
    wait = GreenApiNotificationSensor(
        task_id="wait",
        matching={"type_webhook": "incomingMessageReceived", "chat_id": CHAT, "quoted_id": ask.output},
        unmatched=SqlStore("green_api_warehouse"),
        deferrable=True,
        timeout=3600,
    )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def is_approved(vote: dict[str, Any]) -> bool:
        votes = vote["body"]["messageData"]["pollMessageData"]["votes"]
        return any(option["optionName"] == "Yes" and option["optionVoters"] for option in votes)

    @task
    def release() -> None:
        print("The release goes out.")

    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, trigger_rule="none_failed"
    )
    is_approved(wait.output) >> release() >> delete


approve_by_poll()
