"""Alerts: what they say, what they keep to themselves, and that a failed one is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
from airflow.sdk.log import mask_secret

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import (
    GreenApiConfigError,
    GreenApiTransportError,
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
)
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notifiers import GreenApiNotifier, alert_text, send_green_api_notification
from tests.frames import locals_of

CHAT = "12025550101@c.us"
TELLS_EXCEPTION = "task_state_store" in KNOWN_CONTEXT_KEYS
"""Whether ``dag.test()`` hands on the exception to callbacks, as workers of each version do."""

DEADLINE = {
    "dag_run": {"dag_id": "slow", "dag_run_id": "manual__1"},
    "deadline": {"id": "1", "deadline_time": datetime(2026, 9, 26, 8, tzinfo=UTC)},
}


def texts(gateway: GreenApiEmulator) -> list[str]:
    return [item["message"] for item in gateway.sent()]


def dag_with_callbacks(dag_id: str, *, fails: bool, retries: int = 0, **dag_arguments: Any) -> DAG:
    """A Dag of one task, ``work``, that alerts of everything."""
    with DAG(dag_id, schedule=None, **dag_arguments) as dag:

        @task(
            retries=retries,
            retry_delay=0,
            on_success_callback=GreenApiNotifier(chat_id=CHAT),
            on_retry_callback=GreenApiNotifier(chat_id=CHAT),
            on_failure_callback=GreenApiNotifier(chat_id=CHAT),
        )
        def work() -> None:
            if fails:
                mask_secret("hidden by Airflow")
                raise RuntimeError("The source is hidden by Airflow.\nA line of data") from None

        work()
    return dag


def test_alert_of_a_failing_task_tells_task_run_try_and_log(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """The default text names what failed, which try, why in a line, and where to look."""
    run = run_dag(dag_with_callbacks("alert_failing", fails=True, retries=1))
    retried, failed = texts(green_api_connection)
    assert retried.startswith("Task failed and will be retried: alert_failing.work\n")
    assert "Try: 1 of 2" in retried
    assert failed.splitlines()[:-1] == [
        "Task failed: alert_failing.work",
        f"Run: {run.run_id}",
        "Try: 2 of 2",
        *(["Error: RuntimeError: The source is ***."] if TELLS_EXCEPTION else []),
    ]
    assert "/dags/alert_failing/runs/" in failed.splitlines()[-1]


def test_alert_of_a_task_in_a_loop_tells_map_index_and_iteration() -> None:
    """A loop runs one task of a run several times, and the alert says which of them it is about."""
    ti = SimpleNamespace(
        dag_id="dag", task_id="refine.ask", map_index=2, state="failed", run_id="r", try_number=1, log_url=""
    )
    text = alert_text({"ti": ti, "loop": SimpleNamespace(index=3)})
    assert text.splitlines()[0] == "Task failed: dag.refine.ask [2], iteration 3"


def test_alert_of_a_succeeding_task_and_dag_tells_so(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """Callbacks of task and Dag both reach the chat, with words for success."""
    alert = GreenApiNotifier(chat_id=CHAT)
    run_dag(dag_with_callbacks("alert_success", fails=False, on_success_callback=alert))
    of_task, of_dag = texts(green_api_connection)
    assert of_task.startswith("Task succeeded: alert_success.work\n")
    assert of_dag.startswith("Dag succeeded: alert_success\nRun: ")


def test_alert_of_a_failing_dag_is_rendered(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """A Dag-level callback renders its templates."""
    alert = send_green_api_notification(chat_id=CHAT, message="{{ dag.dag_id }}: {{ reason }}")
    run_dag(dag_with_callbacks("alert_dag", fails=True, on_failure_callback=alert))
    assert texts(green_api_connection)[1] == "alert_dag: task_failure"


def test_alert_used_twice_renders_each_time_anew(green_api_connection: GreenApiEmulator) -> None:
    """One notifier in default_args serves many tasks."""
    alert = GreenApiNotifier(chat_id=CHAT, message="{{ task_id }} failed")
    for task_id in ("one", "two"):
        alert({"task_id": task_id})
    assert texts(green_api_connection) == ["one failed", "two failed"]


async def test_alert_of_a_missed_deadline_is_sent_from_the_event_loop(
    green_api_connection: GreenApiEmulator,
) -> None:
    """As the triggerer does it: made with the context, then awaited."""
    await GreenApiNotifier(chat_id=CHAT, context=dict(DEADLINE))
    (text,) = texts(green_api_connection)
    assert text.startswith("Deadline missed: slow\nRun: manual__1\nDue: 2026-09-26 08:00:00+00:00\n")


async def test_alert_as_the_callback_of_a_deadline_runs_in_the_triggerer(
    green_api_connection: GreenApiEmulator,
) -> None:
    """The trigger that Airflow makes of a missed deadline sends it, and ends well."""
    callbacks = pytest.importorskip("airflow.triggers.callback")
    from airflow.sdk import AsyncCallback

    callback = AsyncCallback(send_green_api_notification, kwargs={"chat_id": CHAT})
    trigger = callbacks.CallbackTrigger(callback.path, {**callback.kwargs, "context": dict(DEADLINE)})
    events = [event.payload async for event in trigger.run()]
    assert str(events[-1]["state"]) == "success"
    assert texts(green_api_connection)[0].startswith("Deadline missed: slow\n")


def test_alert_longer_than_every_product_takes_is_cut(green_api_connection: GreenApiEmulator) -> None:
    """A long text is cut in place of being refused."""
    GreenApiNotifier(chat_id=CHAT, message="x" * 5000)({})
    assert texts(green_api_connection) == ["x" * 3999 + "…"]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"kind": "502"}, GreenApiUnavailableError, "refused with 502"),
        ({"kind": "cut_before"}, GreenApiTransportError, "got no answer"),
        ({"kind": "status", "status": 401, "body": ""}, GreenApiUnauthorizedError, "the token is wrong"),
    ],
)
async def test_alert_with_a_gateway_in_trouble_raises_and_is_not_sent_twice(
    green_api_connection: GreenApiEmulator, fault: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Sync and async, whoever called learns that there was no alert, and why."""
    green_api_connection.fault(**fault, times=None)
    alert = GreenApiNotifier(chat_id=CHAT, message="x", context={})
    with pytest.raises(error, match=words):
        alert({})
    with pytest.raises(error, match=words):
        await alert
    assert len(green_api_connection.requests()) == 2


