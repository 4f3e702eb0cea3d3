"""Offers the head of the queue to watchers, and deletes it when all of them have it safe (Airflow 3.3+)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome, SharedStreamProducer

from airflow_green_notify.drain.doubt import Doubts
from airflow_green_notify.errors import GreenApiError, GreenApiPayloadError
from airflow_green_notify.triggers.other_readers import OtherReaders
from airflow_green_notify.triggers.quiet import QUIET_PAYLOAD, QuietEvents
from airflow_green_notify.triggers.report_writer import MIN_INTERVAL
from airflow_green_notify.triggers.sighting import Looks, Sighting
from airflow_green_notify.triggers.watch import QueueWatch
from airflow_green_notify.triggers.watcher_reports import WatcherReports, reporting_store_of

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

OFFER_AGAIN_AFTER = 5.0
"""Seconds before a notification that not every watcher took is offered again."""

SETTLING_ROUNDS = 10
SETTLING_PAUSE = 0.2
"""Rounds of the event loop, and seconds between them, in which a watcher that Airflow ends can end.

Airflow confirms an event also when it found nobody to store it for. The order to end that watcher comes along
with the confirmation; with the next exchange, a good second later, if just then another triggerer held the
watcher's row. It is carried out in the next rounds of the event loop.
"""


class Offer:
    """What is on its way into an event of each watcher, and who has taken it."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.key: str | None = payload["key"]
        self.is_stored = False
        """Whether every watcher has it in an event that Airflow has stored."""
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

    async def settle(self) -> None:
        """Wait until Airflow has counted, and judge whether every event of this notification is stored."""
        await self._resolved.wait()
        for _ in range(SETTLING_ROUNDS):
            await asyncio.sleep(SETTLING_PAUSE)
        outcome = self._outcome
        self.is_stored = outcome is not None and outcome.is_clean and self._takers == outcome.acked


class GreenApiQueueProducer(SharedStreamProducer):
    """Looks at the head, offers it, and deletes it under the receipt id of a new look when it is safe.

    What is safe is remembered, so an outage before the deletion doubles no event.
    """

    def __init__(
        self,
        green_api_conn_id: str,
        receive_timeout: float,
        ring_again_after: float,
        report_to: str | None = None,
    ) -> None:
        self._watch = QueueWatch(green_api_conn_id, receive_timeout=receive_timeout)
        self._look: asyncio.Task[Notification | None] | None = None
        self._quiet = QuietEvents(ring_again_after)
        self._others = OtherReaders(green_api_conn_id)
        self._offered = Offer(QUIET_PAYLOAD)
        self._blocked_by = ""
        self._reports: WatcherReports | None = None
        if report_to is not None:
            store = reporting_store_of("report_to", report_to)
            self._reports = WatcherReports("notification trigger of", green_api_conn_id, store)

    async def open_stream(self) -> AsyncIterator[tuple[Offer, Offer]]:
        """Yield one head after the other, each until it is safe and deleted, and quiet events after them."""
        while True:
            head = await self._head()
            if self._quiet.strikes():
                quiet = Offer(QUIET_PAYLOAD)
                yield quiet, quiet
            if head is None:
                continue
            if head.key == self._offered.key and self._offered.is_stored:
                self._report(head, "its event is stored, and it is about to be deleted")
                await self._delete(head)
            elif offer := await self._offer(head):
                self._report(head, "it is on its way into an event", rang=True)
                yield offer, offer
                await self._await_safety(offer)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Tell each offer how Airflow counted; the loop that looks at the queue deletes."""
        for item in batch:
            item.broker_payload.resolve(item.outcome)
            self._others.count_watchers(item.outcome.acked + item.outcome.failed + item.outcome.rejected)

    def get_advance_lane(self, broker_payload: Offer) -> Hashable:
        """Let no notification wait for the confirmation of a quiet event."""
        return broker_payload.key is None

    async def aclose(self) -> None:
        """Leave the shared session."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
        if self._reports is not None:
            self._reports.close()
        await self._watch.close()

    async def _head(self) -> Notification | None:
        """Return the head; ``None`` if none came, or if it is time for a quiet event meanwhile.

        The look goes on beside that event: it may wait out an outage of hours.
        """
        if self._look is None:
            self._look = asyncio.create_task(self._watch.look())
        seconds = self._quiet.seconds_left()
        await asyncio.wait([self._look], timeout=min(seconds, MIN_INTERVAL) if self._reports else seconds)
        if not self._look.done():
            self._report_fault()
            return None
        look, self._look = self._look, None
        head = look.result()
        self._others.see(head.key if head is not None else None)
        if head is None:
            self._report(None, "nothing waits")
        return head

    async def _offer(self, head: Notification) -> Offer | None:
        try:
            self._offered = Offer(head.as_xcom())
        except GreenApiPayloadError as error:
            if self._blocked_by != head.key:
                self._blocked_by = head.key
                log.error("The head of the queue is too large for an event and blocks the queue. %s", error)
            self._report(head, "it is too large for an event and blocks the queue, until a Dag drains it")
            await self._watch.pause()
            return None
        self._others.expect(head.key)
        self._quiet.begin_again()
        return self._offered

    def _report(self, head: Notification | None, why: str, *, rang: bool = False) -> None:
        """Report what a look showed."""
        if self._reports is not None:
            hook = self._watch.hook
            since = None if head is None else head.timestamp or head.received_at
            sighting = Sighting(hook.config.id_instance, since=since)
            self._reports.see(Looks({hook.green_api_conn_id: sighting}), why, rang=rang)

    def _report_fault(self) -> None:
        """Report why the look that is under way takes long, if it does."""
        if self._reports is not None and self._watch.fault is not None:
            self._reports.see(Looks({}, {self._watch.hook.green_api_conn_id: self._watch.fault}), "")

    async def _await_safety(self, offer: Offer) -> None:
        await offer.settle()
        if not offer.is_stored:
            log.warning(
                "Notification %s was not acknowledged by every watcher; it will be redelivered.", offer.key
            )
            await asyncio.sleep(OFFER_AGAIN_AFTER)

    async def _delete(self, head: Notification) -> None:
        """Delete what was received a moment ago. After a doubtful end the next look tells."""
        if not self._watch.head.receipt.is_fresh():
            return
        doubts = Doubts()
        try:
            await doubts.delete(self._watch.hook, head)
        except GreenApiError as error:
            doubts.last = error
        if not doubts.was_gone:
            self._others.expect(None)
            if doubts.last is None:
                return
            log.warning("Notification %s is in its events, but not deleted yet: %s", head.key, doubts.last)
        await self._watch.pause()
