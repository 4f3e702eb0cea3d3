"""Which connection of a fleet watches which instance."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from airflow_green_notify.errors import GreenApiConfigError, GreenApiTransportError

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook

LOOK_UPS_AT_ONCE = 10
"""How many connections are looked up at the same time: Airflow's supervisor answers one after the other."""

LOOK_UP_TIMEOUT = 30.0
"""Seconds after which a look-up makes room for others."""


class SameInstanceError(GreenApiConfigError):
    """Two connections of a fleet lead to one instance."""

    log_level = logging.ERROR


class InstanceRegister:
    """Looks connections up, a few at a time, and lets only one of them watch an instance."""

    def __init__(self) -> None:
        self._watchers: dict[str, str] = {}
        self._room = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

    async def admit(self, hook: GreenApiHook) -> None:
        """Look the connection of a new hook up, and note which instance it watches from now on.

        :raises SameInstanceError: Another connection watches it.
        :raises GreenApiTransportError: The look-up took too long.
        """
        conn_id = hook.green_api_conn_id
        self._watchers = {queue: each for queue, each in self._watchers.items() if each != conn_id}
        try:
            async with self._room, asyncio.timeout(LOOK_UP_TIMEOUT):
                config = await hook.aconfig()
        except TimeoutError:
            raise GreenApiTransportError(
                f"Connection {conn_id!r} could not be looked up within {LOOK_UP_TIMEOUT:g} s: see whether "
                "Airflow's secrets backend answers."
            ) from None
        first = self._watchers.setdefault(config.queue, conn_id)
        if first != conn_id:
            raise SameInstanceError(
                f"Connection {conn_id!r} leads to the same instance as {first!r} ({config.queue}), which is "
                "watched already: take one of them out of the list."
            )
