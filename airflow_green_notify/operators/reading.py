"""A task's turn at the queue of one connection, or at those of a fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_green_notify.drain import DrainReport, StopCondition, drain
from airflow_green_notify.drain.account import Account
from airflow_green_notify.drain.fleet_report import FleetReport
from airflow_green_notify.drain.lease import ReaderLease, renewed, take_all
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.stores.batch import batch_id_of, reader_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.stores import NotificationSink, NotificationStore
    from airflow_green_notify.stores.notification_store import BatchLedger, LeaseLedger

Logger = Any
"""That of the task, which is another type from one Airflow to the next."""

SinkOf = Callable[[ReaderLease | None], "NotificationSink"]
"""Makes what a queue is drained into; it may have to look at the lease itself."""


class Report(Protocol):
    """What a drain of one queue or of many tells."""

    adopted: int

    @property
    def stopped_by(self) -> str:
        """Why it stopped."""
        ...

    def sentence(self, did: str) -> str:
        """Say in words what came of it."""
        ...


class Reading(Protocol):
    """What a task reads."""

    queue: str
    """What the ledger of a store calls it."""

    def into_store(
        self,
        store: NotificationStore,
        accept: Matching | None,
        unmatched: NotificationStore | None,
        stack: ExitStack,
    ) -> Report:
        """Drain into a store that is open, being the reader until the stack is left."""
        ...

    def into_handlers(self, handler_of: SinkOf, store: NotificationStore | None, stack: ExitStack) -> Report:
        """Drain into handlers, which are called in a thread of their own, one at a time."""
        ...

    def told(self, report: Any) -> Mapping[str, Any]:
        """Return what the task returns of a report."""
        ...


class Turn:
    """Becomes the reader: waits for the one before, and takes over what was forgotten."""

    def __init__(self, given: SimpleNamespace, context: Context, log: Logger) -> None:
        self.log = log
        self._given = given
        self._context = context
        self._reader = reader_of(context)
        task = context["ti"]
        self.fleet = f"fleet/{task.dag_id}/{task.task_id}/{task.map_index}"
        """What the ledger calls the queues of this task if there are many."""

    def lease(self, ledger: LeaseLedger, queue: str, beside: ReaderLease | None = None) -> ReaderLease:
        """Return the lease of this try on a queue."""
        return ReaderLease(ledger, queue, self._reader, beside)

    def begin(
        self,
        lease: ReaderLease,
        ledgers: Sequence[BatchLedger],
        stack: ExitStack,
        beside: Sequence[ReaderLease] = (),
        former: ReaderLease | None = None,
    ) -> int | None:
        """Hold the lease, and what is free of those beside it, until the stack is left.

        :param former: On what this task may have read before, and left something of.
        :return: How many notifications were taken over from batches of earlier runs; ``None`` if somebody
            else reads.
        """
        if not lease.wait(self._given.wait_for_reader):
            self.log.warning("%s", lease.leave_it())
            return None
        if beside:
            take_all(beside)
        stack.enter_context(renewed(lease, *beside))
        for each in beside or [lease]:
            self._warn_of_other_task(each)
        held = [each.queue for each in beside if each.is_valid()]
        outcomes = TaskOutcomes(self._context)
        return sum(adopt_forgotten(batches, outcomes, held, former) for batches in ledgers)

    def account(self, store: NotificationStore | None, instances: Mapping[str, str]) -> Account:
        """Return who notes in the store what came of each instance, from now on."""
        return Account(store, batch_id_of(self._context), instances)

    def stop_condition(self) -> StopCondition:
        """Return when to stop."""
        given = self._given
        return StopCondition(
            given.max_notifications, given.max_seconds, given.empty_answers, given.until, given.linger
        )

    def _warn_of_other_task(self, lease: ReaderLease) -> None:
        if other := lease.other_task():
            self.log.warning(
                "The task %s reads this queue into the same store, too: each takes what the other waits for.",
                other,
            )


class OneQueue:
    """The queue of one connection."""

    def __init__(self, hook: GreenApiHook, given: SimpleNamespace, context: Context, log: Logger) -> None:
        self.queue = hook.config.queue
        self._hook = hook
        self._given = given
        self._turn = Turn(given, context, log)

    def into_store(
        self,
        store: NotificationStore,
        accept: Matching | None,
        unmatched: NotificationStore | None,
        stack: ExitStack,
    ) -> DrainReport:
        ledgers = [store, unmatched] if unmatched is not None else [store]
        options = {"accept": accept, "unmatched": unmatched}
        return self._drain("Drained", lambda _: store, store, ledgers, stack, options)

    def into_handlers(
        self, handler_of: SinkOf, store: NotificationStore | None, stack: ExitStack
    ) -> DrainReport:
        ledgers = [] if store is None else [store]
        return self._drain("Handled", handler_of, store, ledgers, stack, {"store_in_thread": True})

    def told(self, report: DrainReport) -> dict[str, Any]:
        return {"report": report.as_dict()}

    def _drain(
        self,
        did: str,
        sink_of: SinkOf,
        store: NotificationStore | None,
        ledgers: Sequence[BatchLedger],
        stack: ExitStack,
        options: Mapping[str, Any],
    ) -> DrainReport:
        lease: ReaderLease | None = None
        adopted: int | None = 0
        if store is not None:
            lease = self._turn.lease(store.leases, self.queue)
            former = self._turn.lease(store.leases, self._turn.fleet, lease)
            adopted = self._turn.begin(lease, ledgers, stack, former=former)
        report = DrainReport()
        so_far = FleetReport({self._hook.green_api_conn_id: report})
        account = self._turn.account(store, {self._hook.green_api_conn_id: self._hook.config.id_instance})
        if adopted is None:
            report.stopped_by = "another_reader"
            account.write(so_far)
            return report
        sink = sink_of(lease)
        self._turn.log.info("Draining the queue of %r into %s.", self._hook.green_api_conn_id, sink)
        with account.kept(lambda: so_far):
            drain(
                self._hook,
                sink,
                stop=self._turn.stop_condition(),
                receive_timeout=self._given.receive_timeout,
                overlap=self._given.overlap,
                lease=lease,
                report=report,
                **options,
            )
        report.adopted = adopted
        self._turn.log.info("%s", report.sentence(did))
        return report
