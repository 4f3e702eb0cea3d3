"""Calling any method of the gateway from a task."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, task
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiUnavailableError
from airflow_green_notify.operators import GreenApiCallOperator

CHAT = "12025550101@c.us"
needs_task_state = pytest.mark.skipif(
    "task_state_store" not in KNOWN_CONTEXT_KEYS, reason="Airflow below 3.3 keeps no task state"
)


def calling(**arguments: Any) -> GreenApiCallOperator:
    given: dict[str, Any] = {"verb": "POST", "method": "archiveChat", "payload": {"chatId": CHAT}}
    return GreenApiCallOperator(task_id="call", **given | arguments)


def asked(gateway: GreenApiEmulator) -> list[str]:
    return [item["method"] for item in gateway.requests()]


def test_call_in_a_real_dag_run_is_rendered_and_returns_the_answer(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """As the gateway gives it, parsed."""
    ti = run_task(
        GreenApiCallOperator,
        verb="{{ 'post' }}",
        method="send{{ 'Message' }}",
        payload={"chatId": CHAT, "message": "Run {{ run_id }}"},
    )
    (sent,) = green_api_connection.sent()
    assert sent["message"] == f"Run {ti.run_id}"
    assert ti.xcom_pull(task_ids="task") == {"idMessage": sent["idMessage"]}


def test_payload_of_another_task_is_never_a_template(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """What people write in a chat is data, also when it is mapped over."""
    written = "{{ conn.green_api_default.password }}"
    with DAG("dag_of_calls", schedule=None) as dag:

        @task
        def payloads() -> list[dict[str, Any]]:
            return [{"payload": {"chatId": CHAT, "message": written}}]

        GreenApiCallOperator.partial(task_id="call", verb="POST", method="sendMessage").expand_kwargs(
            payloads()
        )
    assert run_dag(dag).state == "success"
    assert [item["message"] for item in green_api_connection.sent()] == [written]


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "500", "502"])
def test_call_in_doubt_fails_without_a_retry(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], fault: str
) -> None:
    """Somebody looks first: the call may have had its effect."""
    green_api_connection.fault(fault, method="sendMessage")
    payload = {"chatId": CHAT, "message": "text"}
    ti = run_task(GreenApiCallOperator, retries=3, verb="POST", method="sendMessage", payload=payload)
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert asked(green_api_connection) == ["sendMessage"]


def test_call_in_doubt_says_what_to_do_and_a_cleared_task_calls_again(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Look, then clear the task."""
    green_api_connection.fault("cut_after", method="archiveChat")
    with pytest.raises(
        AirflowFailException, match=r"whether the call had its effect, then clear the task.*repeat=True"
    ):
        calling().execute(context)
    calling().execute(context)
    assert asked(green_api_connection) == ["archiveChat", "archiveChat"]


