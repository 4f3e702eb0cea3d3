"""Waits for a deferred configuration until the settings hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.wanted_settings import await_settings


class GreenApiSettingsTrigger(BaseTrigger):
    """Fires once, when the instance has the wanted settings and its queue can be read.

    It changes nothing, so a crash at any point loses nothing: it starts again with the same arguments.

    The event is ``{"error", "retryable"}``, both ``None`` if all is well.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param wanted: The gateway's names and values.
    :param deadline: UNIX time in seconds after which waiting is in vain.
    :param poll_interval: Seconds between two looks.
    """

    def __init__(
        self, green_api_conn_id: str, wanted: Mapping[str, str], deadline: float, poll_interval: float
    ) -> None:
        super().__init__()
        self.green_api_conn_id = green_api_conn_id
        self.wanted = dict(wanted)
        self.deadline = deadline
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": self.green_api_conn_id,
                "wanted": self.wanted,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the settings hold, or waiting is in vain, and fire."""
        error: GreenApiError | AirflowException | None = None
        try:
            async with GreenApiHook(self.green_api_conn_id, max_attempts=1) as hook:
                await await_settings(
                    hook, self.wanted, deadline=self.deadline, poll_interval=self.poll_interval
                )
        except (GreenApiError, AirflowException) as refusal:
            error = refusal
        yield TriggerEvent(
            {"error": error and str(error), "retryable": error and getattr(error, "retryable", False)}
        )
