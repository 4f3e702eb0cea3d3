"""Waiting until what was sent is delivered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiUnavailableError
from airflow_green_notify.hooks import delivery, rate_limit
from airflow_green_notify.operators import (
    GreenApiSendFileOperator,
    GreenApiSendMessageOperator,
    GreenApiSendPollOperator,
)
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.triggers import GreenApiDeliveryTrigger

CHAT = "12025550101@c.us"
PRODUCTS = ["whatsapp", "telegram", "v3"]
SWITCHES: dict[str, Any] = {"rate_limits": False}
ON_EACH_PRODUCT = pytest.mark.parametrize(
    "green_api_switches", [{**SWITCHES, "type_instance": each} for each in PRODUCTS], ids=PRODUCTS
)
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
needs_task_state = pytest.mark.skipif(
    "task_state_store" not in KNOWN_CONTEXT_KEYS, reason="Airflow below 3.3 keeps no task state"
)


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return SWITCHES


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> GreenApiEmulator:
    """A gateway that keeps statuses, and may be asked as often as a test likes."""
    monkeypatch.setattr(rate_limit.RateLimit, "take", lambda self: 0.0)
    green_api_connection.settings(outgoingWebhook="yes")
    return green_api_connection


def asking(**arguments: Any) -> GreenApiSendMessageOperator:
    given = {"message": "Deploy?", "wait_for": "delivered", "poll_interval": 0.1, "max_wait": 20}
    return GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, **given | arguments)


def asked(gateway: GreenApiEmulator) -> list[str]:
    return [item["method"] for item in gateway.requests()]


@MODES
@pytest.mark.parametrize("wait_for", ["sent", "delivered", "read"])
@ON_EACH_PRODUCT
def test_send_waits_for_each_stage_on_each_product(
    gateway: GreenApiEmulator, run_task: Callable[..., Any], wait_for: str, deferrable: bool
) -> None:
    """The task ends when the message is so far, and returns its id; the queue is left as it was."""
    gateway.switch(status_delay=0.4)
    ti = run_task(
        GreenApiSendMessageOperator,
        chat_id=CHAT,
        message="Deploy?",
        wait_for=wait_for,
        poll_interval=0.1,
        deferrable=deferrable,
    )
    (sent,) = gateway.sent()
    # Read past the execution API, a text of digits comes back as a number.
    assert (ti.state, str(ti.xcom_pull(task_ids="task"))) == ("success", sent["idMessage"])
    reached = ["sent", "delivered", "read"]
    assert sent["status"] in reached[reached.index(wait_for) :]
    assert {"receiveNotification", "deleteNotification"} & {*asked(gateway)} == set()
    assert gateway.queue()


@pytest.mark.parametrize("kind", ["file", "poll"])
def test_files_and_polls_are_waited_for_too(
    gateway: GreenApiEmulator, context: Any, tmp_path: Path, kind: str
) -> None:
    """By what all operators share that send."""
    waiting: dict[str, Any] = {"task_id": "ask", "chat_id": CHAT, "wait_for": "read", "poll_interval": 0.1}
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    gateway.switch(status_delay=0.1)
    if kind == "file":
        task: Any = GreenApiSendFileOperator(file=tmp_path / "report.pdf", **waiting)
    else:
        task = GreenApiSendPollOperator(message="Deploy?", options=["yes", "no"], **waiting)
    assert task.execute(context) == gateway.sent()[0]["idMessage"]
    assert gateway.sent()[0]["status"] == "read"


@MODES
@pytest.mark.parametrize("status", ["failed", "noAccount", "notInGroup", "yellowCard"])
def test_message_that_fails_fails_the_task_for_good_with_the_gateways_reason(
    gateway: GreenApiEmulator,
    run_task: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: str,
    deferrable: bool,
) -> None:
    """No retry changes what became of it, and nothing is sent again."""
    monkeypatch.setattr(delivery, "CONFIRMATION", 0.3)
    gateway.deliver_as("sent", status, description="SWE004: the group\nis full")
    ti = run_task(
        GreenApiSendMessageOperator,
        retries=2,
        chat_id=CHAT,
        message="Deploy?",
        wait_for="delivered",
        poll_interval=0.1,
        deferrable=deferrable,
    )
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert len(gateway.sent()) == 1


def test_failure_names_the_status_and_the_gateways_own_words(
    gateway: GreenApiEmulator, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one line, whatever the gateway writes."""
    monkeypatch.setattr(delivery, "CONFIRMATION", 0.1)
    gateway.deliver_as("failed", description="SWE004: the group\nis full")
    with pytest.raises(
        AirflowFailException, match=r"not delivered, 'failed' \(SWE004: the group\\nis full\): the messenger"
    ):
        asking().execute(context)