def test_alert_without_its_connection_raises() -> None:
    """A connection that is missing is named."""
    with pytest.raises(Exception, match="no_such_connection"):
        GreenApiNotifier(chat_id=CHAT, message="x", green_api_conn_id="no_such_connection")({})


def test_alert_that_fails_changes_no_state(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """A task that succeeded stays so, and so does its run, though no callback could tell of it."""
    green_api_connection.fault("502", method="sendMessage", times=None)
    alert = GreenApiNotifier(chat_id=CHAT)
    run = run_dag(dag_with_callbacks("alert_lost", fails=False, on_success_callback=alert))
    assert (run.state, run.get_task_instance("work").state) == ("success", "success")
    assert [item["method"] for item in green_api_connection.requests()] == ["sendMessage"] * 2


async def test_alert_that_fails_is_a_failed_callback_of_its_deadline(
    green_api_connection: GreenApiEmulator,
) -> None:
    """Airflow notes that a missed deadline was told to nobody."""
    callbacks = pytest.importorskip("airflow.triggers.callback")
    green_api_connection.fault("502", method="sendMessage", times=None)
    arguments = {"chat_id": CHAT, "context": dict(DEADLINE)}
    name = f"{GreenApiNotifier.__module__}.{GreenApiNotifier.__qualname__}"
    events = [event.payload async for event in callbacks.CallbackTrigger(name, arguments).run()]
    assert str(events[-1]["state"]) == "failed"
    assert "refused with 502" in str(events[-1])


# --- what an alert says of an exception ---


def text_of(error: BaseException | str) -> list[str]:
    """The lines about an exception."""
    ti = SimpleNamespace(dag_id="d", task_id="t", state="failed", run_id="r", try_number=1, log_url="")
    return alert_text({"ti": ti, "exception": error}).splitlines()[3:-1]


def chained(outer: Exception, *causes: Exception) -> Exception:
    """An exception that was raised from another, and that from the next."""
    error = outer
    for cause in causes:
        error.__cause__ = cause
        error = cause
    return outer


@pytest.mark.skipif(not TELLS_EXCEPTION, reason="dag.test() of Airflow below 3.3 hands on no exception")
def test_alert_of_a_wrong_token_names_the_cause(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """What a person must do stands in the alert, not only in the log."""
    green_api_connection.fault("status", status=401, body="", method="getStateInstance", times=None)
    with DAG("alert_token", schedule=None) as dag:

        @task(on_failure_callback=GreenApiNotifier(chat_id=CHAT))
        def look() -> None:
            with fail_fast():
                GreenApiHook().get_state_instance()

        look()
    run_dag(dag)
    (text,) = texts(green_api_connection)
    assert "\nError: AirflowFailException\nCause: GreenApiUnauthorizedError: getStateInstance was " in text
    assert "compare the connection's password with the apiTokenInstance" in text


def test_alert_names_the_end_of_a_chain_of_exceptions() -> None:
    """What came first is what to fix."""
    error = chained(ValueError("outer"), KeyError("middle"), OSError("No space left on device\nmore"))
    assert text_of(error) == ["Error: ValueError", "Cause: OSError: No space left on device"]
    assert text_of(ValueError()) == ["Error: ValueError"]
    endless = chained(ValueError("a"), KeyError("b"))
    endless.__cause__.__cause__ = endless  # type: ignore[union-attr]
    assert len(text_of(endless)) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x" * 5000, "x" * 299 + "…"),
        ("one\x1b[2Jtwo\u202ethree", "one\\x1b[2Jtwo\\u202ethree"),
        ("No answer from https://user:secret@host/path?key=secret now", "No answer from https://… now"),
        (
            "Max retries exceeded with url: /a/secret (Caused by …)",
            "Max retries exceeded with url: … (Caused by …)",
        ),
        ("GET /path?token=secret", "GET /path?…"),
    ],
)
def test_alert_of_an_exception_is_one_short_line_without_addresses(text: str, line: str) -> None:
    """A chat gets what can be read there, and no credentials that a library puts into its errors."""
    assert text_of(RuntimeError(text)) == [f"Error: RuntimeError: {line}"]
    assert text_of(text) == [f"Error: {line}"]


