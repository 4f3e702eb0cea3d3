"""Drains many queues at once: one event loop, one drain for each, one writer for all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_green_notify.drain.budget import Budget
from airflow_green_notify.drain.engine import Drain
from airflow_green_notify.drain.fleet_report import FleetReport
from airflow_green_notify.drain.group_commit import GroupCommit
from airflow_green_notify.drain.lease import ASK_EVERY
from airflow_green_notify.drain.report import StopCondition
from airflow_green_notify.drain.routing import Routing
from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.drain.writing import DirectWriter, GroupWriter, Writer
from airflow_green_notify.errors import GreenApiError, may_pass
from airflow_green_notify.hooks.who_is_who import contacts_of
from airflow_green_notify.progress import FIRST_AFTER, Progress
from airflow_green_notify.stoppable import run_loop

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.stores import NotificationSink

log = logging.getLogger(__name__)

WriterOf = Callable[["Instance"], Writer]

LONGEST_PAUSE = 30.0
"""Seconds after a failure until a drain that lingers goes on: 1, 2, 4 … of them."""

PATIENCE = 60.0
"""Seconds for which a fleet lingers on while no queue can be read, or nothing can be stored."""


@dataclass
class Instance:
    """One instance of a fleet.

    :param hook: Of its own; its ``label`` names the instance in the log.
    :param lease: The lease on its queue, being renewed once it is taken; ``None`` if nothing keeps readers
        apart.
    """

    hook: GreenApiHook
    lease: ReaderLease | None = None


def into_store(
    store: NotificationSink, accept: Matching | None = None, unmatched: NotificationSink | None = None
) -> Callable[[Executor], WriterOf]:
    """Let all drains put into one store, in groups; see :func:`~airflow_green_notify.drain.run.adrain`."""

    def in_thread(thread: Executor) -> WriterOf:
        group = GroupCommit(store, thread)
        rest = None if unmatched is None else GroupCommit(unmatched, thread)

        def writer_of(instance: Instance) -> Writer:
            contacts = contacts_of(lambda: instance.hook)
            return GroupWriter(Routing(group, accept, rest, contacts), thread, instance.lease)

        return writer_of

    return in_thread


def into_sinks(sink_of: Callable[[Instance], NotificationSink]) -> Callable[[Executor], WriterOf]:
    """Let each drain put into a sink of its own, in one thread, one put after the other."""

    def in_thread(thread: Executor) -> WriterOf:
        def writer_of(instance: Instance) -> Writer:
            contacts = contacts_of(lambda: instance.hook)
            return DirectWriter(Routing(sink_of(instance), None, None, contacts), thread, instance.lease)

        return writer_of

    return in_thread


class Fleet:
    """Drains of many instances, each with its own limits, end and report.

    ``max_notifications`` and ``max_seconds`` hold for all of them together. What fails, fails alone: a
    refused token, an outage, or a row that the store refuses ends the drain of that instance. While it
    lingers, what may pass is tried again, unless nothing has worked for a minute.

    :param instances: By the ids of their connections.
    :param writing: :func:`into_store` or :func:`into_sinks`.
    :param wait_for_reader: Seconds to wait for a queue that somebody else reads; a fleet that lingers waits
        as long as it does.
    """

    def __init__(
        self,
        instances: Mapping[str, Instance],
        writing: Callable[[Executor], WriterOf],
        *,
        stop: StopCondition | None = None,
        receive_timeout: float = 5.0,
        overlap: bool = True,
        wait_for_reader: float = 0.0,
    ) -> None:
        self._instances = instances
        self._writing = writing
        self._stop = stop or StopCondition()
        self._receive_timeout = receive_timeout
        self._overlap = overlap
        self._wait_for_reader = wait_for_reader
        self._drains: dict[str, Drain] = {}
        self._errors: dict[str, Exception] = {}

    def drain(self) -> FleetReport:
        """Do the same as :meth:`adrain` from sync code, stoppably."""
        return run_loop(self.adrain)

    async def adrain(self) -> FleetReport:
        """Drain until the last drain has stopped or failed.

        A crash at any point leaves every notification in its queue, in the store, or in both; what is in
        both is recognised by its key when it comes again.
        """
        started = time.monotonic()
        budget = Budget(self._stop.max_notifications)
        with StoreThread() as thread:
            writer_of = self._writing(thread)
            for conn_id, instance in self._instances.items():
                self._drains[conn_id] = self._drain(instance, writer_of(instance), budget)
            told = asyncio.create_task(self._tell_progress())
            try:
                await asyncio.gather(*(self._run(conn_id) for conn_id in self._drains))
            finally:
                told.cancel()
                await self._close()
        return self.report(time.monotonic() - started)

    def report(self, seconds: float = 0.0) -> FleetReport:
        """Return how far it is, after some seconds."""
        reports = {conn_id: drain.report for conn_id, drain in self._drains.items()}
        return FleetReport(reports, self._errors, seconds=round(seconds, 3))

    def _drain(self, instance: Instance, writer: Writer, budget: Budget) -> Drain:
        return Drain(
            instance.hook, writer, budget, self._stop, self._receive_timeout, self._overlap, instance.lease
        )

    async def _run(self, conn_id: str) -> None:
        """Run one drain to its end; whatever it ends in is nobody else's business."""
        drain, failures = self._drains[conn_id], 0
        try:
            while not await self._goes_well(conn_id) and await self._is_well_again(conn_id, failures):
                failures += 1
        finally:
            drain.meter.end()
        for text in drain.report.warnings():
            log.warning("%s: %s", conn_id, text)

    async def _goes_well(self, conn_id: str) -> bool:
        """Drain until there is a reason to stop, and tell whether that was no failure."""
        drain = self._drains[conn_id]
        self._errors.pop(conn_id, None)
        try:
            if await self._is_its_turn(drain):
                await drain.run()
            else:
                self._leave_to_its_reader(drain)
        except Exception as error:
            self._errors[conn_id] = error
            drain.report.stopped_by = "error"
            unexpected = not isinstance(error, GreenApiError)
            log.error(
                "%s: failed, the others go on: %s", conn_id, error, exc_info=error if unexpected else None
            )
        return conn_id not in self._errors

    async def _is_well_again(self, conn_id: str, failures: int) -> bool:
        """Wait after a failure that may pass, and tell whether to go on; only a drain that lingers does.

        A fleet in which nothing works ends, for Airflow to tell of it.
        """
        drain = self._drains[conn_id]
        wait_until = time.monotonic() + min(2.0**failures, LONGEST_PAUSE)
        while may_pass(self._errors[conn_id]) and drain.may_go_on() and self._works():
            if time.monotonic() >= wait_until:
                return True
            await asyncio.sleep(0.5)
        return False

    def _works(self) -> bool:
        """Tell whether some queue was empty, or something was stored, not too long ago."""
        well_at = max(drain.well_at for drain in self._drains.values())
        return time.monotonic() - well_at < PATIENCE + self._receive_timeout

    async def _is_its_turn(self, drain: Drain) -> bool:
        """Wait for the lease on a queue, while the other drains are at work."""
        lease = drain.lease
        if lease is None or lease.is_valid():
            return True
        longest = max(self._wait_for_reader, self._stop.linger)
        if self._stop.max_seconds is not None:
            longest = min(longest, self._stop.max_seconds)
        if longest:
            log.info("%sthe queue is being read by %s; waiting for its end.", drain.hook.label, lease.holder)
        while time.monotonic() - drain.started < longest and not drain.budget.is_spent:
            await asyncio.sleep(ASK_EVERY)
            if await drain.writer.aside(lease.take):
                return True
        return False

    def _leave_to_its_reader(self, drain: Drain) -> None:
        """End without reading.

        :raises NotificationStoreError: Nobody else drains the queue.
        """
        drain.report.stopped_by = "another_reader"
        if drain.lease is not None:
            log.warning("%s%s", drain.hook.label, drain.lease.leave_it())

    async def _tell_progress(self) -> None:
        """Tell how far the fleet is, and how many of it are still at work."""
        progress = Progress()
        await asyncio.sleep(FIRST_AFTER)
        while True:
            if progress.is_due():
                log.info("%s", self.report(progress.seconds()).progress())
            await asyncio.sleep(1.0)

    async def _close(self) -> None:
        for instance in self._instances.values():
            await instance.hook.aclose()
            instance.hook.close()  # who is who may have been asked by its plain methods
