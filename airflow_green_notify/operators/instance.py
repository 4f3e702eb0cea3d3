"""Put an instance into the state that polling needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_green_notify.arguments import (
    Judge,
    names_of,
    plain_boolean_of,
    positive_seconds_of,
    seconds_of,
)
from airflow_green_notify.errors import GreenApiUnavailableError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.diagnosis import NOTIFICATION_SWITCHES
from airflow_green_notify.hooks.wanted_settings import await_settings, differing
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.stoppable import run_async
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

TRIGGER_GRACE = 60.0
"""Seconds after ``max_wait`` when Airflow ends a deferred wait by itself: no triggerer was there to do it."""


class GreenApiConfigureInstanceOperator(GreenApiTask):
    """Clears ``webhookUrl``, switches notification types on and off, and waits until the queue can be read.

    Changing settings restarts the instance, so nothing is sent where they are already as wanted. A crash
    before they were saved changed nothing; after it, the retry finds them, or saves them again. No
    notification is deleted at any point; what the types that are off would have brought never enters the
    queue.

    :param switch_on: Notification types to switch on, by the gateway's names of the settings, such as
        ``incomingWebhook``.
    :param switch_off: Types to switch off. Those in neither list stay as they are.
    :param max_wait: Seconds to wait until the settings hold; the gateway says up to 300, and 60 more after
        ``webhookUrl`` was cleared.
    :param poll_interval: Seconds between two looks while waiting.
    :param deferrable: Whether to wait in the triggerer.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: The settings that were asked for and now hold, by the gateway's names.
    :raises ValueError: A name is unknown, or in both lists.

    .. seealso:: https://green-api.com/en/docs/api/account/SetSettings/
    """

    template_fields: Sequence[str] = (
        "switch_on",
        "switch_off",
        "max_wait",
        "poll_interval",
        "green_api_conn_id",
    )
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "switch_on": names_of(*NOTIFICATION_SWITCHES),
        "switch_off": names_of(*NOTIFICATION_SWITCHES),
        "max_wait": seconds_of,
        "poll_interval": positive_seconds_of,
        "deferrable": plain_boolean_of,
    }
    ui_color = "#e8e0f5"

    def __init__(
        self,
        *,
        switch_on: Sequence[str] = ("incomingWebhook", "outgoingWebhook", "stateWebhook"),
        switch_off: Sequence[str] = (),
        max_wait: float | timedelta | str = 600,
        poll_interval: float | timedelta | str = 5,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.switch_on = switch_on
        self.switch_off = switch_off
        self.max_wait = max_wait
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.green_api_conn_id = green_api_conn_id
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        both = {*known.get("switch_on", ())} & {*known.get("switch_off", ())}
        if both:
            raise ValueError(f"switch_on and switch_off both name {', '.join(sorted(both))}.")

    def execute(self, context: Context) -> dict[str, str]:
        given = self.judged_arguments()
        wanted = _wanted(given)
        with fail_fast(), self.hook as hook:
            if self._change(hook, wanted):
                self._wait(context, wanted, given.max_wait, given.poll_interval)
        return wanted

    def _change(self, hook: GreenApiHook, wanted: Mapping[str, str]) -> bool:
        """Save what differs; tell whether there is something to wait for."""
        changes = differing(hook.get_settings(), wanted)
        if not changes:
            state = hook.get_state_instance()
            self.log.info(
                "The settings are as wanted already; the instance is in the state '%s'.",
                printable(state, NAME),
            )
            return state == "starting"
        self.log.info("Saving %s, which restarts the instance.", ", ".join(changes))
        if not hook.set_settings(**changes):
            raise GreenApiUnavailableError("The gateway did not save the settings: try again later.")
        return True

    def _wait(
        self, context: Context, wanted: Mapping[str, str], max_wait: float, poll_interval: float
    ) -> None:
        deadline = time.time() + max_wait
        if self.deferrable:
            from airflow_green_notify.triggers.settings import GreenApiSettingsTrigger

            self.defer(
                trigger=GreenApiSettingsTrigger(self.green_api_conn_id, wanted, deadline, poll_interval),
                method_name="execute_complete",
                timeout=self.deferral_timeout(context, max_wait + TRIGGER_GRACE),
            )
        hook = GreenApiHook(self.green_api_conn_id, max_attempts=1)
        wait = partial(await_settings, hook, wanted, deadline=deadline, poll_interval=poll_interval)
        self._stoppably(partial(run_async, hook, wait))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, str]:
        """Go on in the worker when the settings hold, or waiting was in vain."""
        if not event["error"]:
            return _wanted(self.judged_arguments())
        if event["retryable"]:
            raise GreenApiUnavailableError(event["error"])
        raise AirflowFailException(event["error"])


def _wanted(given: SimpleNamespace) -> dict[str, str]:
    """Return the settings to ask for, by the gateway's names."""
    return {
        "webhookUrl": "",
        **dict.fromkeys(given.switch_on, "yes"),
        **dict.fromkeys(given.switch_off, "no"),
    }
