"""Drain the queue into a store, or through a handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import BaseOperator

from airflow_green_notify.drain import DrainReport, StopCondition, drain
from airflow_green_notify.drain.lease import BACKFILL, ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.handling import NotificationHandler
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stoppable import StopsWhenTold
from airflow_green_notify.stores import batch_id_of, open_batch

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore


class _DrainingOperator(StopsWhenTold, BaseOperator):
    """When to stop, and how to receive: what draining operators have in common."""

    template_fields: Sequence[str] = (
        "green_api_conn_id",
        "max_notifications",
        "max_seconds",
        "until",
        "receive_timeout",
        "wait_for_reader",
    )

    def __init__(
        self,
        *,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        max_notifications: int | str | None = None,
        max_seconds: float | str | None = None,
        empty_answers: int = 2,
        until: datetime | str | None = "start",
        receive_timeout: float | str = 5,
        wait_for_reader: float | str = 60,
        overlap: bool = True,
        skip_if_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.max_notifications = max_notifications
        self.max_seconds = max_seconds
        self.empty_answers = empty_answers
        self.until = until
        self.receive_timeout = receive_timeout
        self.wait_for_reader = wait_for_reader
        self.overlap = overlap
        self.skip_if_empty = skip_if_empty

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute, context))

    def _execute(self, context: Context) -> dict[str, Any]:
        raise NotImplementedError

    def _lease(
        self, store: NotificationStore | None, hook: GreenApiHook, context: Context
    ) -> ReaderLease | None:
        if store is None:
            return None
        reader = f"{batch_id_of(context)} (try {context['ti'].try_number})"
        return ReaderLease(store.leases, hook.config.queue, reader)

    def _drain(
        self,
        hook: GreenApiHook,
        target: Any,
        lease: ReaderLease | None,
        stack: ExitStack,
        stores: Sequence[NotificationStore],
        context: Context,
        **options: Any,
    ) -> DrainReport:
        """Become the queue's reader until the stack is left, take over what was forgotten, and drain."""
        stop, receive_timeout = self._stop_condition(), _number("receive_timeout", self.receive_timeout)
        adopted = 0
        if lease is not None:
            if not lease.wait(_number("wait_for_reader", self.wait_for_reader)):
                return self._give_way(lease, context)
            stack.enter_context(renewed(lease))
            if other := lease.other_task():
                self.log.warning(
                    "The task %s reads this queue into the same store, too: each takes what the other waits "
                    "for.",
                    other,
                )
            outcomes = TaskOutcomes(context)
            adopted = sum(adopt_forgotten(store, outcomes) for store in stores)
        report = drain(
            hook,
            target,
            stop=stop,
            receive_timeout=receive_timeout,
            overlap=self.overlap,
            lease=lease,
            **options,
        )
        report.adopted = adopted
        self.log.info("Drained: %s", report.as_dict())
        return report

    def _give_way(self, lease: ReaderLease, context: Context) -> DrainReport:
        """End without reading, since somebody else does; an earlier try of this task puts into its batch."""
        if lease.holder.startswith(f"{batch_id_of(context)} (try "):
            raise NotificationStoreError(
                f"An earlier try of this task still reads the queue, and fills the same batch: "
                f"{lease.holder}. A retry goes on when it has ended."
            )
        if lease.holder.startswith(BACKFILL):
            raise NotificationStoreError(
                f"The queue is kept by {lease.holder}, and nobody drains it meanwhile. A retry goes on when "
                "that has ended; to wait longer, set wait_for_reader."
            )
        self.log.warning(
            "The queue is being read by %s, which stores what comes. Nothing to do here; to wait longer, set "
            "wait_for_reader.",
            lease.holder,
        )
        return DrainReport(stopped_by="another_reader")

    def _stop_condition(self) -> StopCondition:
        try:
            return StopCondition(
                max_notifications=None if self.max_notifications is None else int(self.max_notifications),
                max_seconds=None if self.max_seconds is None else float(self.max_seconds),
                empty_answers=self.empty_answers,
                until=_timestamp(self.until),
            )
        except ValueError as error:
            raise AirflowFailException(str(error)) from error

    def _skip_if(self, nothing_came: bool) -> None:
        if nothing_came and self.skip_if_empty:
            raise AirflowSkipException("The queue was empty.")


