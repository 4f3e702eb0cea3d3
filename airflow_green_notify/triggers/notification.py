"""Brings notifications themselves into asset events, and deletes them once Airflow has stored the events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_green_notify.arguments import connection_of, of_trigger, receive_timeout_of
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.triggers.watch import RECEIVE_TIMEOUT

if TYPE_CHECKING:
    from airflow_green_notify.triggers.producer import GreenApiQueueProducer, Offer


class GreenApiNotificationTrigger(BaseEventTrigger):
    """Puts each notification into an asset event of its own, and deletes it after Airflow stored that event.

    A crash before the deletion leaves the notification in the queue: it comes again, so an event may come
    twice, with the same ``key``. It is deleted only when every watcher of the queue has taken it and Airflow
    has confirmed each of their events; a watcher that fails, is removed or whose Dag is paused in the middle
    takes nothing with it.

    Needs the shared streams of Airflow 3.3. Takes about 2.5 s per notification, so it is for queues with
    little traffic; it has no filter, since what no event carries would be deleted unseen. For everything
    else take :class:`~airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger`.

    An event is ``{"key", "receipt_id", "received_at", "body"}``, read by ``Notification.from_dict``, without
    thumbnails. Airflow logs events whole, message texts included. A notification too large for an event stays
    at the head of the queue, and the log says so, until a Dag drains it. Airflow merges events: one Dag run
    may carry many. An event that comes while all of the Dag's ``max_active_runs`` are at work lies until the
    next event, so don't set that low.

    :param green_api_conn_id: The connection, of type ``green_api``.
    :param receive_timeout: Seconds the gateway may hold an idle look open, 5 to 60. All watchers of one
        connection should have the same: they share one look in a triggerer, and decide together.
    :raises TypeError: This Airflow has no shared streams, or an argument is wrong.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/
    """

    def __init__(
        self,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float = RECEIVE_TIMEOUT,
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"green_api_conn_id": self.green_api_conn_id, "receive_timeout": self.receive_timeout},
        )

    def shared_stream_key(self) -> Hashable:
        """Let all watchers of one connection share one look at its queue."""
        return ("green_api_notification", self.green_api_conn_id, self.receive_timeout)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> GreenApiQueueProducer:
        """Return what looks at the queue and deletes from it."""
        from airflow_green_notify.triggers.producer import GreenApiQueueProducer

        return GreenApiQueueProducer(kwargs["green_api_conn_id"], kwargs["receive_timeout"])

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
