"""A reader's turn at a consumer: one at a time opens a page, and waits for the one before it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from airflow_green_notify.consume.lag import send_lag
from airflow_green_notify.consume.pages import Page, Pages, Wish
from airflow_green_notify.drain.lease import ASK_EVERY, ReaderLease, renewed
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.printable import NAME, REASON, printable
from airflow_green_notify.stoppable import sleep
from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store

log = logging.getLogger(__name__)


@contextmanager
def turn_at_page(
    store: Store, wish: Wish, reader: str, is_at_work: Callable[[str], bool], seconds: float
) -> Iterator[tuple[Pages, Page]]:
    """Give the next page of a consumer, whose only reader the caller is until it leaves.

    :param reader: Who reads; each call is a reader of its own unless this begins with ``task``.
    :param is_at_work: As for :class:`~airflow_green_notify.consume.pages.Pages`.
    :param seconds: How long another reader is waited for.
    :raises NotificationStoreError: It is still at work, or the store can't be reached.
    """
    with ExitStack() as stack:
        opened = store.open(_name(wish.consumer))
        stack.callback(opened.release)
        lease = ReaderLease(opened.leases, _name(wish.consumer), reader)
        stream = stack.enter_context(closing(store.stream()))
        word = reader if is_task(reader) else lease.owner
        pages = Pages(stream, wish, word, is_at_work, partial(_check, lease, wish.consumer))
        page = _opened(lease, pages, wish.consumer, seconds, stack)
        send_lag(stream, wish.consumer, page.after)
        yield pages, page


def is_task(reader: str) -> bool:
    """Tell whether a reader is a task of Airflow, whose page spans tasks."""
    return reader.startswith("task ")


def task_reader(batch_id: str) -> str:
    """Return what a task is called as a reader, the same on each try."""
    return f"task {batch_id}"


def batch_of_reader(reader: str) -> str:
    """Return the batch id of a task that reads."""
    return reader.removeprefix("task ")


def _name(consumer: str) -> str:
    """Return what the lease on a consumer is called."""
    return f"consumer/{consumer}"


def _opened(lease: ReaderLease, pages: Pages, consumer: str, seconds: float, stack: ExitStack) -> Page:
    waited = Stopwatch()
    told = ""
    while True:
        with ExitStack() as turn:
            holder = ""
            if lease.take():
                turn.enter_context(renewed(lease))
                page = pages.open()
                if page is not None:
                    stack.push(turn.pop_all())
                    return page
                holder = pages.holder
            holder = printable(holder or lease.holder, REASON)
        if waited.seconds() >= seconds:
            raise NotificationStoreError(_busy(consumer, holder))
        if holder != told:
            told = holder
            log.info("%s Waiting up to %.0f s.", _is_at_work(consumer, holder), seconds)
        sleep(ASK_EVERY * random.uniform(0.5, 1.0))


def _is_at_work(consumer: str, holder: str) -> str:
    return f"Consumer '{printable(consumer, NAME)}' has a page open, on which {holder} is at work."


def _busy(consumer: str, holder: str) -> str:
    return (
        f"{_is_at_work(consumer, holder)} Nothing was read. A retry goes on when that page is committed, or "
        "its reader has ended; to wait longer, set wait_for_reader, and let one run of a Dag be active at a "
        "time (max_active_runs=1). Give readers that are to see everything each a consumer of their own."
    )


def _check(lease: ReaderLease, consumer: str) -> None:
    """Raise an error if somebody else may have the consumer by now."""
    if not lease.is_valid():
        raise NotificationStoreError(
            f"The lease on consumer '{printable(consumer, NAME)}' was lost, since this process stood still "
            "or the store was away: another reader may be working on the page by now. Nothing was "
            "committed; whoever reads next gets the same page."
        )