def test_message_that_fails_skips_the_task_where_that_is_wanted(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """What follows may send in another way."""
    gateway.deliver_as("noAccount")
    with pytest.raises(AirflowSkipException, match="'noAccount': nobody has an account"):
        asking(on_failed="skip").execute(context)


def test_message_that_failed_and_was_delivered_after_all_is_delivered(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """Such statuses exist: one reading of "failed" or of a yellow card alarms nobody."""
    gateway.switch(status_delay=0.5)
    gateway.deliver_as("failed", "yellowCard", "delivered")
    assert asking().execute(context) == gateway.sent()[0]["idMessage"]


@MODES
def test_message_that_is_late_fails_with_what_it_is(
    gateway: GreenApiEmulator, run_task: Callable[..., Any], deferrable: bool
) -> None:
    """And is tried again, as an outage is: it may still come."""
    gateway.deliver_as("sent")
    ti = run_task(
        GreenApiSendMessageOperator,
        retries=1,
        chat_id=CHAT,
        message="Deploy?",
        wait_for="delivered",
        max_wait=0.5,
        poll_interval=0.1,
        deferrable=deferrable,
    )
    assert (ti.state, ti.try_number) == ("failed", 2)
    assert len(gateway.sent()) == 1


def test_lateness_tells_the_status_or_that_there_is_none(gateway: GreenApiEmulator, context: Any) -> None:
    """Where to look next stands in the text."""
    gateway.deliver_as("sent")
    with pytest.raises(
        GreenApiUnavailableError, match=r"is 'sent' after 0 s, not 'delivered' yet.*outgoingWebhook"
    ):
        asking(max_wait=0.2).execute(context)
    gateway.switch(send_delay=600)
    with pytest.raises(AirflowSkipException, match=r"is 'pending'|is not shown by"):
        asking(message="Another", max_wait=0.2, on_failed="skip").execute(context)


@needs_task_state
@MODES
def test_retry_waits_on_and_sends_nothing_again(
    gateway: GreenApiEmulator, run_task: Callable[..., Any], deferrable: bool
) -> None:
    """The first try sent it, and its wait ran out; the second goes on waiting."""
    gateway.switch(status_delay=1.5)
    ti = run_task(
        GreenApiSendMessageOperator,
        retries=3,
        chat_id=CHAT,
        message="Deploy?",
        wait_for="read",
        max_wait=1,
        poll_interval=0.1,
        deferrable=deferrable,
    )
    assert ti.state == "success"
    assert ti.try_number > 1
    assert len(gateway.sent()) == asked(gateway).count("sendMessage") == 1


@needs_task_state
def test_wait_ends_when_the_task_is_told_to_stop(gateway: GreenApiEmulator, context: Any) -> None:
    """Within a moment; the next try waits on for the same message."""
    gateway.deliver_as("sent")
    stopped = asking(max_wait=600, poll_interval=60)
    threading.Timer(1.0, stopped.on_kill).start()
    started = time.monotonic()
    with pytest.raises(ToldToStop):
        stopped.execute(context)
    assert time.monotonic() - started < 30
    gateway.fault("status", method="getMessage", status=200, body='{"statusMessage": "read"}')
    assert asking().execute(context) == gateway.sent()[0]["idMessage"]
    assert len(gateway.sent()) == 1


def test_outage_is_waited_out(gateway: GreenApiEmulator, context: Any) -> None:
    """A look that fails says nothing of the message."""
    for kind in ("502", "cut_after", "429"):
        gateway.fault(kind, method="getMessage", times=2)
    assert asking().execute(context)
    assert asked(gateway).count("getMessage") == 7


def test_refusal_that_no_waiting_fixes_ends_the_wait(gateway: GreenApiEmulator, context: Any) -> None:
    """A token that was changed meanwhile, an instance that was signed out."""
    gateway.fault("status", status=401, method="getMessage", times=None)
    started = time.monotonic()
    with pytest.raises(AirflowFailException, match="getMessage was refused with 401"):
        asking(on_failed="skip").execute(context)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "body": "Message not found by id 3EB0"},
        {"status": 404, "body": "Cannot POST"},
        {"status": 200, "body": '{"type": "outgoing", "statusMessage": ""}'},
    ],
    ids=["not found", "no such method", "no status"],
)
def test_journal_is_looked_through_where_the_message_is_not_found(
    gateway: GreenApiEmulator, context: Any, answer: dict[str, Any]
) -> None:
    """By the message's id alone: its chat may go by another id."""
    gateway.fault("status", method="getMessage", times=None, **answer)
    assert asking().execute(context) == gateway.sent()[0]["idMessage"]
    assert "lastOutgoingMessages" in asked(gateway)


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (["sent", "read", "delivered"], "read"),
        (["delivered", "failed"], "delivered"),
        (["failed", ""], "failed"),
        (["brandNew", None], "brandNew"),
    ],
)
async def test_journal_with_several_entries_of_a_message_shows_how_far_it_came(
    statuses: list[Any], found: str
) -> None:
    """Statuses repeat and come out of order."""
    entries = [delivery._found({"statusMessage": status}) for status in statuses]
    assert max(entries, key=delivery._progress).status == found


