"""Links on the page of a task: there while it runs, the same when it has ended, and never in its way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import get_current_context

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.links import LINKS
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.stores import ObjectStorageStore

PAGE, CONSOLE = (link.name for link in LINKS)
INSTANCE = "https://console.green-api.com/instanceList/1101000001"


def shown(ti: Any) -> dict[str, str | None]:
    """The links of a task instance, as the api-server finds them: by the Dag that was stored."""
    from airflow.models.serialized_dag import SerializedDagModel

    task: Any = SerializedDagModel.get(ti.dag_id).dag.get_task(ti.task_id)
    names: list[str] = list(task.extra_links)
    return {name: task.get_extra_links(_stored(ti), name) or None for name in names}


def _stored(ti: Any) -> Any:
    """The task instance in the database, which a task that runs doesn't have."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    names = ("dag_id", "run_id", "task_id", "map_index")
    with create_session() as session:
        query = session.query(TaskInstance).filter_by(**{name: getattr(ti, name) for name in names})
        return query.one()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStorageStore:
    return ObjectStorageStore(str(tmp_path))


def test_links_of_a_drain_lead_to_page_and_instance_and_hold_no_token(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], store: ObjectStorageStore
) -> None:
    """The page is relative, so that it is found behind a prefix."""
    links = shown(run_task(GreenApiDrainNotificationsOperator, store=store, receive_timeout=0.2))
    assert links == {PAGE: "green-api/", CONSOLE: INSTANCE}
    assert green_api_connection.api_token not in json.dumps(links)


def test_links_are_there_while_the_task_runs(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """A stream has no end that anybody would wait for."""
    seen: list[dict[str, str | None]] = []

    def look(notification: object) -> None:
        seen.append(shown(get_current_context()["ti"]))

    green_api_connection.push(example_notifications()[0])
    run_task(GreenApiProcessNotificationsOperator, handler=look, on_error="stop", receive_timeout=0.2)
    assert seen == [{PAGE: "green-api/", CONSOLE: INSTANCE}]


def test_fleet_has_the_page_alone(
    green_api_emulator: GreenApiEmulator,
    run_task: Callable[..., Any],
    store: ObjectStorageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which of its instances the console would show is not for us to say."""
    names = ["one", "two"]
    for name, instance in zip(names, (green_api_emulator, green_api_emulator.add_instance()), strict=True):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", instance.connection)
    ti = run_task(
        GreenApiDrainNotificationsOperator, store=store, green_api_conn_id=names, receive_timeout=0.2
    )
    assert shown(ti) == {PAGE: "green-api/", CONSOLE: None}


def test_wrong_connection_fails_the_task_by_its_own_words_and_leaves_the_page(
    run_task: Callable[..., Any], store: ObjectStorageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is where to look then."""
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", json.dumps({"conn_type": "greenapi", "login": "x"}))
    ti = run_task(GreenApiDrainNotificationsOperator, store=store)
    assert str(ti.state) == "failed"
    assert shown(ti) == {PAGE: "green-api/", CONSOLE: None}


def test_links_that_cannot_be_pushed_cost_a_warning_alone(
    green_api_connection: GreenApiEmulator,
    run_task: Callable[..., Any],
    store: ObjectStorageStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The drain goes on, and its result is handed on as ever."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    push = RuntimeTaskInstance.xcom_push

    def refused(self: Any, key: str, value: Any) -> None:
        if key.startswith("green_api_"):
            raise OSError("no room")
        push(self, key, value)

    monkeypatch.setattr(RuntimeTaskInstance, "xcom_push", refused)
    green_api_connection.push(*example_notifications()[:3])
    with caplog.at_level(logging.WARNING, logger="airflow_green_notify.links"):
        ti = run_task(GreenApiDrainNotificationsOperator, store=store, receive_timeout=0.2)
    assert str(ti.state) == "success"
    assert ti.xcom_pull(task_ids="task")["count"] == 3
    assert caplog.text.count("no room") == len(LINKS)


def test_links_of_a_task_that_pushes_nothing_wait_for_its_end(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """do_xcom_push=False holds while it runs; Airflow itself adds links when it has ended."""
    seen: list[dict[str, str | None]] = []

    def look(notification: object) -> None:
        seen.append(shown(get_current_context()["ti"]))

    green_api_connection.push(example_notifications()[0])
    ti = run_task(
        GreenApiProcessNotificationsOperator,
        handler=look,
        on_error="stop",
        do_xcom_push=False,
        receive_timeout=0.2,
    )
    assert seen == [{PAGE: None, CONSOLE: None}]
    assert ti.xcom_pull(task_ids="task") is None
