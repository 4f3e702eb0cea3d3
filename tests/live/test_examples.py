"""The example Dags that wait or stream, in a real Airflow, driven by what comes into the queues."""

from __future__ import annotations

import pytest

from airflow_green_notify.emulator import GatewayInstance, example_notifications
from airflow_green_notify.notification import Notification
from tests.live.conftest import Live, on_sqlite
from tests.live.running_airflow import until

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


def test_fleet_to_warehouse_drains_all_instances_when_something_comes(live: Live) -> None:
    """One ring, and what waits in each queue of the fleet is a row, told apart by instance."""
    with live.airflow.running("fleet_to_warehouse"):
        until(lambda: live.airflow.is_watched_by("GreenApiDoorbellTrigger"), 60, "watcher")
        push_texts(live, "fleet")
        wanted = {(instance.id_instance, "fleet") for instance in live.fleet}
        until(
            lambda: rows(live, "green_api_notifications") >= wanted,
            120,
            "a text of each instance in the table",
        )
    assert not any(instance.queue() for instance in live.fleet)


def test_stream_to_warehouse_stores_what_comes_while_its_task_runs(live: Live) -> None:
    """Messages of both instances are rows while one and the same run goes on; ended, it lets go."""
    with live.airflow.running("stream_to_warehouse"):
        runs = "SELECT run_id FROM dag_run WHERE dag_id = 'stream_to_warehouse'"
        until(lambda: live.airflow.query(runs), 60, "run")
        for text in ("streamed first", "streamed next"):
            push_texts(live, text)
            wanted = {(instance.id_instance, text) for instance in live.fleet}
            until(lambda: rows(live, "green_api_notifications") >= wanted, 90, f"rows: {text}")  # noqa: B023
        ((run,),) = live.airflow.query(runs)
        assert live.airflow.task_state("stream_to_warehouse", run, "drain") == "running"
    live.airflow.api("PATCH", f"dags/stream_to_warehouse/dagRuns/{run}", state="failed")
    held = "SELECT 1 FROM green_api_notifications_leases WHERE expires_at > 0 AND owner LIKE 'stream_to_%'"
    until(lambda: not live.warehouse.query(held), 60, "release of the leases")


def test_approvals_beside_etl_end_in_the_triggerer_and_hand_on_the_answer(live: Live) -> None:
    """Two wait for two answers beside the stream; each gets its own, as its next task reads it.

    Where the triggerer can't write the result just then, a worker ends the task, which is no fault.
    """
    with live.airflow.running("stream_to_warehouse", "approvals_beside_etl"):
        runs = [live.airflow.trigger("approvals_beside_etl", question=f"Number {each}?") for each in (1, 2)]
        for run in runs:
            until(
                lambda: live.airflow.task_state("approvals_beside_etl", run, "answer") == "deferred",  # noqa: B023
                120,
                "deferral",
            )
        questions = {each["message"][:9]: each["idMessage"] for each in live.fleet[0].sent()}
        for name, text in (("Number 2?", "No"), ("Number 1?", "Yes, please")):
            answer = answer_to({"chatId": "1@c.us", "idMessage": questions[name]})
            answer["messageData"] = {
                "typeMessage": "quotedMessage",
                "extendedTextMessageData": {"text": text},
                "quotedMessage": {"stanzaId": questions[name]},
            }
            live.fleet[0].push(answer)
        for run in runs:
            until(
                lambda: live.airflow.run_state("approvals_beside_etl", run) == "success",  # noqa: B023
                120,
                "end of the run",
            )
    decided = "SELECT run_id, CAST(value AS TEXT) FROM xcom WHERE task_id = 'decide' AND key = 'return_value'"
    words = dict(live.airflow.query(decided))
    assert ["Approved by Ann." in words[runs[0]], "Rejected by Ann." in words[runs[1]]] == [True, True]
    resumed = "SELECT count(*) FROM task_instance WHERE task_id = 'answer' AND next_method IS NULL"
    assert live.airflow.query(resumed)[0][0] < len(runs)


def test_support_desk_hands_a_hard_question_to_a_person_and_sends_the_reply_once(live: Live) -> None:
    """An easy one is answered meanwhile; the hard one as soon as somebody wrote an answer in Airflow."""
    desk = live.fleet[1]
    with live.airflow.running("stream_to_warehouse", "support_desk"):
        first = live.airflow.trigger("support_desk")  # nothing is a question yet
        until(lambda: live.airflow.run_state("support_desk", first) == "success", 150, "end of the first run")
        hard = "My parcel is `broken` {{ 7 * 7 }}.\nWhat now?"
        desk.push(question(desk, "3EB0000000000HARD", hard))
        until(lambda: (desk.id_instance, hard) in rows(live, "green_api_notifications"), 90, "hard question")
        live.airflow.trigger("support_desk")  # and doesn't wait for the next full minute
        waiting = "SELECT ti_id, body FROM hitl_detail WHERE subject = 'A customer asks'"
        until(lambda: live.airflow.query(waiting), 150, "question for a person")
        desk.push(question(desk, "3EB0000000000EASY", "When do you open?"))
        easy = (desk.id_instance, "When do you open?")
        until(lambda: easy in rows(live, "green_api_notifications"), 90, "easy question")
        live.airflow.trigger("support_desk")
        until(lambda: texts(desk) == ["We are here from 9 to 18."], 150, "answer to the easy question")
        ((_, body),) = live.airflow.query(waiting)
        assert body == "    My parcel is `broken` {{ 7 * 7 }}.\n    What now?"
        asking = "SELECT run_id FROM task_instance WHERE task_id = 'hand_over.ask' AND map_index = 0"
        ((run,),) = live.airflow.query(asking)
        path = f"dags/support_desk/dagRuns/{run}/taskInstances/hand_over.ask/0/hitlDetails"
        live.airflow.api("PATCH", path, chosen_options=["OK"], params_input={"answer": "Send it back."})
        until(lambda: live.airflow.run_state("support_desk", run) == "success", 150, "end of the run")
    assert texts(desk) == ["We are here from 9 to 18.", "Send it back."]
    assert desk.sent()[-1]["quotedMessageId"] == "3EB0000000000HARD"


def question(instance: GatewayInstance, id_message: str, text: str) -> dict[str, object]:
    """Somebody asks an instance."""
    asked = answer_to({"chatId": "12025550101@c.us", "idMessage": ""})
    asked |= {"idMessage": id_message, "instanceData": {"idInstance": int(instance.id_instance)}}
    return asked | {"messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}}


def texts(instance: GatewayInstance) -> list[str]:
    """What an instance has sent."""
    return [each["message"] for each in instance.sent()]


def push_texts(live: Live, text: str) -> None:
    """Push a message to each instance of the fleet."""
    for instance in live.fleet:
        message = answer_to({"chatId": "1@c.us", "idMessage": text})
        message["instanceData"] = {"idInstance": int(instance.id_instance)}
        message["messageData"] = {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}
        instance.push(message)


def rows(live: Live, table: str) -> set[tuple[str, str]]:
    """Instance and text of each row of a table; nothing if nobody has made it yet."""
    instances, texts = (live.warehouse.column(table, name) for name in ("instance_id", "text"))
    return set(zip(instances, texts, strict=False))


def answer_to(question: dict[str, object]) -> dict[str, object]:
    """What comes into the queue when the chat says yes to a message."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "timestamp": 1_790_000_000,
        "idMessage": f"ANSWER-{question['idMessage']}",
        "senderData": {"chatId": question["chatId"], "sender": question["chatId"], "senderName": "Ann"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Yes, it is"}},
    }
