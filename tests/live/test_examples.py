"""The example Dags of waiting, in a real Airflow, driven by what comes into the queue."""

from __future__ import annotations

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.notification import Notification
from tests.live.conftest import Live, on_sqlite
from tests.live.live_airflow import until

pytestmark = [pytest.mark.live, on_sqlite]


def keys_of_messages(*items: dict[str, object]) -> set[str]:
    notifications = [Notification(0, item["body"]) for item in items]
    return {item.key for item in notifications if item.type_webhook == "incomingMessageReceived"}


def test_wait_for_reply_sleeps_in_the_triggerer_until_the_answer_comes(live: Live) -> None:
    """The question goes out, the task is deferred, the answer decides and is deleted at the end."""
    with live.airflow.running("wait_for_reply"):
        run = live.airflow.trigger("wait_for_reply")
        until(lambda: live.airflow.task_state("wait_for_reply", run, "answer") == "deferred", 90, "deferral")
        (question,) = live.gateway.sent()
        live.gateway.push(answer_to(question))
        until(lambda: live.airflow.run_state("wait_for_reply", run) == "success", 90, "end of the run")
    assert live.airflow.task_state("wait_for_reply", run, "publish") == "success"
    assert live.gateway.queue() == []


def test_on_new_notifications_runs_when_something_comes(live: Live) -> None:
    """Nobody starts a run: the doorbell does, and the messages arrive in the table."""
    with live.airflow.running("on_new_notifications"):
        until(lambda: live.airflow.is_watched_by("GreenApiDoorbellTrigger"), 60, "watcher")
        live.gateway.push(*example_notifications())
        wanted = keys_of_messages(*example_notifications())
        until(
            lambda: set(live.warehouse.column("chat_messages", "key")) == wanted, 120, "messages in the table"
        )
    assert live.gateway.queue() == []


def test_one_run_per_message_starts_a_run_for_each(live: Live) -> None:
    """As many runs as messages, each named by its message, all of them successful."""
    messages = [answer_to({"chatId": "1@c.us", "idMessage": str(number)}) for number in range(4)]
    with live.airflow.running("one_run_per_message", "handle_message"):
        until(lambda: live.airflow.is_watched_by("GreenApiDoorbellTrigger"), 60, "watcher")
        live.gateway.push(*messages, *messages)
        wanted = {f"message__{Notification(0, message).key}" for message in messages}
        handled = "SELECT run_id FROM dag_run WHERE dag_id = 'handle_message' AND state = 'success'"
        until(lambda: {run for (run,) in live.airflow.query(handled)} == wanted, 120, "run for each message")
    assert live.gateway.queue() == []


def answer_to(question: dict[str, object]) -> dict[str, object]:
    """What comes into the queue when the chat says yes to a message."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "timestamp": 1_790_000_000,
        "idMessage": f"ANSWER-{question['idMessage']}",
        "senderData": {"chatId": question["chatId"], "sender": question["chatId"], "senderName": "Ann"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Yes, it is"}},
    }
