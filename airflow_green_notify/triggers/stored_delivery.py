"""Waits until a message is delivered, as the statuses say that somebody reads from the queue into a store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_green_notify.consume.waiting import Wanted
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import delivery
from airflow_green_notify.hooks.delivery import (
    FINAL,
    STAGES,
    NotDeliveredYetError,
    UndeliveredError,
    delivery_event,
    failure,
)
from airflow_green_notify.message import FAILURES
from airflow_green_notify.progress import span
from airflow_green_notify.triggers.stored_look import look_at

if TYPE_CHECKING:
    from airflow_green_notify.consume.waiting import Found

log = logging.getLogger(__name__)

FIRST_LOOK = 5.0
"""Seconds for a look at what is stored already, however late it is."""

_AFTER_IT = timedelta(microseconds=1)


class GreenApiStoredDeliveryTrigger(BaseTrigger):
    """Fires once, when a stored status says that a message is as far as it is waited for, or waiting is vain.

    It only reads, so a crash at any point loses nothing: it starts again with the same arguments. It shares
    its look, one a second, with all that wait on the store in this triggerer; the gateway is asked nothing.

    The event is that of :class:`GreenApiDeliveryTrigger`.

    :param store: What the store's ``described`` returned.
    :param statuses: Arguments of the filter for the message's statuses, with its ``id_message``.
    :param since: Nothing that was received before; ISO time with a zone.
    :param after: The position behind which to look.
    :param wait_for: ``sent``, ``delivered`` or ``read``.
    :param deadline: UNIX time in seconds after which waiting is in vain.
    """

    def __init__(
        self,
        store: Mapping[str, Any],
        statuses: Mapping[str, Any],
        since: str,
        after: int,
        wait_for: str,
        deadline: float,
    ) -> None:
        super().__init__()
        self.store = dict(store)
        self.statuses = dict(statuses)
        self.since = since
        self.after = after
        self.wait_for = wait_for
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "store": self.store,
                "statuses": self.statuses,
                "since": self.since,
                "after": self.after,
                "wait_for": self.wait_for,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the message is so far, or waiting is in vain, and fire."""
        yield TriggerEvent(await self.event())

    async def event(self) -> dict[str, Any]:
        """Wait, and return what came of the message; a worker that waits itself calls this."""
        return await delivery_event(self.statuses["id_message"], self._delivered())

    async def _delivered(self) -> None:
        """Go from status to status: they repeat, come out of order, and some failures are none."""
        began, since, after = time.time(), datetime.fromisoformat(self.since), self.after
        deadline = max(self.deadline, began + FIRST_LOOK)
        id_message, enough = self.statuses["id_message"], STAGES[STAGES.index(self.wait_for) :]
        failed: UndeliveredError | None = None
        last, until = "", deadline
        while found := await self._next(since, after, until):
            seen, after = found
            last, since = str(seen.status), seen.received_at + _AFTER_IT
            if last in enough:
                log.info("Message %s is %r.", id_message, last)
                return
            if last not in FAILURES:
                failed, until = None, deadline
                continue
            until = until if failed else min(deadline, time.time() + delivery.CONFIRMATION)
            failed = UndeliveredError(failure(id_message, last, str(seen.body.get("description") or "")))
            if last in FINAL:
                break
        raise failed or NotDeliveredYetError(
            f"Message {id_message} {f'is {last!r}' if last else 'has no status'} in the store after "
            f"{span(time.time() - began)}, not {self.wait_for!r} yet. Does a Dag read the instance's queue "
            "into that store, and is the setting outgoingWebhook on?"
        )

    async def _next(self, since: datetime, after: int, until: float) -> Found | None:
        """Return the first status behind a position that was received since a time.

        :return: ``None`` if none comes until another time.
        """
        matching = NotificationFilter(**self.statuses, status=[*STAGES, *FAILURES])
        try:
            async with asyncio.timeout(max(0.0, until - time.time())):
                return await look_at(self.store).first(Wanted(matching, since), after)
        except TimeoutError:
            return None
