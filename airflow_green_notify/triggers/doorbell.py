"""Rings when a new head waits, and leaves it where it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_green_notify import metrics
from airflow_green_notify.arguments import (
    connections_of,
    count_of,
    of_trigger,
    optional,
    positive_seconds_of,
    receive_timeout_of,
    seconds_of,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.triggers.bell import Bell, Patience
from airflow_green_notify.triggers.fleet import FleetWatch, named
from airflow_green_notify.triggers.sighting import Lookout, Looks
from airflow_green_notify.triggers.watch import RECEIVE_TIMEOUT, QueueWatch
from airflow_green_notify.triggers.watcher_reports import WatcherReports, in_row, reporting_store_of

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store

LISTED_AT_MOST = 100
"""How many connections a ring of a fleet names: Airflow keeps asset events for long, and logs them whole."""


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

    With a list of connections it watches all of their queues, and keeps to ``min_ring_interval`` for all of
    them together. An instance that refuses, is away or has no connection stops none of the others, and rings
    for nothing meanwhile; the log names it. The event is ``{"connections", "instance_ids", "count",
    "waiting_since"}`` then: what has something waiting, the one that waits longest first and at most 100 of
    them, how many there are in all, and since when the first of them waits (ISO time). The ring after a burst
    has empty lists and ``count`` 0.

    With ``min_waiting`` above 1 it rings once that many notifications wait behind heads that were not rung
    for yet, in all queues together, or one of these heads has waited for ``max_wait``. How many they are is
    the gateway's own count (getWebhooksCount), which is up to 10 s old and known to be 0 where something
    waits; a count that fails or is 0 counts as 1. So a ring may come late, but never later than ``max_wait``.

    :param green_api_conn_id: The connection, of type ``greenapi``, or a list of them, each of another
        instance.
    :param min_ring_interval: Seconds between two rings at least.
    :param ring_again_after: Seconds after which it rings again for a head that still waits.
    :param receive_timeout: Seconds the gateway may hold an idle look open, 5 to 60. Watchers with the same
        connections and ``receive_timeout`` share one look in a triggerer (Airflow 3.3+). Across triggerers
        they don't: prefer one watcher per instance, and several Dags on its asset.
    :param min_waiting: How many notifications must wait for a ring.
    :param max_wait: Seconds after which fewer than ``min_waiting`` are rung for, too: since the time that the
        notification bears, by the gateway's clock, or since the head was first seen, whichever is longer ago.
    :param report_to: A ``SqlStore`` or an ``ObjectStorageStore`` that is told about once a minute, and when
        it rings or a look fails, when the doorbell last looked and why it doesn't ring, for
        :meth:`~airflow_green_notify.stores.store.Store.reports`. Nothing waits for that store. Doorbells of
        the same connections and with the same ``min_waiting`` are one watcher there.
    :raises TypeError: An argument is wrong.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """

    def __init__(
        self,
        green_api_conn_id: str | Sequence[str] = GreenApiHook.default_conn_name,
        min_ring_interval: float = 2.0,
        ring_again_after: float = 60.0,
        receive_timeout: float = RECEIVE_TIMEOUT,
        min_waiting: int = 1,
        max_wait: float = 60.0,
        report_to: Store | str | None = None,
    ) -> None:
        super().__init__()
        self.green_api_conn_id = of_trigger(connections_of)("green_api_conn_id", green_api_conn_id)
        self.min_ring_interval = of_trigger(seconds_of)("min_ring_interval", min_ring_interval)
        self.ring_again_after = of_trigger(positive_seconds_of)("ring_again_after", ring_again_after)
        self.receive_timeout = of_trigger(receive_timeout_of)("receive_timeout", receive_timeout)
        self.min_waiting = of_trigger(count_of)("min_waiting", min_waiting)
        self.max_wait = of_trigger(positive_seconds_of)("max_wait", max_wait)
        self.report_to: Store | None = of_trigger(optional(reporting_store_of))("report_to", report_to)
        self._watch: Lookout | FleetWatch | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        conn_ids = self.green_api_conn_id
        # Its arguments are what Airflow knows a watcher by: who doesn't ask for reports keeps the row.
        reporting = {} if self.report_to is None else {"report_to": in_row(self.report_to)}
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": conn_ids if isinstance(conn_ids, str) else list(conn_ids),
                "min_ring_interval": self.min_ring_interval,
                "ring_again_after": self.ring_again_after,
                "receive_timeout": self.receive_timeout,
                "min_waiting": self.min_waiting,
                "max_wait": self.max_wait,
                **reporting,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Let doorbells of the same connections share one look at the queues; each keeps its own pace."""
        conn_ids = self.green_api_conn_id
        queues = conn_ids if isinstance(conn_ids, str) else tuple(sorted(conn_ids))
        return ("green_api_doorbell", queues, self.receive_timeout, self.min_waiting > 1)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Looks]:
        """Yield what the looks at the queues show, for all doorbells of the same connections."""
        watch = _watch_of(kwargs)
        try:
            async for looks in watch.looks():
                yield looks
        finally:
            await watch.close()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Looks]) -> AsyncIterator[TriggerEvent]:
        """Turn looks into rings."""
        bell = Bell(self.min_ring_interval, self.ring_again_after, self.receive_timeout)
        patience = Patience(self.min_waiting, self.max_wait)
        reports = self._reports()
        try:
            async for looks in shared_stream:
                now = time.monotonic()
                waiting = {conn_id: seen.key for conn_id, seen in looks.items() if seen.key is not None}
                news = [looks[conn_id] for conn_id in bell.news(waiting)]
                is_enough = patience.is_over(news, now)
                rings = bool(looks) and bell.strikes(waiting, now, is_enough)
                if reports is not None:
                    why = bell.why_not(waiting, now) if is_enough or not news else patience.why_not(news)
                    reports.see(looks, why, rang=rings)
                if rings:
                    yield TriggerEvent(self._ring(looks, waiting))
        finally:
            if reports is not None:
                reports.close()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same where Airflow has no shared streams (below 3.3)."""
        self._watch = _watch_of(self.serialize()[1])
        async for event in self.filter_shared_stream(self._watch.looks()):
            yield event

    async def cleanup(self) -> None:
        """Leave the shared session. The queues stay as they are: this runs on a mere hand-over too."""
        if self._watch is not None:
            await self._watch.close()

    def _reports(self) -> WatcherReports | None:
        if self.report_to is None:
            return None
        least = f", for {self.min_waiting} or more," if self.min_waiting > 1 else ""
        return WatcherReports(f"doorbell{least} of", self.green_api_conn_id, self.report_to)

    def _ring(self, looks: Looks, waiting: Mapping[str, str]) -> dict[str, Any]:
        """Return the event for what waits, and tell of it."""
        if isinstance(self.green_api_conn_id, str):
            (sighting,) = looks.values()
            metrics.count(metrics.RINGS, instance=sighting.instance_id)
            self.log.info(
                "Ringing for the queue of %r: %s.",
                self.green_api_conn_id,
                f"notification {sighting.key} waits" if sighting.key else "a burst is over",
            )
            return sighting.as_event()
        ordered = sorted(waiting, key=lambda conn_id: (looks[conn_id].since, conn_id))
        metrics.count(metrics.RINGS)
        self.log.info(
            "Ringing for %d of %d queues: %s.",
            len(ordered),
            len(self.green_api_conn_id),
            named(ordered) if ordered else "a burst is over",
        )
        listed = ordered[:LISTED_AT_MOST]
        return {
            "connections": listed,
            "instance_ids": [looks[conn_id].instance_id for conn_id in listed],
            "count": len(ordered),
            "waiting_since": looks[listed[0]].as_event()["waiting_since"] if listed else None,
        }


def _watch_of(kwargs: Mapping[str, Any]) -> Lookout | FleetWatch:
    """Return what looks at the queue, or the queues, of the arguments in a trigger's row."""
    conn_ids, hold = kwargs["green_api_conn_id"], kwargs["receive_timeout"]
    counting = kwargs["min_waiting"] > 1
    if isinstance(conn_ids, str):
        return Lookout(QueueWatch(conn_ids, receive_timeout=hold), counting=counting)
    return FleetWatch(conn_ids, receive_timeout=hold, counting=counting)
