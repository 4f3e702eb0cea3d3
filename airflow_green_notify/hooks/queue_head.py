"""The head of a queue, as all readers receive it: how fast they may ask, and what counts as empty."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from airflow_green_notify.errors import GreenApiConfigError, GreenApiError
from airflow_green_notify.hooks.diagnosis import settings_fault
from airflow_green_notify.hooks.receipt import Receipt

if TYPE_CHECKING:
    from airflow_green_notify.hooks.green_api import GreenApiHook
    from airflow_green_notify.notification import Notification

EMPTY_ANSWERS = 2
"""The queue counts as empty after so many empty answers in a row: one is not proof."""

FAST_EMPTY_FLOOR = 1.0
"""Seconds a receive takes at least where the gateway answers "empty" without holding the long poll."""

LOOK_AGAIN_AFTER = 60.0
"""Seconds until the settings are looked at again after a look that failed."""

_HELD = 0.9
"""A receive was held open if it took that much of the time it may take."""


class QueueHead:
    """Receives the head of one queue, again and again, and deletes nothing."""

    def __init__(self, hook: GreenApiHook) -> None:
        self.receipt = Receipt()
        """How old the receipt id of the last answer is."""
        self.empty_answers = 0
        """How many answers in a row were empty."""
        self._hook = hook
        self._was_held = True
        self._next_look_at = 0.0

    async def receive(self, receive_timeout: float) -> Notification | None:
        """Receive the head; an empty answer takes at least a second, unless it was waited for.

        :param receive_timeout: Seconds the gateway may hold the request open.
        :raises GreenApiError: The gateway refused, or could not be reached.
        """
        asked_at = time.monotonic()
        self.receipt.ask(receive_timeout)
        head = await self._hook.areceive_notification(receive_timeout)
        self.receipt.answer(head)
        if head is not None:
            self.empty_answers = 0
            return head
        self.empty_answers += 1
        took = time.monotonic() - asked_at
        self._was_held = took >= receive_timeout * _HELD
        if self._was_held:
            self._next_look_at = 0.0
        else:
            await asyncio.sleep(FAST_EMPTY_FLOOR - took)
        return None

    async def receive_checked(self, receive_timeout: float) -> Notification | None:
        """Receive the head, and refuse to wait for one that the settings keep away.

        :raises GreenApiConfigError: The settings have one, see :meth:`fault`.
        """
        head = await self.receive(receive_timeout)
        if head is None and (fault := await self.fault()):
            raise GreenApiConfigError(fault)
        return head

    async def fault(self) -> str | None:
        """Say what in the settings makes the gateway answer "empty" at once, if it did.

        The settings are looked at, and their fault told, once until a receive is held open again; after a
        look that failed, again in a minute.
        """
        if self._was_held or time.monotonic() < self._next_look_at:
            return None
        self._next_look_at = float("inf")
        try:
            fault = settings_fault(await self._hook.aget_settings())
        except GreenApiError as error:
            if error.retryable:
                self._next_look_at = time.monotonic() + LOOK_AGAIN_AFTER
                return None
            fault = str(error).rstrip(".")
        return fault and f'The gateway answers "empty" without holding the long poll: {fault}.'
