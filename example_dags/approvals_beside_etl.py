"""Ask for approval in a chat, beside a Dag that streams the same instance; any number of questions at once.

A queue has one reader. That is stream_to_warehouse here, or whatever drains the instance into the table; its
Dag gets everything, the answers too. This one waits on the table, and takes nothing from anybody. While it
waits it costs no worker. Each run knows its answer by the question that it quotes.

Where nothing else reads the instance, see approve_by_chat.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiSendMessageOperator
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.stores import SqlStore

INSTANCE = "green_api_sales"  # one of those that stream_to_warehouse streams
WAREHOUSE = "green_api_warehouse"


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=500,
    tags=["green-api"],
    doc_md=__doc__,
    params={"chat_id": Param("12025550101@c.us", type="string"), "question": "Shall the order go out?"},
)
def approvals_beside_etl() -> None:
    ask = GreenApiSendMessageOperator(
        task_id="ask",
        green_api_conn_id=INSTANCE,
        chat_id="{{ params.chat_id }}",
        message="{{ params.question }} Reply to this message with yes or no.",
        retries=2,
    )
    answer = GreenApiStoredNotificationSensor(
        task_id="answer",
        store=SqlStore(WAREHOUSE),
        matching={"quoted_id": ask.output, "direction": "incoming", "text": r"(?i)^\s*(yes|no)\b"},
        deferrable=True,
        timeout=24 * 3600,
        retries=2,
    )

    @task
    def decide(answer: dict[str, Any]) -> str:
        given = Notification.from_dict(answer)
        is_yes = (given.text or "").strip().lower().startswith("yes")
        return f"{'Approved' if is_yes else 'Rejected'} by {given.sender_name or given.sender}."

    decide(answer.output)


approvals_beside_etl()
