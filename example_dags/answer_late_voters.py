"""Ask in a chat, decide by the first answer, and read on for five minutes: whoever is late is told so.

An approval has one reader of its queue, so the Dag that asked is the one that reads on; everything it reads
is stored, and only then deleted.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator, GreenApiSendMessageOperator
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore, read_batch

CHAT = "{{ params.chat_id }}"
PARAMS = {"chat_id": Param("12025550101@c.us", type="string")}
QUESTION = "Where do we meet? The first answer to this message decides."
STORE = SqlStore("green_api_warehouse")
LATE = 5 * 60  # seconds


@dag(schedule=None, catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__, params=PARAMS)
def answer_late_voters() -> None:
    ask = GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message=QUESTION, retries=2)
    answers = {"type_webhook": "incomingMessageReceived", "chat_id": CHAT, "quoted_id": ask.output}
    wait = GreenApiNotificationSensor(
        task_id="wait", matching=answers, unmatched=STORE, deferrable=True, timeout=3600
    )
    read_on = GreenApiDrainNotificationsOperator(
        task_id="read_on", store=STORE, until=None, max_seconds=LATE, empty_answers=LATE, retries=2
    )

    @task
    def late(batch: dict[str, Any], asked: str, first: dict[str, Any]) -> list[dict[str, Any]]:
        told = {"message": "This is already decided.", "quoted_message_id": asked}
        answers = [each for each in read_batch(batch) if each.quoted_id == asked]
        return [told | {"chat_id": each.chat_id} for each in answers if each.key != first["key"]]

    voters = late(read_on.output, ask.output, wait.output)
    tell = GreenApiSendMessageOperator(task_id="tell", messages=voters, retries=2)
    wait >> read_on >> tell


answer_late_voters()
