"""A task's turn at the queues of many connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_green_notify.drain.fleet import Fleet, Instance, WriterOf, into_sinks, into_store
from airflow_green_notify.drain.fleet_report import FleetReport
from airflow_green_notify.drain.report import DrainReport
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.operators.reading import Logger, SinkOf, Turn
from airflow_green_notify.task import WrongArgumentError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching
    from airflow_green_notify.stores import NotificationStore
    from airflow_green_notify.stores.notification_store import BatchLedger


class FleetReading:
    """The queues of a fleet, read by one task into one batch.

    The batch is kept apart from those of other runs by a lease of its own, beside those on the queues.
    """

    def __init__(
        self, conn_ids: Sequence[str], given: SimpleNamespace, context: Context, log: Logger
    ) -> None:
        self._conn_ids = conn_ids
        self._given = given
        self._turn = Turn(given, context, log)
        self.queue = self._turn.fleet
        self._instances: dict[str, Instance] = {}
        self._errors: dict[str, Exception] = {}
        self._look_up(conn_ids)

    @property
    def hooks(self) -> list[GreenApiHook]:
        """Those of the connections that are of use."""
        return [instance.hook for instance in self._instances.values()]

    def into_store(
        self,
        store: NotificationStore,
        accept: Matching | None,
        unmatched: NotificationStore | None,
        stack: ExitStack,
    ) -> FleetReport:
        ledgers = [store, unmatched] if unmatched is not None else [store]
        return self._drain("Drained", into_store(store, accept, unmatched), store, ledgers, stack)

    def into_handlers(
        self, handler_of: SinkOf, store: NotificationStore | None, stack: ExitStack
    ) -> FleetReport:
        writing = into_sinks(lambda instance: handler_of(instance.lease))
        return self._drain("Handled", writing, store, [] if store is None else [store], stack)

    def told(self, report: FleetReport) -> dict[str, Any]:
        return report.as_dict()

    def _look_up(self, conn_ids: Sequence[str]) -> None:
        """Look up the connections; one that is wrong fails alone."""
        names: dict[str, str] = {}
        for conn_id in conn_ids:
            hook = GreenApiHook(conn_id)
            hook.label = f"{conn_id}: "
            try:
                queue = hook.config.queue
            except (GreenApiError, AirflowException) as error:
                self._turn.log.error("%s: %s", conn_id, error)
                self._errors[conn_id] = error
                continue
            if (other := names.setdefault(queue, conn_id)) != conn_id:
                raise WrongArgumentError(
                    f"green_api_conn_id names {other!r} and {conn_id!r}, which are the same instance, "
                    f"{hook.config.id_instance}; a queue has one reader, so leave one of them out."
                )
            self._instances[conn_id] = Instance(hook)

    def _drain(
        self,
        did: str,
        writing: Callable[[Executor], WriterOf],
        store: NotificationStore | None,
        ledgers: Sequence[BatchLedger],
        stack: ExitStack,
    ) -> FleetReport:
        adopted = 0 if store is None else self._begin(store, ledgers, stack)
        ids = {conn_id: instance.hook.config.id_instance for conn_id, instance in self._instances.items()}
        account = self._turn.account(store, ids)
        if adopted is None:
            gave_way = {conn_id: DrainReport(stopped_by="another_reader") for conn_id in self._instances}
            report = FleetReport(gave_way, self._errors)
            account.write(report)
            return report
        self._turn.log.info("Draining the queues of %d instances.", len(self._instances))
        fleet = Fleet(
            self._instances,
            writing,
            stop=self._turn.stop_condition(),
            receive_timeout=self._given.receive_timeout,
            overlap=self._given.overlap,
            wait_for_reader=self._given.wait_for_reader,
        )
        with account.kept(lambda: self._with_those_not_looked_up(fleet.report())):
            report = self._with_those_not_looked_up(fleet.drain())
        report.adopted = adopted
        self._turn.log.info("%s", report.sentence(did))
        self._judge(report, did)
        return report

    def _with_those_not_looked_up(self, report: FleetReport) -> FleetReport:
        return replace(report, errors=self._errors | report.errors)

    def _begin(
        self, store: NotificationStore, ledgers: Sequence[BatchLedger], stack: ExitStack
    ) -> int | None:
        """Become the reader of the batch, and of what queues are free."""
        lease = self._turn.lease(store.leases, self.queue)
        for instance in self._instances.values():
            instance.lease = self._turn.lease(store.leases, instance.hook.config.queue, lease)
        leases = [instance.lease for instance in self._instances.values() if instance.lease]
        return self._turn.begin(lease, ledgers, stack, leases)

    def _judge(self, report: FleetReport, did: str) -> None:
        """Fail for what failed, unless that is to be a warning, and something went well.

        :raises AirflowException: A retry goes on with the batch, if it may help.
        """
        if not report.errors:
            return
        failed, count = len(report.errors), len(self._conn_ids)
        text = f"{failed} of {count} instances failed. {report.failures()}"
        if self._given.on_instance_error == "warn" and failed < count:
            self._turn.log.warning("%s The others were %s.", text, did.lower())
            return
        hopeless = all(_is_hopeless(error) for error in report.errors.values())
        raise (AirflowFailException if hopeless else AirflowException)(f"{text} {_OF_THE_REST[did]}")


_OF_THE_REST = {
    "Drained": "What was drained is in the batch, and the next try or run hands it on.",
    "Handled": "What was handled is deleted.",
}


def _is_hopeless(error: Exception) -> bool:
    return isinstance(error, AirflowFailException) or not getattr(error, "retryable", True)
