"""Drain the queue into a store, or through a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import Asset

from airflow_green_notify.arguments import (
    Judge,
    check_apart,
    choice_of,
    count_of,
    filter_argument,
    handler_of,
    matching_of,
    optional,
    refusal,
    store_of,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.lineage import Lineage, stored
from airflow_green_notify.operators.handling import Handling
from airflow_green_notify.operators.reader import ReaderOperator
from airflow_green_notify.operators.routing import events_of, filters_of, pairs_of, routes_of
from airflow_green_notify.stores import batch_id_of, open_batch
from airflow_green_notify.stores.names import task_of
from airflow_green_notify.stores.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching, NotificationFilter
    from airflow_green_notify.notification import Notification
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
    takes a minute, or such a Dag would fail all the time.

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


class GreenApiProcessNotificationsOperator(ReaderOperator):
    """Calls a handler for each notification of the queue, and deletes each one after its handler returned.

    A crash while the handler runs leaves the notification in the queue, and the handler is called again with
    it: make it idempotent, for instance by ``notification.key``. A crash after it returned is recognised, and
    the notification is deleted without another call. One that fails ``max_attempts`` times, over all tries
    and runs, goes to the dead-letter store with the error, and the queue moves on.

    What ``airflow green-api dead-letters STORE replay`` marked of this task's dead letters it handles anew
    beside the queue, in order, with attempts counted from 1: by turns with what the queue brings, and for
    60 seconds after its start even if the queue is empty by then. What is left waits for the next run. One
    that is handled is a dead letter no more, and one that fails again is a new one, which has the history of
    the old one. A crash leaves it marked: the next run begins it again, without another call of the handler
    if the last one had returned.

    With ``outlets``, each asset event carries ``{"handled", "dead_letters", "replayed",
    "dead_letter_batch"}`` in its ``extra``; when nothing came there is no event.

    A handler may end the attempts on a notification itself. ``AirflowFailException``: trying again is in
    vain, so it is treated as if ``max_attempts`` were reached. ``AirflowSkipException``: there is nothing to
    do for this one, so it counts as handled and is deleted. ``execution_timeout`` and SIGTERM end the task
    within a second; a handler that hangs goes on until the process ends, but nothing is deleted any more.

    :param handler: Called with each :class:`~airflow_green_notify.notification.Notification`, in a thread of
        its own, one at a time.
    :param dead_letter: The store for what the handler keeps failing on; it also keeps the count of attempts,
        and the lease that lets one reader at a time into the queue. A dead letter lies there with the note of
        :func:`~airflow_green_notify.stores.dead_letter.note_of`, which tells reason, attempts and errors,
        apart from the same notification if a drain stored that; a table or folder of its own is best. With
        ``on_error="stop"`` it may be left out; then nothing keeps two runs from handling the same
        notification, so set ``max_active_runs=1``.
    :param max_attempts: Hard limit of attempts on one notification, over all tries and runs. Without a store
        in ``dead_letter`` nothing counts over tries: each retry of the task begins anew.
    :param on_error: After ``max_attempts``: ``"dead_letter"`` sets the notification aside. ``"stop"`` fails
        the task and leaves it at the head of the queue: without using the task's retries if there is a store
        that counts, and the next run, or the cleared task, counts anew.
    :param green_api_conn_id: The connection, of type ``greenapi``, or a list of them. Their handlers take
        turns in one thread, so a slow one holds up all.
    :param max_notifications: As in :class:`GreenApiDrainNotificationsOperator`, like all that follow.
    :return: ``{"handled", "dead_letters", "replayed", "dead_letter_batch", "report"}``, and ``"instances"``
        for a list. ``replayed`` counts the dead letters that were handled this time.
    :raises ValueError: An argument is wrong, such as a handler that is async, whose body would never run.
    """

    template_fields: Sequence[str] = (
        *ReaderOperator.template_fields,
        "dead_letter",
        "max_attempts",
        "on_error",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"dead_letter": "py"}
    judges: ClassVar[Mapping[str, Judge]] = {
        **ReaderOperator.judges,
        "handler": handler_of,
        "dead_letter": optional(store_of),
        "max_attempts": count_of,
        "on_error": choice_of("dead_letter", "stop"),
    }

    def __init__(
        self,
        *,
        handler: Callable[[Notification], object],
        dead_letter: NotificationStore | None = None,
        max_attempts: int | str = 3,
        on_error: Literal["dead_letter", "stop"] = "dead_letter",
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
        self.handler = handler
        self.dead_letter = dead_letter
        self.max_attempts = max_attempts
        self.on_error = on_error
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        super().check_together(known)
        if known.get("on_error") == "dead_letter" and known.get("dead_letter", ...) is None:
            raise ValueError('dead_letter is None; it must be the store that on_error="dead_letter" needs.')

    def _execute(self, context: Context, given: SimpleNamespace) -> dict[str, Any]:
        reading = self._reading(context, given)
        with ExitStack() as stack:
            store = given.dead_letter and stack.enter_context(
                open_batch(given.dead_letter, context, reading.queue)
            )
            handling = Handling(given, store, task_of(batch_id_of(context)))
            with handling:
                report = reading.into_handlers(handling.sink_of, store, stack)
            self._batch = batch = store.close() if store else None
        result = {**handling.counts(), "dead_letter_batch": batch}
        came = any(handling.counts().values()) or (batch and batch["count"])
        self._end(context, report, given.skip_if_empty, result if came else None)
        return {**result, **reading.told(report)}

    def lineage(self) -> Lineage:
        return Lineage(self._queues(), stored(self.dead_letter, self._batch))
