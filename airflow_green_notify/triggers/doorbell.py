"""Rings when a new head waits, and leaves it where it is."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Hashable
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_green_notify.arguments import (
    connection_of,
    of_trigger,
    positive_seconds_of,
    receive_timeout_of,
    seconds_of,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.triggers.watch import RECEIVE_TIMEOUT, QueueWatch

Sighting = dict[str, Any]


class GreenApiDoorbellTrigger(BaseEventTrigger):
    """Rings for an ``AssetWatcher`` when a new head waits in the queue; the Dag drains. It never deletes.

    A crash at any point loses nothing: the notification waits in the gateway's queue until a Dag has drained
    it. A ring that gets lost on its way is repeated after ``ring_again_after`` while the head still waits.

    An event says that something waits, never what: ``{"instance_id", "key", "type_webhook",
    "waiting_since"}``. Airflow logs events whole, so no text and no sender is in them. One ring may stand for
    many notifications, and one Dag run for many rings: don't count either, drain.

    Airflow leaves an asset event lying that comes while the one before still waits for its Dag run; it enters
    the run of the *next* event. Therefore the doorbell rings at most every ``min_ring_interval``, and after
    several rings in a row once more when it has been quiet, with ``key`` ``None``: nothing lies longer than
    ``ring_again_after``, at the price of a Dag run that may find the queue empty.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param min_ring_interval: Seconds between two rings at least.
    :param ring_again_after: Seconds after which it rings again for a head that still waits.
    :param receive_timeout: Seconds the gateway may hold an idle look open, 5 to 60. Watchers with the same
        connection and ``receive_timeout`` share one look in a triggerer (Airflow 3.3+). Across triggerers
        they don't: prefer one watcher per instance, and several Dags on its asset.
    :raises TypeError: An argument is wrong.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """

    def __init__(
        self,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        min_ring_interval: float = 2.0,
        ring_again_after: float = 60.0,
        receive_timeout: float = RECEIVE_TIMEOUT,
    ) -> None:
        super().__init__()
        self.green_api_conn_id = of_trigger(connection_of)("green_api_conn_id", green_api_conn_id)
        self.min_ring_interval = of_trigger(seconds_of)("min_ring_interval", min_ring_interval)
        self.ring_again_after = of_trigger(positive_seconds_of)("ring_again_after", ring_again_after)
        self.receive_timeout = of_trigger(receive_timeout_of)("receive_timeout", receive_timeout)
        self._watch: QueueWatch | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": self.green_api_conn_id,
                "min_ring_interval": self.min_ring_interval,
                "ring_again_after": self.ring_again_after,
                "receive_timeout": self.receive_timeout,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Let doorbells of one connection share one look at its queue; each keeps its own pace."""
        return ("green_api_doorbell", self.green_api_conn_id, self.receive_timeout)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Sighting]:
        """Yield what each look at the queue shows, for all doorbells of one connection."""
        watch = QueueWatch(kwargs["green_api_conn_id"], receive_timeout=kwargs["receive_timeout"])
        try:
            async for sighting in _sightings(watch):
                yield sighting
        finally:
            await watch.close()

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Sighting]
    ) -> AsyncIterator[TriggerEvent]:
        """Turn looks into rings."""
        bell = Bell(self.min_ring_interval, self.ring_again_after, self.receive_timeout)
        async for sighting in shared_stream:
            if bell.strikes(sighting["key"], time.monotonic()):
                self.log.info(
                    "Ringing for the queue of %r: %s.",
                    self.green_api_conn_id,
                    f"notification {sighting['key']} waits" if sighting["key"] else "a burst is over",
                )
                yield TriggerEvent(sighting)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same where Airflow has no shared streams (below 3.3)."""
        self._watch = QueueWatch(self.green_api_conn_id, receive_timeout=self.receive_timeout)
        async for event in self.filter_shared_stream(_sightings(self._watch)):
            yield event

    async def cleanup(self) -> None:
        """Leave the shared session. The queue stays as it is: this runs on a mere hand-over too."""
        if self._watch is not None:
            await self._watch.close()


class Bell:
    """Decides whether a look at the queue is worth a ring. All times are seconds.

    :param hold: How long the next look may take: a ring that would come due in that time comes before.
    """

    def __init__(self, min_ring_interval: float, ring_again_after: float, hold: float) -> None:
        self._min_interval = min_ring_interval
        self._ring_again_after = ring_again_after
        self._quiet_after = max(min_ring_interval, ring_again_after - hold)
        self._rung_at = -math.inf
        self._rung_for: str | None = None
        self._in_a_row = False

    def strikes(self, key: str | None, now: float) -> bool:
        """Say whether to ring for the head ``key``, or for an empty queue."""
        silence = now - self._rung_at
        if key is None:
            due = self._in_a_row and silence >= self._quiet_after
        elif key == self._rung_for:
            due = silence >= self._ring_again_after
        else:
            due = silence >= self._min_interval
        if due:
            self._in_a_row = key is not None and silence < self._ring_again_after
            self._rung_at, self._rung_for = now, key
        return due


async def _sightings(watch: QueueWatch) -> AsyncIterator[Sighting]:
    """Yield what is seen of the head: enough to know it again, nothing of what it says."""
    while True:
        head = await watch.look()
        yield _sighting(head, watch.hook.config.id_instance)
        if head is not None:
            await watch.pause()


def _sighting(head: Notification | None, instance_id: str) -> Sighting:
    if head is None:
        return {"instance_id": instance_id, "key": None, "type_webhook": None, "waiting_since": None}
    kind = head.type_webhook or ""
    return {
        "instance_id": instance_id,
        "key": head.key,
        "type_webhook": printable(kind, NAME) if kind.isidentifier() else None,
        "waiting_since": (head.timestamp or head.received_at).isoformat(),
    }
