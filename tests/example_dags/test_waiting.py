"""The example Dags that wait, run with real Airflow in this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from tests.conftest import save_dag
from tests.example_dags.conftest import load_dag, states


def incoming(*items: dict[str, Any]) -> list[str]:
    """The keys of incoming messages."""
    bodies = [item["body"] for item in items]
    return [Notification(0, body).key for body in bodies if body["typeWebhook"] == "incomingMessageReceived"]


@pytest.mark.parametrize(("answer", "branch"), [("Yes, it is", "publish"), ("no", "remind")])
def test_wait_for_reply_follows_the_answer_and_deletes_it_last(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], answer: str, branch: str
) -> None:
    """Asked once, answered, acted upon, deleted."""
    green_api_connection.reply("report ready", answer)
    reached = states(run_example("wait_for_reply"))
    skipped = ({"publish", "remind"} - {branch}).pop()
    assert reached == dict.fromkeys(("ask", "answer", "decide", branch, "delete"), "success") | {
        skipped: "skipped"
    }
    assert len(green_api_connection.sent()) == 1
    assert green_api_connection.queue() == []


def test_on_new_notifications_loads_what_waits_once(
    green_api_connection: GreenApiEmulator, run_example: Callable[..., Any], warehouse: str
) -> None:
    """All are stored, messages are counted per chat, and a repeat changes nothing."""
    green_api_connection.push(*example_notifications())
    assert set(states(run_example("on_new_notifications")).values()) == {"success"}
    green_api_connection.push(*example_notifications())
    run_example("on_new_notifications")
    with sqlite3.connect(warehouse) as database:
        stored = database.execute("SELECT key FROM green_api_notifications").fetchall()
        messages = database.execute("SELECT key FROM chat_messages").fetchall()
    assert len(stored) == 80
    assert sorted(key for (key,) in messages) == sorted(incoming(*example_notifications()))


def test_one_run_per_message_starts_each_run_once(
    green_api_connection: GreenApiEmulator,
    run_example: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A message that comes twice, even into another store, meets its run and is skipped."""
    from airflow.models.dagrun import DagRun

    save_dag(load_dag("one_run_per_message", "handle_message"))
    items = example_notifications()[:4]
    reached = []
    for name in ("first", "second"):
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / name))
        green_api_connection.push(*items)
        run = run_example("one_run_per_message")
        reached.append({str(ti.state) for ti in run.get_task_instances() if ti.task_id == "start_run"})
    assert reached == [{"success"}, {"skipped"}]
    runs = [run.run_id for run in DagRun.find(dag_id="handle_message")]
    assert sorted(runs) == sorted(f"message__{key}" for key in incoming(*items))
