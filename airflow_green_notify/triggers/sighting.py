"""What a look at a queue shows: enough to know the head again, nothing of what it says."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_green_notify.printable import NAME, printable

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.triggers.watch import Fault, QueueWatch

log = logging.getLogger(__name__)

COUNT_TIMEOUT = 5.0
"""Seconds after which a count that didn't come counts as failed: the next look waits for it."""


class Sighting(NamedTuple):
    """What one look at a queue shows.

    :param key: The key of the head; ``None``: none was shown.
    :param since: Since when it waits, as the notification says, or else since it was received.
    :param waits_from: Since when it waits, as far as can be told, by this process's monotonic clock.
    :param number: How many notifications wait, by the gateway's count if it was asked for, and at least one.
    """

    instance_id: str
    key: str | None = None
    type_webhook: str | None = None
    since: datetime | None = None
    waits_from: float = math.inf
    number: int = 0

    def as_event(self) -> dict[str, Any]:
        """Return the ring for a single queue."""
        return {
            "instance_id": self.instance_id,
            "key": self.key,
            "type_webhook": self.type_webhook,
            "waiting_since": self.since and self.since.isoformat(),
        }


class Looks(dict[str, Sighting]):
    """The last look at each queue that can be looked at, by the id of its connection.

    :param faults: Why the others can't.
    """

    def __init__(self, seen: Mapping[str, Sighting], faults: Mapping[str, Fault] | None = None) -> None:
        super().__init__(seen)
        self.faults = faults or {}


class Lookout:
    """Looks at one queue, again and again, and says what it sees.

    :param counting: Whether to ask the gateway how many notifications wait behind a head.
    """

    def __init__(self, watch: QueueWatch, *, counting: bool) -> None:
        self.watch = watch
        self._counting = counting
        self._cannot_count = False
        self._first_seen: tuple[str, float] = ("", math.inf)

    async def looks(self) -> AsyncIterator[Looks]:
        """Yield what each look shows; those that fail show nothing."""
        conn_id = self.watch.hook.green_api_conn_id
        while True:
            head = await self.watch.try_to_look()
            if self.watch.fault is not None:
                yield Looks({}, {conn_id: self.watch.fault})
                continue
            yield Looks({conn_id: await self._sighting(head)})
            if head is not None:
                await self.watch.pause()

    async def look(self) -> Sighting:
        """Look until something can be said of the queue, be it that it is empty."""
        return await self._sighting(await self.watch.look())

    async def _sighting(self, head: Notification | None) -> Sighting:
        instance_id = self.watch.hook.config.id_instance
        if head is None:
            return Sighting(instance_id)
        kind = head.type_webhook or ""
        return Sighting(
            instance_id,
            head.key,
            printable(kind, NAME) if kind.isidentifier() else None,
            head.timestamp or head.received_at,
            self._waits_from(head),
            await self._count() if self._counting else 1,
        )

    async def close(self) -> None:
        """Leave the shared session."""
        await self.watch.close()

    def _waits_from(self, head: Notification) -> float:
        """Believe the gateway's clock or the time that the head was watched, whichever says more."""
        now = time.monotonic()
        if head.key != self._first_seen[0]:
            self._first_seen = (head.key, now)
        gateway_time = self.watch.hook.gateway_time()
        if gateway_time is None or head.timestamp is None:
            return self._first_seen[1]
        return min(self._first_seen[1], now - (gateway_time - head.timestamp).total_seconds())

    async def _count(self) -> int:
        """Ask how many wait. Wrong zeros are known, and whatever fails counts as one."""
        try:
            async with asyncio.timeout(COUNT_TIMEOUT):
                count = await self.watch.hook.aget_webhooks_count()
        except Exception as error:  # a watcher that raises is started again every 2 s, for ever
            self._tell_uncounted(error)
            return 1
        self._cannot_count = False
        return max(1, count)

    def _tell_uncounted(self, error: Exception) -> None:
        if not self._cannot_count:
            self._cannot_count = True
            log.warning(
                "What waits in the queue of %r can't be counted, and counts as one: %s",
                self.watch.hook.green_api_conn_id,
                str(error) or f"no answer within {COUNT_TIMEOUT:g} s.",
            )
