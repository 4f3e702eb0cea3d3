"""Waits for a deferred send until the message is delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.delivery import Message, await_delivery, delivery_event


class GreenApiDeliveryTrigger(BaseTrigger):
    """Fires once, when a message is as far as it is waited for, or waiting is in vain.

    It only looks, so a crash at any point loses nothing: it starts again with the same arguments.

    The event is ``{"id_message", "error", "retryable", "undelivered"}``, the last three ``None`` if all is
    well.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param chat_id: The chat that the message was sent to.
    :param id_message: The message.
    :param since: UNIX time in seconds since when it may have been sent.
    :param wait_for: ``sent``, ``delivered`` or ``read``.
    :param deadline: UNIX time in seconds after which waiting is in vain.
    :param poll_interval: Seconds between two looks.
    """

    def __init__(
        self,
        green_api_conn_id: str,
        chat_id: str,
        id_message: str,
        since: float,
        wait_for: str,
        deadline: float,
        poll_interval: float,
    ) -> None:
        super().__init__()
        self.green_api_conn_id = green_api_conn_id
        self.chat_id = chat_id
        self.id_message = id_message
        self.since = since
        self.wait_for = wait_for
        self.deadline = deadline
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": self.green_api_conn_id,
                "chat_id": self.chat_id,
                "id_message": self.id_message,
                "since": self.since,
                "wait_for": self.wait_for,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the message is so far, or waiting is in vain, and fire."""
        try:
            async with GreenApiHook(self.green_api_conn_id, max_attempts=1) as hook:
                event = await self.event(hook)
        except AirflowException as error:  # there is no such connection
            fault = {"error": str(error), "retryable": False, "undelivered": False}
            event = {"id_message": self.id_message, **fault}
        yield TriggerEvent(event)

    async def event(self, hook: GreenApiHook) -> dict[str, Any]:
        """Wait, and return what came of the message; a worker that waits itself calls this."""
        message = Message(self.chat_id, self.id_message, self.since)
        delivered = await_delivery(
            hook, message, self.wait_for, deadline=self.deadline, poll_interval=self.poll_interval
        )
        return await delivery_event(self.id_message, delivered)
