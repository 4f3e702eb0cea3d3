"""Waits until an instance has the settings that were asked for, and its queue can be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import (
    GreenApiTransportError,
    GreenApiUnavailableError,
    GreenApiWebhookUrlSetError,
)

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook


def differing(settings: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those of the wanted settings that the instance doesn't have; an absent switch is off."""
    return {name: value for name, value in wanted.items() if (settings.get(name) or _absent(name)) != value}


def _absent(name: str) -> str:
    return "" if name == "webhookUrl" else "no"


async def await_settings(
    hook: GreenApiHook, wanted: Mapping[str, str], *, deadline: float, poll_interval: float
) -> None:
    """Look again and again until the settings hold and the queue can be read. Nothing is deleted.

    :param hook: Best with ``max_attempts=1``: what can fix itself is waited out here.
    :param wanted: The gateway's names and values.
    :param deadline: UNIX time in seconds.
    :param poll_interval: Seconds between two looks.
    :raises GreenApiUnavailableError: They don't hold at the deadline; the text says what is missing.
    :raises GreenApiError: Waiting is in vain, for instance since the instance is not authorized.
    """
    while missing := await _missing(hook, wanted):
        if time.time() >= deadline:
            raise GreenApiUnavailableError(
                f"The settings were saved, but are not in effect yet: {missing}. The gateway says it takes "
                "up to 5 minutes; look at the instance's page in the console."
            )
        await asyncio.sleep(max(0.0, min(poll_interval, deadline - time.time())))


async def _missing(hook: GreenApiHook, wanted: Mapping[str, str]) -> str | None:
    """Say what still keeps the queue from being read as wanted."""
    try:
        if unlike := differing(await hook.aget_settings(), wanted):
            return f"{', '.join(unlike)} not taken over"
        if await hook.aget_state_instance() == "starting":
            return "the instance is starting"
        await hook.areceive_notification()  # for a minute after webhookUrl was cleared this is refused
    except (GreenApiUnavailableError, GreenApiTransportError, GreenApiWebhookUrlSetError) as error:
        return str(error).rstrip(".")
    return None
