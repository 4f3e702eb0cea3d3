"""Drain the queue into a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import Asset

from airflow_green_notify.arguments import (
    Judge,
    check_apart,
    filter_argument,
    matching_of,
    optional,
    refusal,
    store_of,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.lineage import Lineage, stored
from airflow_green_notify.operators.reader import ReaderOperator
from airflow_green_notify.operators.routing import events_of, filters_of, pairs_of, routes_of
from airflow_green_notify.stores import open_batch
from airflow_green_notify.stores.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching, NotificationFilter
    from airflow_green_notify.stores import NotificationStore

    Part = NotificationFilter | Mapping[str, Any]


class GreenApiDrainNotificationsOperator(ReaderOperator):
    """Drains the queue into a store: receives, stores durably, and only then deletes, one by one.

    A crash at any point loses nothing and doubles nothing: what was not stored is still in the queue; what
    was stored and not yet deleted comes again and is recognised by its key. A retry continues the batch of
    the try before it, so what the first try stored is in what the second returns. What a task stored that
    then failed for good is taken over by the next drain of the same Dag, task and queue, and told in its
    report as ``adopted``.

    One reader at a time: a lease in the store's ledger keeps drains of one queue into one store apart. Two
    drains of a queue into different stores don't see each other's lease; what is left to them stands in
    :class:`~airflow_green_notify.hooks.receipt.Receipt`.

    With a list of connections it drains a fleet: all queues at once, into one batch, in one transaction for
    whatever they have waiting. ``max_notifications`` and ``max_seconds`` hold for all together. What fails,
    fails alone (a refused token, an outage, a row that the database refuses), and is named at the end. One
    run of a fleet's task at a time: a lease keeps the next one waiting.

    With ``linger`` it stays: an empty queue is waited on, so that a Dag with ``schedule="@continuous"`` and
    ``max_active_runs=1`` streams one batch after the other with the latency of a round trip. A failure then
    takes a minute, or such a Dag would fail all the time. In a fleet that lingers, an instance that failed is
    tried again, after 1, 2, 4 … 30 s, if that may help, unless nothing has worked for a minute.

    With ``outlets``, each asset event carries ``{"batch": …}``, the batch description, in its ``extra``; when
    nothing came there is no event.

    With ``routes``, each asset whose filter fits something in the batch gets an event with ``{"batch",
    "matching", "count"}``, which :func:`~airflow_green_notify.stores.read_batch` reads: just that part.
    Nothing is stored twice, and what fits no filter is in the batch all the same. Airflow makes the events
    with the success of the task, once, whatever tries it took. It may hand several to one Dag run, and a Dag
    that is paused, or has ``max_active_runs=1`` and a run that waits, is not started for each; two schedulers
    may order them differently. So take an event for a bell, and let each team read on by a consumer of its
    own (``GreenApiReadNewOperator``): then an event that was merged or lost costs nothing.

    :param store: Where notifications become durable, such as
        ``SqlStore("warehouse")`` or ``ObjectStorageStore("s3://bucket/green-api")``.
    :param accept: What goes into ``store``: a :class:`~airflow_green_notify.filters.NotificationFilter`, its
        arguments as a dict, or a callable that gets the notification and returns whether it is meant.
        Everything else goes into ``unmatched``; what it fails on goes into ``store``. It has to judge a
        notification that comes again as before: one whose verdict changes may lie in both stores.
    :param unmatched: The store for everything else, another than ``store``; required with ``accept``.
    :param routes: Pairs of an asset and what is meant for it of what went into ``store``: a filter as in
        ``accept``, but no callable. From Airflow 3.2 on a dict of them will do. The assets become outlets
        of the task; of a mapped one name them in ``partial(outlets=…)``, too.
    :param green_api_conn_id: The connection, of type ``greenapi``, or a list of them, one for each instance;
        a template may render the list.
    :param max_notifications: Hard limit of notifications.
    :param max_seconds: No receive begins later than this after the start.
    :param empty_answers: The queue counts as empty after so many empty answers in a row.
    :param until: Stop at the first notification that is newer than this timestamp (with a time zone), and
        leave it for the next run; by default newer than the start of this try, so that steady traffic can't
        hold the task for ever. ``None`` drains until the queue is empty.
    :param receive_timeout: Seconds the gateway may hold a receive open, 5 to 60.
    :param wait_for_reader: Seconds to wait while somebody else reads this queue into ``store``. Then the task
        ends without reading: nothing is lost by that, since the other one drains the queue.
    :param overlap: Whether to receive the next notification while the last is being deleted.
    :param skip_if_empty: Skip this task, and what is behind it, if the batch is empty.
    :param linger: Seconds after the start in which an empty queue doesn't end the drain; ``until="start"`` is
        then counted from their end. ``"forever"``: only ``max_seconds`` or ``max_notifications`` end it, so
        set one of them.
    :param on_instance_error: What the failure of some of a list does at the end: ``"fail"`` fails the task,
        and its retry, or the next run, hands on what the others brought; ``"warn"`` warns, unless all failed.
    :return: The batch description for :func:`~airflow_green_notify.stores.read_batch`, with ``"report"``
        (and ``"unmatched"``, the description of the other store's batch). For a list that report is the sum,
        and ``"instances"`` has, by connection, what differs from nothing, and ``"error"`` where it failed.
    :raises ValueError: An argument is wrong, as far as no template hides it; what a template hides fails the
        task at once. So is ``do_xcom_push=False``: what is stored is handed on by what this task returns.
    """

    template_fields: Sequence[str] = (
        *ReaderOperator.template_fields,
        "store",
        "accept",
        "unmatched",
        "routes",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "store": "py",
        "accept": "json",
        "unmatched": "py",
        "routes": "json",
    }
    judges: ClassVar[Mapping[str, Judge]] = {
        **ReaderOperator.judges,
        "store": store_of,
        "accept": optional(matching_of),
        "unmatched": optional(store_of),
        "routes": routes_of,
    }

    def __init__(
        self,
        *,
        store: NotificationStore,
        accept: Matching | Mapping[str, Any] | None = None,
        unmatched: NotificationStore | None = None,
        routes: Sequence[tuple[Asset, Part]] | Mapping[Asset, Part] = (),
        green_api_conn_id: str | Sequence[str] = GreenApiHook.default_conn_name,
        max_notifications: int | str | None = None,
        max_seconds: float | timedelta | str | None = None,
        empty_answers: int | str = 2,
        until: datetime | str | None = "start",
        receive_timeout: float | timedelta | str = 5,
        wait_for_reader: float | timedelta | str = 60,
        overlap: bool | str = True,
        skip_if_empty: bool | str = False,
        linger: float | timedelta | str = 0,
        on_instance_error: Literal["fail", "warn"] | str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            green_api_conn_id=green_api_conn_id,
            max_notifications=max_notifications,
            max_seconds=max_seconds,
            empty_answers=empty_answers,
            until=until,
            receive_timeout=receive_timeout,
            wait_for_reader=wait_for_reader,
            overlap=overlap,
            skip_if_empty=skip_if_empty,
            linger=linger,
            on_instance_error=on_instance_error,
            **kwargs,
        )
        self.store = store
        self.accept = None if accept is None else filter_argument("accept", accept)
        self.unmatched = unmatched
        pairs = pairs_of(routes)
        self.routes = filters_of(pairs)
        self.outlets = [*self.outlets, *(asset for asset, _ in pairs if asset not in self.outlets)]
        self.check_arguments()
        self.check_handed_on()

    def check_together(self, known: Mapping[str, Any]) -> None:
        super().check_together(known)
        if (known.get("accept", ...) is None) != (known.get("unmatched", ...) is None):
            raise ValueError("accept and unmatched go together: name a store for what is not accepted.")
        if known.get("unmatched") is not None and "store" in known:
            check_apart("store", known["store"], "unmatched", known["unmatched"])
        if known.get("routes") and "store" in known and not isinstance(known["store"], Store):
            raise refusal("store", known["store"], "a SqlStore or an ObjectStorageStore if there are routes")

    def _execute(self, context: Context, given: SimpleNamespace) -> dict[str, Any]:
        reading = self._reading(context, given)
        with ExitStack() as stack:
            store = stack.enter_context(open_batch(given.store, context, reading.queue))
            unmatched = given.unmatched and stack.enter_context(
                open_batch(given.unmatched, context, reading.queue)
            )
            report = reading.into_store(store, given.accept, unmatched, stack)
            batch = store.close()
            if unmatched:
                batch["unmatched"] = unmatched.close()
        self._batch = batch
        came = batch["count"] or batch.get("unmatched", batch)["count"]
        self._route(context, given.routes, events_of(batch, given.routes))
        self._end(context, report, given.skip_if_empty, {"batch": batch} if came else None)
        return {**batch, **reading.told(report)}

    def lineage(self) -> Lineage:
        rest = self._batch and self._batch.get("unmatched")
        writes = [*stored(self.store, self._batch), *stored(self.unmatched, rest)]
        return Lineage(self._queues(), writes)

    def _route(
        self, context: Context, routes: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Tell the assets of routes what came for them, and leave those out for which nothing came."""
        routed = [each for each in self.outlets if isinstance(each, Asset) and each.name in routes]
        self.outlets = [each for each in self.outlets if each not in routed or each.name in events]
        for asset in routed:
            if asset.name in events:
                context["outlet_events"][asset].extra.update(events[asset.name])