class GreenApiDrainNotificationsOperator(_DrainingOperator):
    """Drains the queue into a store: receives, stores durably, and only then deletes, one by one.

    A crash at any point loses nothing and doubles nothing: what was not stored is still in the queue; what
    was stored and not yet deleted comes again and is recognised by its key. A retry continues the batch of
    the try before it, so what the first try stored is in what the second returns. What a task stored that
    then failed for good is taken over by the next drain of the same Dag, task and queue, and told in its
    report as ``adopted``.

    One reader at a time: a lease in the store's ledger keeps drains of one queue into one store apart. Two
    drains of a queue into different stores don't see each other's lease; what is left to them stands in
    :class:`~airflow_green_notify.hooks.receipt.Receipt`.

    :param store: Where notifications become durable, such as
        ``SqlStore("warehouse")`` or ``ObjectStorageStore("s3://bucket/green-api")``.
    :param accept: What goes into ``store``, a :class:`~airflow_green_notify.filters.NotificationFilter` or a
        callable; everything else goes into ``unmatched``. What it fails on goes into ``store``. It has to
        judge a notification that comes again as before: one whose verdict changes may lie in both stores.
    :param unmatched: The store for everything else; required with ``accept``.
    :param green_api_conn_id: The connection, of type ``green_api``.
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
    :return: The batch description for :func:`~airflow_green_notify.stores.read_batch`, with ``"report"``
        (and ``"unmatched"``, the description of the other store's batch).
    :raises ValueError: ``do_xcom_push=False``: what is stored is handed on by what this task returns.
    """

    template_fields: Sequence[str] = (*_DrainingOperator.template_fields, "store", "accept", "unmatched")
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: NotificationStore,
        accept: Matching | None = None,
        unmatched: NotificationStore | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (accept is None) != (unmatched is None):
            raise ValueError("accept= and unmatched= go together: name a store for what is not accepted.")
        if not self.do_xcom_push:
            raise ValueError(
                "do_xcom_push is False; what this task returns is how the batch is handed on, so leave it on."
            )
        self.store = store
        self.accept = accept
        self.unmatched = unmatched

    def _execute(self, context: Context) -> dict[str, Any]:
        hook = GreenApiHook(self.green_api_conn_id)
        with fail_fast(), ExitStack() as stack:
            queue = hook.config.queue
            given = (self.store, self.unmatched) if self.unmatched else (self.store,)
            stores = [stack.enter_context(open_batch(store, context, queue)) for store in given]
            store, unmatched = stores[0], stores[1] if self.unmatched else None
            report = self._drain(
                hook,
                store,
                self._lease(store, hook, context),
                stack,
                stores,
                context,
                accept=self.accept,
                unmatched=unmatched,
            )
            batch = store.close()
            if unmatched:
                batch["unmatched"] = unmatched.close()
        self._skip_if(not batch["count"] and not batch.get("unmatched", batch)["count"])
        return {**batch, "report": report.as_dict()}


class GreenApiProcessNotificationsOperator(_DrainingOperator):
    """Calls a handler for each notification of the queue, and deletes each one after its handler returned.

    A crash while the handler runs leaves the notification in the queue, and the handler is called again with
    it: make it idempotent, for instance by ``notification.key``. A crash after it returned is recognised, and
    the notification is deleted without another call. One that fails ``max_attempts`` times, over all tries
    and runs, goes to the dead-letter store with the error, and the queue moves on.

    A handler may end the attempts on a notification itself. ``AirflowFailException``: trying again is in
    vain, so it is treated as if ``max_attempts`` were reached. ``AirflowSkipException``: there is nothing to
    do for this one, so it counts as handled and is deleted. ``execution_timeout`` and SIGTERM end the task
    within a second; a handler that hangs goes on until the process ends, but nothing is deleted any more.

    :param handler: Called with each :class:`~airflow_green_notify.notification.Notification`, in a thread of
        its own, one at a time.
    :param dead_letter: The store for what the handler keeps failing on; it also keeps the count of attempts,
        and the lease that lets one reader at a time into the queue. A dead letter lies there with
        ``{"error_type", "error_text", "attempts", "key"}`` as its note, apart from the same notification if
        a drain stored that. With ``on_error="stop"`` it may be left out; then nothing keeps two runs from
        handling the same notification, so set ``max_active_runs=1``.
    :param max_attempts: Hard limit of attempts on one notification, over all tries and runs. Without a store
        in ``dead_letter`` nothing counts over tries: each retry of the task begins anew.
    :param on_error: After ``max_attempts``: ``"dead_letter"`` sets the notification aside. ``"stop"`` fails
        the task and leaves it at the head of the queue: without using the task's retries if there is a store
        that counts, and the next run, or the cleared task, counts anew.
    :param green_api_conn_id: The connection, of type ``green_api``.
    :param max_notifications: As in :class:`GreenApiDrainNotificationsOperator`, like all that follow.
    :return: ``{"handled", "dead_letters", "dead_letter_batch", "report"}``.
    """

    template_fields: Sequence[str] = (*_DrainingOperator.template_fields, "dead_letter", "max_attempts")
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        handler: Callable[[Notification], object],
        dead_letter: NotificationStore | None = None,
        max_attempts: int | str = 3,
        on_error: Literal["dead_letter", "stop"] = "dead_letter",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_error not in ("dead_letter", "stop"):
            raise ValueError(f"on_error is {on_error!r}; it must be 'dead_letter' or 'stop'.")
        if on_error == "dead_letter" and dead_letter is None:
            raise ValueError('dead_letter= names the store that on_error="dead_letter" needs.')
        self.handler = handler
        self.dead_letter = dead_letter
        self.max_attempts = max_attempts
        self.on_error = on_error

    def _execute(self, context: Context) -> dict[str, Any]:
        hook = GreenApiHook(self.green_api_conn_id)
        with fail_fast(), ExitStack() as stack:
            ledger = self.dead_letter and stack.enter_context(
                open_batch(self.dead_letter, context, hook.config.queue)
            )
            lease = self._lease(ledger, hook, context)
            sets_aside = self.on_error == "dead_letter"
            handling = NotificationHandler(
                self.handler, int(self.max_attempts), ledger, lease, sets_aside=sets_aside
            )
            # In a thread of its own a handler may run an event loop.
            report = self._drain(
                hook, handling, lease, stack, [ledger] if ledger else [], context, store_in_thread=True
            )
            batch = ledger.close() if ledger else None
        self._skip_if(not handling.handled and not handling.dead_letters and not (batch and batch["count"]))
        return {
            "handled": handling.handled,
            "dead_letters": handling.dead_letters,
            "dead_letter_batch": batch,
            "report": report.as_dict(),
        }


def _number(name: str, value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise AirflowFailException(f"{name} is {value!r}; it must be a number of seconds.") from None


def _timestamp(until: datetime | str | None) -> datetime | Literal["start"] | None:
    if until == "start":
        return "start"
    if until in (None, "", "None"):
        return None
    return until if isinstance(until, datetime) else datetime.fromisoformat(str(until))
