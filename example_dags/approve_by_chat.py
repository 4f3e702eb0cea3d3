"""Ask in a chat, in words or by a poll; wait for the answer; decide, and show in the chat who decided.

The answer must quote the question, or vote on it, so that a "yes" to something else, or from before, approves
nothing. What else comes into the queue meanwhile is stored, and only then deleted. The answer itself stays in
the queue until the decision is carried out: whatever task dies, its retry goes on, and the question is sent
once. For some minutes after the decision the Dag goes on reading, and tells whoever is late.

One run at a time, since a queue has one reader; beside another reader, see approvals_beside_etl. Votes in a
poll need the settings incomingWebhook and pollMessageWebhook.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiCallOperator,
    GreenApiDeleteNotificationOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiSendMessageOperator,
    GreenApiSendPollOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import SqlStore, read_batch

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite
DEADLINE = 14 * 60  # seconds; WhatsApp takes the edit of a question for a quarter of an hour
LATE = 5 * 60  # seconds
ASKED = "{{ ti.xcom_pull(['ask_in_words', 'ask_by_poll']) | select | first }}"


def says_yes(answer: Notification) -> bool:
    """Tell what was answered: by the first words, or by the option that somebody stands behind.

    A vote that was taken back is no "yes".
    """
    votes = answer.body["messageData"].get("pollMessageData", {}).get("votes")
    if votes is None:
        words = answer.text or ""
    else:
        words = next((vote["optionName"] for vote in votes if vote["optionVoters"]), "")
    return words.strip().lower().startswith("yes")


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["green-api"],
    doc_md=__doc__,
    params={
        "chat_id": Param("12025550101@c.us", type="string"),
        "question": Param("Shall the release go out?", type="string"),
        "poll": Param(False, type="boolean"),
    },
)
def approve_by_chat() -> None:
    @task.branch
    def choose(params: dict[str, Any] | None = None) -> str:
        return "ask_by_poll" if params and params["poll"] else "ask_in_words"

    ask_in_words = GreenApiSendMessageOperator(
        task_id="ask_in_words",
        chat_id="{{ params.chat_id }}",
        message="{{ params.question }} Reply to this message with yes or no.",
        retries=2,
    )
    ask_by_poll = GreenApiSendPollOperator(
        task_id="ask_by_poll",
        chat_id="{{ params.chat_id }}",
        message="{{ params.question }}",
        options=["Yes", "No"],
        retries=2,
    )
    wait = GreenApiNotificationSensor(
        task_id="wait",
        matching={
            "type_webhook": "incomingMessageReceived",
            "chat_id": "{{ params.chat_id }}",
            "quoted_id": ASKED,
            "text": r"{% if not params.poll %}(?i)^\s*(yes|no)\b{% endif %}",
        },
        unmatched=SqlStore(WAREHOUSE),
        deferrable=True,
        timeout=DEADLINE,
        soft_fail=True,  # past it, this is skipped and the decision goes on without an answer
        retries=1,
        trigger_rule="none_failed_min_one_success",
    )

    @task.branch(trigger_rule="none_failed")
    def decide(answer: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> list[str]:
        if answer is None:
            return ["nobody_answered"]
        decision = "approved" if says_yes(Notification.from_dict(answer)) else "rejected"
        return [decision, "answer_poll" if params and params["poll"] else "edit_question"]

    @task
    def verdict(answer: dict[str, Any]) -> str:
        given = Notification.from_dict(answer)
        decision = "Approved" if says_yes(given) else "Rejected"
        return f"{decision} by {given.sender_name or given.sender} at {given.timestamp:%H:%M} UTC."

    @task
    def approved() -> None:
        print("The release goes out.")

    @task
    def rejected() -> None:
        print("The release stays.")

    edit_question = GreenApiCallOperator(
        task_id="edit_question",
        verb="POST",
        method="editMessage",
        payload={
            "chatId": "{{ params.chat_id }}",
            "idMessage": ASKED,
            "message": "{{ params.question }}\n{{ ti.xcom_pull('verdict') }}",
        },
        repeat=True,  # the same edit twice does no harm
    )
    answer_poll = GreenApiSendMessageOperator(  # a poll can't be edited
        task_id="answer_poll",
        chat_id="{{ params.chat_id }}",
        message="{{ ti.xcom_pull('verdict') }}",
        quoted_message_id=ASKED,
    )
    nobody_answered = GreenApiSendMessageOperator(
        task_id="nobody_answered",
        chat_id="{{ params.chat_id }}",
        message="Nobody answered in time, so it stays as it is.",
        quoted_message_id=ASKED,
    )
    delete = GreenApiDeleteNotificationOperator(
        task_id="delete", notification=wait.output, trigger_rule="none_failed_min_one_success"
    )
    read_on = GreenApiDrainNotificationsOperator(
        task_id="read_on",
        store=SqlStore(WAREHOUSE),
        until=None,
        max_seconds=LATE,
        empty_answers=LATE,
        trigger_rule="none_failed_min_one_success",
    )

    @task
    def to_late_voters(batch: dict[str, Any], asked: str) -> list[dict[str, str]]:
        return [
            {"chat_id": late.chat_id, "message": "This is already decided.", "quoted_message_id": asked}
            for late in read_batch(batch)
            if late.type_webhook == "incomingMessageReceived" and late.quoted_id == asked and late.chat_id
        ]

    already_decided = GreenApiSendMessageOperator(
        task_id="already_decided", messages=to_late_voters(read_on.output, ASKED)
    )

    choose() >> [ask_in_words, ask_by_poll] >> wait
    decision, words = decide(wait.output), verdict(wait.output)
    decision >> [approved(), rejected()] >> delete
    [decision, words] >> edit_question >> delete
    [decision, words] >> answer_poll >> delete
    decision >> nobody_answered
    [delete, nobody_answered] >> read_on >> already_decided


approve_by_chat()
