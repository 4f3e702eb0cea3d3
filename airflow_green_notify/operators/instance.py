"""Put an instance into the state that polling needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, conf
from airflow.sdk import BaseOperator

from airflow_green_notify.errors import GreenApiConfigError, GreenApiUnavailableError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.diagnosis import NOTIFICATION_SWITCHES
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.stoppable import StopsWhenTold, run_async
from airflow_green_notify.wanted_settings import await_settings, differing

if TYPE_CHECKING:
    from airflow.sdk import Context

TRIGGER_GRACE = 60.0
"""Seconds after ``max_wait`` when Airflow ends a deferred wait by itself: no triggerer was there to do it."""


class GreenApiConfigureInstanceOperator(StopsWhenTold, BaseOperator):
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
    :param green_api_conn_id: The connection, of type ``green_api``.
    :return: The settings that were asked for and now hold, by the gateway's names.

    .. seealso:: https://green-api.com/en/docs/api/account/SetSettings/
    """

    template_fields: Sequence[str] = (
        "switch_on",
        "switch_off",
        "max_wait",
        "poll_interval",
        "green_api_conn_id",
    )
    ui_color = "#e8e0f5"

    def __init__(
        self,
        *,
        switch_on: Sequence[str] = ("incomingWebhook", "outgoingWebhook", "stateWebhook"),
        switch_off: Sequence[str] = (),
        max_wait: float | str = 600,
        poll_interval: float | str = 5,
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

    def execute(self, context: Context) -> dict[str, str]:
        with fail_fast(), GreenApiHook(self.green_api_conn_id) as hook:
            wanted = self._wanted()
            if self._change(hook, wanted):
                self._wait(wanted)
        return wanted

    def _wanted(self) -> dict[str, str]:
        unknown = {*self.switch_on, *self.switch_off} - {*NOTIFICATION_SWITCHES}
        both = {*self.switch_on} & {*self.switch_off}
        if unknown or both:
            raise GreenApiConfigError(
                f"Unknown, or both to switch on and off: {', '.join(sorted(unknown | both))}. "
                f"The notification types are {', '.join(NOTIFICATION_SWITCHES)}."
            )
        return {
            "webhookUrl": "",
            **dict.fromkeys(self.switch_on, "yes"),
            **dict.fromkeys(self.switch_off, "no"),
        }

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

    def _wait(self, wanted: Mapping[str, str]) -> None:
        deadline, poll_interval = time.time() + float(self.max_wait), float(self.poll_interval)
        if self.deferrable:
            from airflow_green_notify.triggers.settings import GreenApiSettingsTrigger

            self.defer(
                trigger=GreenApiSettingsTrigger(self.green_api_conn_id, wanted, deadline, poll_interval),
                method_name="execute_complete",
                timeout=timedelta(seconds=float(self.max_wait) + TRIGGER_GRACE),
            )
        hook = GreenApiHook(self.green_api_conn_id, max_attempts=1)
        wait = partial(await_settings, hook, wanted, deadline=deadline, poll_interval=poll_interval)
        self._stoppably(partial(run_async, hook, wait))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, str]:
        """Go on in the worker when the settings hold, or waiting was in vain."""
        if not event["error"]:
            return self._wanted()
        if event["retryable"]:
            raise GreenApiUnavailableError(event["error"])
        raise AirflowFailException(event["error"])