# --- secrets ---


async def test_alert_stars_the_token_and_what_airflow_masks(green_api_connection: GreenApiEmulator) -> None:
    """In a text of one's own and in that of an exception, sync and async; the alert itself comes through."""
    mask_secret("hidden by Airflow")
    token = green_api_connection.api_token
    text = f"{token}, {token[:9]}%{ord(token[9]):02x}{token[10:]} and hidden by Airflow."
    alert = GreenApiNotifier(chat_id=CHAT, message=text, context={})
    alert({})
    await alert
    ti = SimpleNamespace(dag_id="d", task_id="t", state="failed", run_id="r", try_number=1, log_url="")
    error = RuntimeError("x" * 280 + token)
    GreenApiNotifier(chat_id=CHAT)({"ti": ti, "exception": error})
    *own, of_exception = texts(green_api_connection)
    assert own == ["***, *** and ***."] * 2
    assert of_exception.splitlines()[3] == f"Error: RuntimeError: {'x' * 280}***"


@pytest.mark.parametrize("argument", ["message", "chat_id"])
async def test_alert_that_would_spell_the_token_out_is_not_sent(
    green_api_connection: GreenApiEmulator, argument: str
) -> None:
    """What can't be starred is refused; neither the error nor the frames it comes from hold it."""
    spelled = " ".join(green_api_connection.api_token)
    context = {"spell": lambda: spelled}
    alert = GreenApiNotifier(
        **{"chat_id": CHAT, "message": "x", "context": context} | {argument: "{{ spell() }}"}
    )
    with pytest.raises(GreenApiConfigError, match=f"^{argument} holds the token") as raised:
        alert(dict(context))
    assert spelled not in str(raised.value)
    assert [text for text in locals_of(raised.value) if "notify" in text]
    assert not [text for text in locals_of(raised.value) if spelled in text]
    with pytest.raises(GreenApiConfigError, match=f"^{argument} holds the token"):
        await alert
    assert green_api_connection.requests() == []
