"""What operators that read a queue to its end have in common: when to stop, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_green_notify.arguments import (
    Judge,
    boolean_of,
    count_of,
    moment_of,
    optional,
    positive_seconds_of,
    receive_timeout_of,
    seconds_of,
)
from airflow_green_notify.drain import DrainReport, StopCondition, drain
from airflow_green_notify.drain.lease import BACKFILL, ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stores import batch_id_of
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.stores import NotificationSink
    from airflow_green_notify.stores.notification_store import BatchLedger, LeaseLedger


class ReaderOperator(GreenApiTask):
    """When to stop, and how to receive: what draining operators have in common."""

    template_fields: Sequence[str] = (
        "green_api_conn_id",
        "max_notifications",
        "max_seconds",
        "empty_answers",
        "until",
        "receive_timeout",
        "wait_for_reader",
        "overlap",
        "skip_if_empty",
    )
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "max_notifications": optional(count_of),
        "max_seconds": optional(positive_seconds_of),
        "empty_answers": count_of,
        "until": optional(moment_of),
        "receive_timeout": receive_timeout_of,
        "wait_for_reader": seconds_of,
        "overlap": boolean_of,
        "skip_if_empty": boolean_of,
    }
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        green_api_conn_id: str,
        max_notifications: int | str | None,
        max_seconds: float | timedelta | str | None,
        empty_answers: int | str,
        until: datetime | str | None,
        receive_timeout: float | timedelta | str,
        wait_for_reader: float | timedelta | str,
        overlap: bool | str,
        skip_if_empty: bool | str,
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

    def _lease(self, leases: LeaseLedger, hook: GreenApiHook, context: Context) -> ReaderLease:
        reader = f"{batch_id_of(context)} (try {context['ti'].try_number})"
        return ReaderLease(leases, hook.config.queue, reader)

    def _drain(
        self,
        sink: NotificationSink,
        given: SimpleNamespace,
        lease: ReaderLease | None,
        stack: ExitStack,
        ledgers: Sequence[BatchLedger],
        context: Context,
        *,
        accept: Matching | None = None,
        unmatched: NotificationSink | None = None,
        store_in_thread: bool = False,
        did: str = "Drained",
    ) -> DrainReport:
        """Become the queue's reader until the stack is left, take over what was forgotten, and drain."""
        adopted = 0
        if lease is not None:
            if not lease.wait(given.wait_for_reader):
                return self._give_way(lease, context)
            stack.enter_context(renewed(lease))
            self._warn_of_other_task(lease)
            outcomes = TaskOutcomes(context)
            adopted = sum(adopt_forgotten(batches, outcomes) for batches in ledgers)
        self.log.info("Draining the queue of %r into %s.", self.green_api_conn_id, sink)
        report = drain(
            self.hook,
            sink,
            stop=StopCondition(given.max_notifications, given.max_seconds, given.empty_answers, given.until),
            receive_timeout=given.receive_timeout,
            accept=accept,
            unmatched=unmatched,
            overlap=given.overlap,
            store_in_thread=store_in_thread,
            lease=lease,
        )
        report.adopted = adopted
        self.log.info("%s", report.sentence(did))
        return report

    def _warn_of_other_task(self, lease: ReaderLease) -> None:
        if other := lease.other_task():
            self.log.warning(
                "The task %s reads this queue into the same store, too: each takes what the other waits for.",
                other,
            )

    def _give_way(self, lease: ReaderLease, context: Context) -> DrainReport:
        """End without reading, since somebody else does; an earlier try of this task puts into its batch."""
        if lease.holder.startswith(f"{batch_id_of(context)} (try "):
            raise NotificationStoreError(
                f"An earlier try of this task still reads the queue, and fills the same batch: "
                f"{lease.holder}. A retry goes on when it has ended."
            )
        if lease.holder.startswith(BACKFILL):
            raise NotificationStoreError(
                f"The queue is reserved by {lease.holder}, and nobody drains it meanwhile. A retry goes on "
                "when that has ended; to wait longer, set wait_for_reader."
            )
        self.log.warning(
            "The queue is being read by %s, which stores what comes. Nothing to do here; to wait longer, set "
            "wait_for_reader.",
            lease.holder,
        )
        return DrainReport(stopped_by="another_reader")

    def _end(self, context: Context, report: DrainReport, skip: bool, told: Mapping[str, Any] | None) -> None:
        """Tell the outlets what came; if nothing did, tell them nothing, or skip."""
        if not told and skip:
            somebody_else = report.stopped_by == "another_reader"
            raise AirflowSkipException(
                "Somebody else reads the queue." if somebody_else else "The queue was empty."
            )
        self.tell_outlets(context, told)
