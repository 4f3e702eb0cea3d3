"""Configuring an instance: only what differs, and until it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, TaskDeferred

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiUnavailableError
from airflow_green_notify.operators.instance import GreenApiConfigureInstanceOperator
from airflow_green_notify.triggers.settings import GreenApiSettingsTrigger

PUSHING = {"webhookUrl": "http://127.0.0.1:9/hook", "incomingWebhook": "no", "stateWebhook": "no"}


def methods(gateway: GreenApiEmulator) -> list[str]:
    return [item["method"] for item in gateway.requests()]


def configure(**arguments: Any) -> GreenApiConfigureInstanceOperator:
    return GreenApiConfigureInstanceOperator(task_id="configure", poll_interval=0.2, **arguments)


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_configure_waits_through_the_restart_until_the_queue_can_be_read(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], deferrable: bool
) -> None:
    """Through "starting" and the minute after webhookUrl was cleared; both modes give the same result."""
    green_api_connection.settings(**PUSHING)
    green_api_connection.switch(settings_delay=1.5, webhook_grace=1.5)
    green_api_connection.push({"typeWebhook": "stays"})
    ti = run_task(
        GreenApiConfigureInstanceOperator,
        switch_on=["incomingWebhook", "stateWebhook"],
        switch_off=["pollMessageWebhook"],
        poll_interval=0.2,
        deferrable=deferrable,
    )
    wanted = {
        "webhookUrl": "",
        "incomingWebhook": "yes",
        "stateWebhook": "yes",
        "pollMessageWebhook": "no",
    }
    assert ti.xcom_pull(task_ids="task") == wanted
    assert wanted.items() <= green_api_connection.settings().items()
    assert methods(green_api_connection).count("setSettings") == 1
    looks = [item for item in green_api_connection.requests() if item["method"] == "receiveNotification"]
    assert (looks[0]["status"], looks[-1]["status"]) == (400, 200)
    assert len(green_api_connection.queue()) == 1


def test_configure_what_is_configured_changes_nothing(green_api_connection: GreenApiEmulator) -> None:
    """setSettings restarts the instance, so it isn't called where all is as wanted."""
    configure(switch_on=["incomingWebhook"]).execute({})
    assert methods(green_api_connection) == ["getSettings", "getStateInstance"]


def test_configure_sends_only_what_differs(green_api_connection: GreenApiEmulator) -> None:
    """Types that are named in neither list stay as they are."""
    before = green_api_connection.settings(incomingWebhook="no")
    green_api_connection.push({"typeWebhook": "a head, so that the look at the queue takes no time"})
    configure(switch_on=["incomingWebhook"]).execute({})
    assert green_api_connection.settings() == before | {"incomingWebhook": "yes"}


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_configure_that_never_holds_ends_within_its_bound(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], deferrable: bool
) -> None:
    """An instance that doesn't come back fails the task with what is missing."""
    green_api_connection.settings(incomingWebhook="no")
    green_api_connection.switch(settings_delay=600)
    ti = run_task(GreenApiConfigureInstanceOperator, max_wait=1, poll_interval=0.2, deferrable=deferrable)
    assert ti.state == "failed"
    assert methods(green_api_connection).count("setSettings") == 1


def test_configure_that_never_holds_says_what_is_missing(green_api_connection: GreenApiEmulator) -> None:
    """The error is retryable, and says what kept it waiting."""
    green_api_connection.settings(incomingWebhook="no")
    green_api_connection.switch(settings_delay=600)
    with pytest.raises(GreenApiUnavailableError, match="the instance is starting"):
        configure(max_wait=0.5).execute({})


def test_configure_defers_no_longer_than_execution_timeout(green_api_connection: GreenApiEmulator) -> None:
    """As a task would end that doesn't defer."""
    green_api_connection.settings(incomingWebhook="no")
    limit = timedelta(seconds=30)
    operator = configure(deferrable=True, max_wait=timedelta(minutes=5), execution_timeout=limit)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({})
    assert deferred.value.timeout is not None
    assert timedelta(seconds=25) < deferred.value.timeout <= limit
    began = datetime.now(UTC) - timedelta(minutes=1)
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout=0:00:30 passed while deferred"):
        operator.resume_execution("__fail__", {}, {"ti": SimpleNamespace(start_date=began)})


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_configure_of_an_unauthorized_instance_fails_at_once(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], deferrable: bool
) -> None:
    """What only somebody at the console can fix fails without a retry."""
    green_api_connection.settings(incomingWebhook="no")
    green_api_connection.state("notAuthorized")
    ti = run_task(GreenApiConfigureInstanceOperator, retries=2, deferrable=deferrable)
    assert (ti.state, ti.try_number) == ("failed", 1)


@pytest.mark.parametrize("switches", [{"switch_on": ["incoming"]}, {"switch_off": ["incomingWebhook"]}])
def test_configure_with_wrong_names_asks_nothing(
    green_api_connection: GreenApiEmulator, switches: dict[str, Any]
) -> None:
    """An unknown name, or one in both lists, is refused and named."""
    with pytest.raises(ValueError, match="incoming"):
        configure(**switches)
    assert green_api_connection.requests() == []


async def test_settings_trigger_serializes_without_credentials_and_waits_again(
    green_api_connection: GreenApiEmulator,
) -> None:
    """A trigger made from its own serialisation does the same; no token is in it."""
    green_api_connection.settings(incomingWebhook="no")
    green_api_connection.push({"typeWebhook": "a head, so that the look at the queue takes no time"})
    with pytest.raises(TaskDeferred) as deferred:
        configure(deferrable=True).execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert path.endswith("triggers.settings.GreenApiSettingsTrigger")
    assert green_api_connection.api_token not in repr(arguments)
    event = await anext(GreenApiSettingsTrigger(**arguments).run())
    assert event.payload == {"error": None, "retryable": None}
