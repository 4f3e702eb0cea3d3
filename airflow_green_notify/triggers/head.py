"""Waits for a deferred sensor until another head is there than those it has judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.triggers.watch import RECEIVE_TIMEOUT, QueueWatch


class GreenApiHeadTrigger(BaseTrigger):
    """Fires once, when the queue's head is none of ``known_keys``; it neither judges nor deletes.

    A crash at any point loses nothing: nothing is taken from the queue, and the trigger starts again with
    the same arguments. The sensor judges in the worker, so any callable can be its filter.

    An outage is waited out. A refusal that no waiting can fix (a wrong token, a ``webhookUrl``, every
    notification type switched off) fires at once, so that the sensor fails instead of waiting in vain.

    The event is ``{"key", "error", "known_keys", "deadline"}``: the new head's key, or why there can't be
    one; both are ``None`` when ``deadline`` has passed. The other two are what it was given.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param known_keys: Keys of heads that were judged already.
    :param deadline: UNIX time in seconds after which waiting is in vain.
    :param receive_timeout: Seconds the gateway may hold an idle look open, 5 to 60.
    :param pause: Seconds before the first look.
    """

    def __init__(
        self,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        known_keys: Sequence[str] = (),
        deadline: float | None = None,
        receive_timeout: float = RECEIVE_TIMEOUT,
        pause: float = 0.0,
    ) -> None:
        super().__init__()
        self.green_api_conn_id = green_api_conn_id
        self.known_keys = list(known_keys)
        self.deadline = deadline
        self.receive_timeout = receive_timeout
        self.pause = pause

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": self.green_api_conn_id,
                "known_keys": self.known_keys,
                "deadline": self.deadline,
                "receive_timeout": self.receive_timeout,
                "pause": self.pause,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for another head, a refusal or the deadline, and fire."""
        key = error = None
        try:
            async with asyncio.timeout(self._seconds_left()):
                await asyncio.sleep(self.pause)
                key = await self._other_head()
        except TimeoutError:
            self.log.info("No other notification reached the head of the queue before the deadline.")
        except (GreenApiError, AirflowException) as refusal:
            error = str(refusal)
        yield TriggerEvent(
            {"key": key, "error": error, "known_keys": self.known_keys, "deadline": self.deadline}
        )

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.time())

    async def _other_head(self) -> str:
        watch = QueueWatch(self.green_api_conn_id, receive_timeout=self.receive_timeout, patient=False)
        try:
            while True:
                head = await watch.look()
                if head is not None and head.key not in self.known_keys:
                    return head.key
                if head is not None:
                    await watch.pause()
        finally:
            await watch.close()
