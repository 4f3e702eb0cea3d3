"""Offers the head of the queue to watchers, and deletes it when all of them have it safe (Airflow 3.3+)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome, SharedStreamProducer

from airflow_green_notify.errors import GreenApiError, GreenApiPayloadError
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers.watch import QueueWatch

log = logging.getLogger(__name__)

OFFER_AGAIN_AFTER = 5.0
"""Seconds before a notification that not every watcher took is offered again."""

SETTLING_ROUNDS = 10
SETTLING_PAUSE = 0.05
"""Rounds of the event loop, and seconds between them, in which a watcher that Airflow ends can end.

Airflow confirms an event also when it found nobody to store it for. The order to end that watcher comes
along with the confirmation, and is carried out in the next rounds of the event loop.
"""


class Offer:
    """One notification on its way into events, and who has taken it."""

    def __init__(self, notification: Notification) -> None:
        self.key = notification.key
        self.payload: dict[str, Any] = notification.as_xcom()
        self._takers = 0
        self._outcome: AdvanceOutcome | None = None
        self._resolved = asyncio.Event()

    def take(self) -> None:
        """Say that the event of one watcher is in Airflow's hands."""
        self._takers += 1

    def give_back(self) -> None:
        """Say that a watcher that took it has ended."""
        self._takers -= 1

    def resolve(self, outcome: AdvanceOutcome) -> None:
        """Note how Airflow counted the watchers."""
        self._outcome = outcome
        self._resolved.set()

    async def is_safe(self) -> bool:
        """Wait until Airflow has counted, and say whether every event of this notification is stored."""
        await self._resolved.wait()
        for _ in range(SETTLING_ROUNDS):
            await asyncio.sleep(SETTLING_PAUSE)
        outcome = self._outcome
        return outcome is not None and outcome.is_clean and self._takers == outcome.acked


class GreenApiQueueProducer(SharedStreamProducer):
    """Looks at the head, offers it, and deletes it under the receipt id of a new look when it is safe.

    What is safe is remembered, so an outage before the deletion doubles no event.
    """

    def __init__(self, green_api_conn_id: str, receive_timeout: float) -> None:
        self._watch = QueueWatch(green_api_conn_id, receive_timeout=receive_timeout)
        self._safe_key = ""
        self._blocked_by = ""

    async def open_stream(self) -> AsyncIterator[tuple[Offer, Offer]]:
        """Yield one head after the other, each until it is safe and deleted."""
        while True:
            head = await self._watch.look()
            if head is None:
                continue
            if head.key == self._safe_key:
                await self._delete(head)
            elif offer := await self._offer(head):
                yield offer, offer
                if await offer.is_safe():
                    self._safe_key = offer.key
                else:
                    log.warning(
                        "Not every watcher took notification %s: it stays, and comes again.", head.key
                    )
                    await asyncio.sleep(OFFER_AGAIN_AFTER)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Tell each offer how Airflow counted; the loop that looks at the queue deletes."""
        for item in batch:
            item.broker_payload.resolve(item.outcome)

    async def aclose(self) -> None:
        """Leave the shared session."""
        await self._watch.close()

    async def _offer(self, head: Notification) -> Offer | None:
        try:
            return Offer(head)
        except GreenApiPayloadError as error:
            if self._blocked_by != head.key:
                self._blocked_by = head.key
                log.error("The head of the queue fits into no event, and blocks it. %s", error)
            await self._watch.pause()
            return None

    async def _delete(self, head: Notification) -> None:
        """Delete what was received a moment ago. After a doubtful end the next look tells."""
        if not self._watch.receipt.is_fresh():
            return
        try:
            deleted = await self._watch.hook.adelete_notification(head.receipt_id)
        except GreenApiError as error:
            log.warning("Notification %s is in its events, but not deleted yet: %s", head.key, error)
            deleted = False
        if not deleted:
            await self._watch.pause()
