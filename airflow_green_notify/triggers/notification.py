"""Brings notifications themselves into asset events, and deletes them once Airflow has stored the events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_green_notify.arguments import (
    connection_of,
    of_trigger,
    optional,
    positive_seconds_of,
    receive_timeout_of,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers.watch import RECEIVE_TIMEOUT
from airflow_green_notify.triggers.watcher_reports import in_row, reporting_store_of

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store
    from airflow_green_notify.triggers.producer import GreenApiQueueProducer, Offer


class GreenApiNotificationTrigger(BaseEventTrigger):
    """Puts each notification into an asset event of its own, and deletes it after Airflow stored that event.

    A crash before the deletion leaves the notification in the queue: it comes again, so an event may come
    twice, with the same ``key``. A frozen triggerer that wakes after another has taken over doubles events,
    too. What handles them must be idempotent.

    **One watcher for each instance, and nothing else that reads it.** The queue has one reader by nature:
    what a second one deletes first is in no event of the other. Watchers in one triggerer decide together,
    and a notification is deleted only when each of them has taken it and Airflow has confirmed each event;
    a watcher that fails, is removed or whose Dags are paused in the middle takes nothing with it. But those
    in another triggerer, and those that come back later, get only what is left; Airflow gives a watcher back
    when a paused Dag that runs again is parsed. The log warns of a second watcher beside this one, and when
    something else deleted what was on offer. Put several Dags on the watcher's asset instead, and import the
    asset: where it is declared again without its watcher, Airflow takes the watcher away.

    **An event may lie for a while.** Airflow leaves an event lying that is stored while the run for an
    earlier one still waits (the scheduler is away, all ``max_active_runs`` are at work), or while the Dag is
    paused; it enters the run of a later event. Therefore quiet events follow, without a notification:
    ``{"key": None, "receipt_id": None, "received_at": None, "body": None}``. The first comes
    ``ring_again_after`` after the last notification, or after the trigger's start, and each further one after
    twice the time of the one before. So an event lies for at most ``ring_again_after``; where Airflow could
    create no run for longer than that, for about as long again. The price is Dag runs that find no
    notification: 5 in the first quiet hour, 10 in the first day. To Airflow a quiet event is an update of the
    asset like any other. One run may carry many events, and two runs the same notification.

    .. code-block:: python

        @task
        def take(triggering_asset_events):
            for notification in read_events(triggering_asset_events[INBOX]):
                print(notification.sender_name, notification.text)

    Needs the shared streams of Airflow 3.3. Takes about 4 s per notification, so it is for queues with
    little traffic; it has no filter, since what no event carries would be deleted unseen. For everything
    else take :class:`~airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger`.

    An event is ``{"key", "receipt_id", "received_at", "body"}``, read by :func:`read_events`, without
    thumbnails. Airflow logs events whole, message texts included. A notification too large for an event stays
    at the head of the queue, and the log says so, until a Dag drains it.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param receive_timeout: Seconds the gateway may hold an idle look open, 5 to 60. Watchers of one
        connection share one look in a triggerer, with the values of the first.
    :param ring_again_after: Seconds after the last notification until the first quiet event.
    :param report_to: A ``SqlStore`` or an ``ObjectStorageStore`` that is told about once a minute when the
        trigger last looked and what became of the head, as the doorbell's.
    :raises TypeError: This Airflow has no shared streams, or an argument is wrong.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/
    """

    def __init__(
        self,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float = RECEIVE_TIMEOUT,
        ring_again_after: float = 60.0,
        report_to: Store | str | None = None,
    ) -> None:
        super().__init__()
        if not hasattr(BaseEventTrigger, "create_shared_stream_producer"):
            # A TypeError, since it is the one error in a constructor that a triggerer survives.
            raise TypeError(
                "GreenApiNotificationTrigger needs Airflow 3.3 or newer, whose shared streams tell when an "
                "event is stored. Use GreenApiDoorbellTrigger and let the Dag drain the queue."
            )
        self.green_api_conn_id = of_trigger(connection_of)("green_api_conn_id", green_api_conn_id)
        self.receive_timeout = of_trigger(receive_timeout_of)("receive_timeout", receive_timeout)
        self.ring_again_after = of_trigger(positive_seconds_of)("ring_again_after", ring_again_after)
        self.report_to: Store | None = of_trigger(optional(reporting_store_of))("report_to", report_to)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        # Its arguments are what Airflow knows a watcher by: who doesn't ask for reports keeps the row.
        reporting = {} if self.report_to is None else {"report_to": in_row(self.report_to)}
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "green_api_conn_id": self.green_api_conn_id,
                "receive_timeout": self.receive_timeout,
                "ring_again_after": self.ring_again_after,
                **reporting,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Let all watchers of one connection share one look at its queue, whatever else they are given."""
        return ("green_api_notification", self.green_api_conn_id)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> GreenApiQueueProducer:
        """Return what looks at the queue and deletes from it."""
        from airflow_green_notify.triggers.producer import GreenApiQueueProducer

        return GreenApiQueueProducer(**kwargs)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Offer]) -> AsyncIterator[TriggerEvent]:
        """Turn each offered notification into an event, and take it once the event is on its way.

        Airflow counts a watcher that raises or is cancelled as one that accepted. So an offer is taken only
        here, after the ``yield`` has returned: the event is in Airflow's hands then, bound to this offer. And
        it is given back when this watcher ends before the deletion: its last event may have found no asset.
        """
        taken: Offer | None = None
        try:
            async for offer in shared_stream:
                yield TriggerEvent(offer.payload)
                taken = offer
                offer.take()
        finally:
            if taken is not None:
                taken.give_back()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse: without a shared stream nothing tells when an event is stored."""
        raise TypeError("GreenApiNotificationTrigger works for an AssetWatcher only.")
        yield TriggerEvent(None)


def read_events(events: Iterable[Any]) -> Iterator[Notification]:
    """Yield the notifications that asset events carry, each once.

    Quiet events are passed over, as are those that something else than a trigger made.

    :param events: ``triggering_asset_events[INBOX]`` of a task's context.
    :raises ValueError: An event carries something else, such as a doorbell's ring.
    """
    payloads = (event.extra.get("payload") or {} for event in events)
    carried = {payload["key"]: payload for payload in payloads if payload.get("key")}
    yield from map(Notification.from_dict, carried.values())