def test_call_that_surely_did_nothing_is_left_to_the_retries(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """Too many requests, or an instance that starts."""
    green_api_connection.fault("429", method="archiveChat")
    payload = {"chatId": CHAT}
    ti = run_task(GreenApiCallOperator, retries=1, verb="POST", method="archiveChat", payload=payload)
    assert (ti.state, ti.try_number) == ("success", 2)


@pytest.mark.parametrize("fault", ["cut_after", "502"])
def test_call_that_may_be_repeated_is(
    green_api_connection: GreenApiEmulator, context: Any, fault: str
) -> None:
    """By itself, as the hook's own methods are."""
    green_api_connection.fault(fault, method="archiveChat")
    calling(repeat=True).execute(context)
    assert asked(green_api_connection) == ["archiveChat", "archiveChat"]


class Killed(BaseException):
    """Stands for what ends a process in the middle of a call."""


@needs_task_state
def test_call_that_a_killed_try_began_is_not_made_by_the_retry(
    green_api_connection: GreenApiEmulator, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of what was begun outlives the try; once somebody was told, a cleared task calls."""
    doomed = calling()

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(doomed.hook, "call", die)
    with pytest.raises(Killed):
        doomed.execute(context)
    with pytest.raises(AirflowFailException, match="earlier try ended while it called archiveChat"):
        calling().execute(context)
    assert asked(green_api_connection) == []
    calling().execute(context)
    assert asked(green_api_connection) == ["archiveChat"]
    assert context["task_state_store"] == {}


def test_call_that_is_refused_fails_at_once_with_the_gateways_words(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """A retry won't help."""
    with pytest.raises(AirflowFailException, match="archiveChat was refused with 400"):
        calling(payload={}).execute(context)
    assert context["task_state_store"] == {}


def test_answer_that_repeats_the_token_is_handed_on_without_it(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """In texts and in names, at any depth."""
    token = green_api_connection.api_token
    body = json.dumps({"path": f"/waInstance1/x/{token}", "list": [{token: [token]}], "count": 1})
    green_api_connection.fault("status", status=200, body=body)
    result = calling().execute(context)
    assert token not in json.dumps(result)
    assert result == {"path": "/waInstance1/x/***", "list": [{"***": ["***"]}], "count": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps(["x" * 1000]), r"1004 bytes, more than max_xcom_bytes=1000"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
    ids=["too large", "too deep"],
)
def test_answer_that_fits_into_no_xcom_fails_with_words(
    green_api_connection: GreenApiEmulator, context: Any, body: str, words: str
) -> None:
    """The text says that the call was made."""
    green_api_connection.fault("status", status=200, body=body)
    with pytest.raises(AirflowFailException, match=f"archiveChat was called, and its answer .*{words}"):
        calling(max_xcom_bytes=1000).execute(context)


def test_payload_with_the_token_is_not_sent(green_api_connection: GreenApiEmulator, context: Any) -> None:
    """However deep it lies."""
    with pytest.raises(AirflowFailException, match="payload holds the token"):
        calling(payload={"a": [{"b": green_api_connection.api_token}]}).execute(context)
    assert asked(green_api_connection) == []


def test_outage_of_a_call_that_may_be_repeated_is_retried_by_the_task(
    green_api_connection: GreenApiEmulator, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the hook has given up."""
    monkeypatch.setattr("airflow_green_notify.hooks.instance_hook._retry_wait", lambda state: 0.0)
    green_api_connection.fault("502", method="archiveChat", times=None)
    with pytest.raises(GreenApiUnavailableError):
        calling(repeat=True).execute(context)


@pytest.mark.parametrize("body", [json.dumps(["x" * 1000]), "[" * 5000 + "]" * 5000], ids=["large", "deep"])
def test_refused_answer_is_raised_where_no_token_is_in_reach(
    green_api_connection: GreenApiEmulator, context: Any, body: str
) -> None:
    """Tools that report errors keep the locals of every frame."""
    green_api_connection.fault("status", status=200, body=body)
    with pytest.raises(AirflowFailException) as refused:
        calling(max_xcom_bytes=1000).execute(context)
    error: BaseException | None = refused.value
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "airflow_green_notify" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename:
                held = [value for value in frame.f_locals.values() if isinstance(value, str)]
                assert green_api_connection.api_token not in held, frame.f_code.co_name
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("value", [{1}, float("nan"), 10**5000], ids=["a set", "nan", "digits"])
def test_payload_that_is_no_json_is_refused_without_a_retry(
    green_api_connection: GreenApiEmulator, context: Any, value: Any
) -> None:
    """Nothing that another try would mend."""
    with pytest.raises(AirflowFailException, match=r"payload .*JSON"):
        calling(payload={"a": value}).execute(context)
    assert asked(green_api_connection) == []


def test_name_that_is_made_of_the_token_is_not_sent(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """It would stand in every error and log."""
    token = "t" + green_api_connection.api_token[:40]
    task = calling(method=token)
    with pytest.raises(AirflowFailException, match="method holds the token") as refused:
        task.execute(context)
    assert token not in str(refused.value)
    assert asked(green_api_connection) == []