@ON_EACH_PRODUCT
def test_message_of_another_chat_with_the_same_id_is_another_where_ids_are_the_chats(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """Telegram and MAX count messages within each chat; on WhatsApp one chat has two ids."""
    on_whatsapp = gateway.type_instance == "whatsapp"
    asked_in, shown_in = (CHAT, "200012025550101@lid") if on_whatsapp else ("10000042", "10000043")
    gateway.fault("status", status=400, method="getMessage", times=None, body="Message not found by id 17")
    gateway.fault("status", status=200, method="sendMessage", body='{"idMessage": "17"}')
    entry = {"type": "outgoing", "idMessage": "17", "chatId": shown_in, "statusMessage": "delivered"}
    gateway.fault("status", status=200, method="lastOutgoingMessages", times=None, body=json.dumps([entry]))
    task = GreenApiSendMessageOperator(
        task_id="ask", chat_id=asked_in, message="Deploy?", wait_for="sent", poll_interval=0.1, max_wait=0.3
    )
    if on_whatsapp:
        assert task.execute(context) == "17"
        return
    with pytest.raises(GreenApiUnavailableError, match="Message 17 is not shown by the gateway"):
        task.execute(context)


@MODES
def test_look_that_takes_too_long_is_given_up_soon_after_the_deadline(
    gateway: GreenApiEmulator,
    run_task: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    deferrable: bool,
) -> None:
    """Many waits share a limit, and Airflow would end a deferral that is over without a word why."""
    monkeypatch.setattr(delivery, "LAST_LOOK", 0.5)
    gateway.fault("slow", seconds=20, method="getMessage", times=None)
    started = time.monotonic()
    ti = run_task(
        GreenApiSendMessageOperator,
        chat_id=CHAT,
        message="Deploy?",
        wait_for="delivered",
        on_failed="skip",
        max_wait=0.2,
        poll_interval=0.1,
        deferrable=deferrable,
    )
    assert ti.state == "skipped"
    assert time.monotonic() - started < 15


async def test_trigger_is_serialized_without_credentials_and_comes_back_as_it_was(gateway: Any) -> None:
    """Connection id and JSON scalars."""
    trigger = GreenApiDeliveryTrigger("green_api_default", CHAT, "3EB0", 1.5, "read", 2.5, 5.0)
    path, arguments = trigger.serialize()
    assert path == "airflow_green_notify.triggers.delivery.GreenApiDeliveryTrigger"
    assert GreenApiDeliveryTrigger(**arguments).serialize() == (path, arguments)
    assert all(isinstance(value, str | float) for value in arguments.values())
    assert gateway.api_token not in repr(arguments)


async def test_trigger_without_its_connection_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task fails with words, instead of a traceback in the triggerer's log."""
    trigger = GreenApiDeliveryTrigger("no_such_connection", CHAT, "3EB0", 1.5, "read", time.time() + 5, 0.1)
    event = await anext(trigger.run())
    assert "no_such_connection" in event.payload["error"]
    assert (event.payload["retryable"], event.payload["undelivered"]) == (False, False)


def test_deferral_is_bounded_by_the_wait_and_by_the_execution_timeout(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """Where no triggerer runs, Airflow ends it."""
    with pytest.raises(TaskDeferred) as deferred:
        asking(deferrable=True, max_wait=100).execute(context)
    assert deferred.value.timeout is not None
    assert 100 <= deferred.value.timeout.total_seconds() <= 100 + 60
    assert deferred.value.method_name == "execute_complete"
