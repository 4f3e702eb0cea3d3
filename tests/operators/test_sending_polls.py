"""Sending a poll: once, and within the gateway's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.operators import GreenApiSendMessageOperator, GreenApiSendPollOperator

CHATS = {"whatsapp": "12025550101@c.us", "telegram": "10000001", "v3": "10000001"}
CHAT = CHATS["whatsapp"]
needs_task_state = pytest.mark.skipif(
    "task_state_store" not in KNOWN_CONTEXT_KEYS, reason="Airflow below 3.3 keeps no task state"
)


def poll(**arguments: Any) -> GreenApiSendPollOperator:
    given: dict[str, Any] = {"chat_id": CHAT, "message": "Deploy?", "options": ["yes", "no"]}
    return GreenApiSendPollOperator(task_id="ask", **given | arguments)


def test_poll_in_a_real_dag_run_is_rendered_and_returns_the_id(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """Question and options as the Dag's file says them, and the XCom is the poll's id."""
    ti = run_task(
        GreenApiSendPollOperator,
        chat_id=CHAT,
        message="Run {{ run_id }}?",
        options=["yes {{ 1 + 1 }}", "no"],
        multiple_answers="{{ true }}",
        quoted_message_id="3EB0C767D097B7C7C030",
    )
    (sent,) = green_api_connection.sent()
    assert (sent["method"], sent["message"]) == ("sendPoll", f"Run {ti.run_id}?")
    assert sent["options"] == [{"optionName": "yes 2"}, {"optionName": "no"}]
    assert (sent["multipleAnswers"], sent["quotedMessageId"]) == (True, "3EB0C767D097B7C7C030")
    assert ti.xcom_pull(task_ids="task") == sent["idMessage"]


@needs_task_state
@pytest.mark.parametrize("product", CHATS)
@pytest.mark.parametrize(
    "switches", [{"journal_lag": 1.0}, {"send_delay": 1.0}], ids=["journal", "send queue"]
)
def test_poll_cut_after_the_effect_over_a_retry_reaches_the_chat_once(
    green_api_connection: GreenApiEmulator,
    context: Any,
    switches: dict[str, Any],
    product: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A retry finds it in the send queue or in the journal, by question and options."""
    instance = green_api_connection.add_instance(type_instance=product)
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", instance.connection)
    instance.switch(**switches)
    instance.fault("cut_after", method="sendPoll")
    instance.fault("status", status=403, method="showMessagesQueue")
    asking = {"chat_id": CHATS[product], "green_api_conn_id": "other", "journal_lag": 3}
    with pytest.raises(Exception, match="it may have had its effect"):
        poll(**asking).execute(context)
    (sent,) = instance.sent()
    assert poll(**asking).execute(context) == sent["idMessage"]
    assert len(instance.sent()) == 1


def test_poll_is_not_taken_for_a_message_of_the_same_words(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Nor the other way round."""
    green_api_connection.fault("cut_before", method="sendMessage")
    first = poll().execute(context)
    text = GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message="Deploy?")
    with pytest.raises(Exception, match="it may have had its effect"):
        text.execute({"task_state_store": type(context["task_state_store"])()})
    assert [item["idMessage"] for item in green_api_connection.sent()] == [first]


def test_poll_with_too_long_a_question_asks_nothing(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Only the running task knows what a template makes of it."""
    with pytest.raises(AirflowFailException, match="question has 256 characters"):
        poll(message="q" * 256).execute(context)
    assert green_api_connection.requests() == []


def test_poll_that_holds_the_token_is_not_sent(green_api_connection: GreenApiEmulator, context: Any) -> None:
    """In its question or in one of its options."""
    for arguments in (
        {"message": green_api_connection.api_token},
        {"options": ["no", green_api_connection.api_token]},
    ):
        with pytest.raises(AirflowFailException, match="holds the token"):
            poll(**arguments).execute(context)
    assert green_api_connection.sent() == []
