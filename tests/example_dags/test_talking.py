"""The example Dags that send, fetch files, and repair a gap."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from tests.example_dags.conftest import EXAMPLES, load_dag, states

CHAT = "12025550101@c.us"
NOISE = example_notifications()[0]["body"]


def approval(name: str = "approve_by_chat", deadline: float | None = None) -> Any:
    """The Dag that asks, with less patience than in life."""
    dag = load_dag(name)
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
    if deadline:
        dag.get_task("wait").timeout = deadline
    return dag


def stored_ids(warehouse: str) -> list[str]:
    with sqlite3.connect(warehouse) as database:
        return [row[0] for row in database.execute("SELECT id_message FROM green_api_notifications")]


@pytest.mark.parametrize(("answer", "release"), [("Yes", "success"), ("No", "skipped")])
def test_approve_by_chat_follows_the_answer_shows_who_decided_and_deletes_it_at_the_end(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    warehouse: str,
    answer: str,
    release: str,
) -> None:
    """What came in front of it is stored, not lost; the question shows who decided; the queue ends empty."""
    green_api_connection.push(NOISE)
    green_api_connection.reply("Shall the release go out", answer)
    run = run_dag(approval(), run_conf={"chat_id": CHAT})
    done = states(run)
    assert (run.state, done.pop("release"), set(done.values())) == ("success", release, {"success"})
    asked, told = green_api_connection.sent()
    assert (told["method"], told["idMessageEdited"]) == ("editMessage", asked["idMessage"])
    decision = "Approved" if answer == "Yes" else "Rejected"
    assert re.fullmatch(rf"{decision} by .+ at \d\d:\d\d UTC\.", told["message"])
    assert green_api_connection.queue() == []
    assert stored_ids(warehouse) == [NOISE["idMessage"]]


@pytest.mark.parametrize(("answer", "release"), [("Yes", "success"), ("No", "skipped")])
def test_approve_by_poll_follows_the_vote_and_deletes_it_at_the_end(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    warehouse: str,
    answer: str,
    release: str,
) -> None:
    """What came in front of it is stored, not lost; the queue ends empty."""
    green_api_connection.settings(pollMessageWebhook="yes")
    green_api_connection.push(NOISE)
    green_api_connection.reply("Shall the release go out", answer)
    run = run_dag(approval("approve_by_poll"), run_conf={"chat_id": CHAT})
    done = states(run)
    assert (run.state, done.pop("release"), set(done.values())) == ("success", release, {"success"})
    assert [sent["method"] for sent in green_api_connection.sent()] == ["sendPoll"]
    assert green_api_connection.queue() == []
    assert stored_ids(warehouse) == [NOISE["idMessage"]]


def test_answer_late_voters_tells_whoever_is_late_that_it_is_decided(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], warehouse: str
) -> None:
    """Once, quoting the question; what comes late about something else is stored and not answered."""
    green_api_connection.reply("Where do we meet", "At the harbour")
    green_api_connection.reply("Where do we meet", "At mine", sender="12025550109@c.us", delay=0.2)
    green_api_connection.reply("Where do we meet", "What?", quoted=False, delay=0.3)
    dag = approval("answer_late_voters")
    dag.get_task("read_on").max_seconds = 3.0
    run = run_dag(dag, run_conf={"chat_id": CHAT})
    assert (run.state, set(states(run).values())) == ("success", {"success"})
    asked, told = green_api_connection.sent()
    assert (told["message"], told["chatId"]) == ("This is already decided.", CHAT)
    assert told["quotedMessageId"] == asked["idMessage"]
    assert green_api_connection.queue() == []
    assert len(stored_ids(warehouse)) == 3


@pytest.mark.parametrize("question", ["Shall the release go out?", "Yes or no: the release?"])
def test_vote_that_was_taken_back_approves_nothing(question: str) -> None:
    """Nobody stands behind an option then, and the question itself is no answer."""
    is_approved = load_dag("approve_by_poll").get_task("is_approved").python_callable
    votes = [{"optionName": option, "optionVoters": []} for option in ("Yes", "No")]
    poll = {"stanzaId": "3EB0", "name": question, "votes": votes}
    data = {"typeMessage": "pollUpdateMessage", "pollMessageData": poll}
    assert not is_approved(Notification(1, {"messageData": data}).as_dict())


@pytest.mark.parametrize("contact_ids", ["lid", "changes midway"])
def test_approve_by_chat_asked_by_number_is_answered_from_the_lid(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str, contact_ids: str
) -> None:
    """The chat is named by phone number, and whoever is behind it appears under a LID."""
    green_api_connection.switch(contact_ids=contact_ids)
    green_api_connection.reply("Reply to this message", "yes")
    run = run_example("approve_by_chat", chat_id=CHAT)
    assert (run.state, states(run)["release"]) == ("success", "success")
    answers = [entry["body"] for entry in green_api_connection.audit()]
    assert {body["senderData"]["chatId"] for body in answers} == {f"{2 * 10**14 + 12025550101}@lid"}
    assert green_api_connection.queue() == []


def test_approve_by_chat_without_an_answer_in_time_fails_and_releases_nothing(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], warehouse: str
) -> None:
    """A "yes" that quotes nothing approves nothing; it is stored, and nobody is told of a decision."""
    green_api_connection.reply("Reply to this message", "yes", quoted=False)
    run = run_dag(approval(deadline=1))
    done = states(run)
    assert (run.state, done["wait"], done["release"]) == ("failed", "failed", "upstream_failed")
    assert len(green_api_connection.sent()) == 1
    assert len(stored_ids(warehouse)) == 1


def test_alert_on_failure_tells_of_the_retry_and_of_the_failure(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any]
) -> None:
    """Two alerts, each with its own text; a gateway in trouble changes nothing about the task."""
    assert run_example("alert_on_failure", chat_id=CHAT).state == "failed"
    retried, failed = (item["message"] for item in green_api_connection.sent())
    assert retried == "load failed, and is tried again in a while."
    assert failed.startswith("Task failed: alert_on_failure.load\n")


def test_answer_messages_answers_each_text_once_and_as_it_is(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str
) -> None:
    """Each in its own chat, quoting; what looks like a template stays text; nothing but texts is answered."""
    written = "{{ conn.green_api_default.password }} {{ 7 * 7 }}"
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": written}}
    sender = NOISE["senderData"]
    private = {
        "messageData": message,
        "senderData": sender | {"chatId": CHAT},
        "idMessage": "3EB0C767D26A1D7F21C2",
    }
    group = {"messageData": message, "senderData": sender | {"chatId": "1@g.us"}, "idMessage": "3EB0B"}
    for _ in range(2):
        green_api_connection.push(NOISE | private, NOISE | group, {"typeWebhook": "incomingCall"})
        run = run_example("answer_messages")
        assert states(run)["drain"] in ("success", "skipped")
    (answer,) = green_api_connection.sent()
    assert written in answer["message"]
    assert (answer["chatId"], answer["quotedMessageId"]) == (CHAT, "3EB0C767D26A1D7F21C2")


def test_archive_media_keeps_every_file_beside_its_notification(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """The index names files that are there, also those whose link had expired."""
    green_api_connection.push(NOISE)
    for name in ("one.jpg", "two.pdf"):
        green_api_connection.media_message(name, 5000, expires_after=60)
    green_api_connection.advance(120)
    dag = load_dag("archive_media")
    dag.get_task("download").allow_private_addresses = True  # the emulator's links lead to this machine
    run = run_dag(dag, run_conf={"archive": str(tmp_path)})
    index = run.get_task_instance("index").xcom_pull(task_ids="index")
    assert sorted(Path(path).suffix for path in index.values()) == [".jpg", ".pdf"]
    assert all(Path(path).stat().st_size == 5000 for path in index.values())


def test_backfill_after_outage_brings_what_retention_took(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str
) -> None:
    """What the queue has comes by the drain, what it lost from the journals; a second run adds nothing."""
    instance = {"idInstance": int(green_api_connection.id_instance)}
    for age, count in ((30, 4), (2, 3)):
        for number in range(count):
            moment = {"timestamp": int(time.time()) - age * 3600 + number}
            identity = {"idMessage": f"3EB0{age}{number}", "instanceData": instance}
            green_api_connection.push(NOISE | moment | identity)
        if age == 30:
            green_api_connection.advance(25 * 3600)
    for _ in range(2):
        assert run_example("backfill_after_outage").state == "success"
    with sqlite3.connect(warehouse) as database:
        rows = database.execute(
            "SELECT note, count(*) FROM green_api_notifications GROUP BY note ORDER BY note"
        ).fetchall()
    assert rows == [(None, 3), ('{"source": "journal"}', 4)]


def test_no_example_keeps_anything_in_a_folder_that_others_may_write_to() -> None:
    """In a folder for all, somebody else may have made the one that the Dag writes to."""
    for path in EXAMPLES.glob("*.py"):
        assert not re.search(r"[/]tmp|tempfile", path.read_text()), path.name
