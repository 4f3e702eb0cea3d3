"""Alerts: what they say, and that they never hurt what they tell of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_green_notify.alert_text import alert_text
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notifiers import GreenApiNotifier, send_green_api_notification

CHAT = "12025550101@c.us"
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
                raise RuntimeError("with a password in its text")

        work()
    return dag


def test_alert_of_a_failing_task_tells_task_run_try_and_log(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """The default text names what failed, which try, and where to look; not the exception's text."""
    run = run_dag(dag_with_callbacks("alert_failing", fails=True, retries=1))
    retried, failed = texts(green_api_connection)
    assert retried.startswith("Task failed and will be retried: alert_failing.work\n")
    assert "Try: 1 of 2" in retried
    assert failed.splitlines()[:3] == [
        "Task failed: alert_failing.work",
        f"Run: {run.run_id}",
        "Try: 2 of 2",
    ]
    assert "/dags/alert_failing/runs/" in failed.splitlines()[-1]
    assert "password" not in failed


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
    ("fault", "words"),
    [
        ({"kind": "502"}, "refused with 502"),
        ({"kind": "cut_before"}, "got no answer"),
        ({"kind": "status", "status": 401, "body": ""}, "the token is wrong"),
    ],
)
async def test_alert_with_a_gateway_in_trouble_is_logged_and_never_raises(
    green_api_connection: GreenApiEmulator,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, Any],
    words: str,
) -> None:
    """Sync and async, a failing gateway is told in the log, and nothing is sent twice."""
    green_api_connection.fault(**fault, times=None)
    alert = GreenApiNotifier(chat_id=CHAT, message="x", context={})
    with caplog.at_level(logging.ERROR):
        alert({})
        await alert
    assert caplog.text.count(words) == 2
    assert len(green_api_connection.requests()) == 2


def test_alert_without_its_connection_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is missing is told in the log."""
    with caplog.at_level(logging.ERROR):
        GreenApiNotifier(chat_id=CHAT, message="x", green_api_conn_id="no_such_connection")({})
    assert "no_such_connection" in caplog.text
