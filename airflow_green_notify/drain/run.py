"""Draining a queue: from async and from sync code."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from airflow_green_notify.drain.budget import Budget
from airflow_green_notify.drain.engine import Drain
from airflow_green_notify.drain.report import DrainReport, StopCondition
from airflow_green_notify.drain.routing import Routing
from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.drain.writing import DirectWriter
from airflow_green_notify.hooks.who_is_who import contacts_of
from airflow_green_notify.progress import Progress
from airflow_green_notify.stoppable import run_async

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink

log = logging.getLogger(__name__)


def drain(
    hook: GreenApiHook,
    store: NotificationSink,
    *,
    stop: StopCondition | None = None,
    receive_timeout: float = 5.0,
    accept: Matching | None = None,
    unmatched: NotificationSink | None = None,
    keep: Callable[[Notification], bool] | None = None,
    overlap: bool = True,
    store_in_thread: bool = False,
    lease: ReaderLease | None = None,
    report: DrainReport | None = None,
) -> DrainReport:
    """Do the same as :func:`adrain` from sync code.

    The event loop is the drain's own and has nothing else to do while the store is at work, so by default
    that happens in the same thread. It is not the caller's: a task's ``execution_timeout`` ends the drain at
    any moment.
    """
    work = partial(
        adrain,
        hook,
        store,
        stop=stop,
        receive_timeout=receive_timeout,
        accept=accept,
        unmatched=unmatched,
        keep=keep,
        overlap=overlap,
        store_in_thread=store_in_thread,
        lease=lease,
        report=report,
    )
    return run_async(hook, work)


async def adrain(
    hook: GreenApiHook,
    store: NotificationSink,
    *,
    stop: StopCondition | None = None,
    receive_timeout: float = 5.0,
    accept: Matching | None = None,
    unmatched: NotificationSink | None = None,
    keep: Callable[[Notification], bool] | None = None,
    overlap: bool = True,
    store_in_thread: bool = True,
    lease: ReaderLease | None = None,
    report: DrainReport | None = None,
) -> DrainReport:
    """Drain the queue of one instance into a store: receive, store, delete.

    A crash at any point leaves every notification in the queue, in the store, or in both; what is in both
    is recognised by its key when it comes again. What can't be understood is stored nevertheless.

    :param store: Opened.
    :param stop: When to stop; by default when the queue is empty.
    :param receive_timeout: Seconds the gateway may hold a receive open, 5 to 60.
    :param accept: What goes into ``store``; everything else goes into ``unmatched``. What it can't judge
        (an error, or a person about whom the gateway can't be asked just now) goes into ``store``: an error
        is never a miss. One whose verdict changes may lie in both.
    :param unmatched: Opened; required with ``accept``.
    :param keep: Stop at the first notification for which this is true, and leave it in the queue.
    :param overlap: Whether to send a receive right behind a delete. It turns itself off where a gateway
        reorders the two.
    :param store_in_thread: Whether ``put`` runs in a thread beside the event loop, so as not to hold up what
        else runs there.
    :param lease: The lease on the queue, taken and being renewed. Without one nothing keeps two drains of one
        queue apart but their fresh receipts, see :class:`~airflow_green_notify.hooks.receipt.Receipt`.
    :param report: A new one to fill, which tells how far it is, and was if it fails; it is what is returned.
    :raises NotificationStoreError: A put failed; that notification and all behind it stay in the queue.
    :raises GreenApiError: The gateway refused, or stayed away longer than the hook's retries.
    """
    stop = stop or StopCondition()
    routing = Routing(store, accept, unmatched, contacts_of(lambda: hook))
    with StoreThread() if store_in_thread else nullcontext() as thread:
        writer = DirectWriter(routing, thread, lease)
        budget = Budget(stop.max_notifications)
        run = Drain(hook, writer, budget, stop, receive_timeout, overlap, lease, keep, Progress(), report)
        try:
            return await run.run()
        finally:
            run.meter.end()
            for text in run.report.warnings():
                log.warning("%s", text)
            if accept is not None:
                hook.close()  # who is who may have been asked by its plain methods
