"""Named consumers: each reads on behind what it has committed, in plain Python."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_green_notify.arguments import (
    consumer_of,
    count_of,
    matching_of,
    optional,
    seconds_of,
    start_of,
    streaming_store_of,
)
from airflow_green_notify.consume.pages import Page, Wish
from airflow_green_notify.consume.turn import is_task, turn_at_page

if TYPE_CHECKING:
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.stores.store import Store


@contextmanager
def read_new(
    store: Store,
    consumer: str,
    matching: Matching | Mapping[str, Any] | None = None,
    start: Literal["beginning", "now"] | datetime = "beginning",
    page_size: int = 1000,
    wait_for_reader: float | timedelta = 60,
) -> Iterator[Page]:
    """Give a consumer what it hasn't committed yet, and commit it when the block ends without an exception.

    .. code-block:: python

        with read_new(SqlStore("warehouse"), "billing", {"type_webhook": "incomingCall"}) as page:
            for notification in page:
                ...

    A crash or an exception in the block commits nothing, and whoever reads next as this consumer gets the
    same page: each notification at least once, in the order of the store, and again only where a reader
    ended between page and commit. So make the work idempotent, for instance by ``notification.key``.

    Any number of consumers read a store, each at its own pace. Of those that read as the same consumer one
    is at work at a time, as long as it lives: it holds a lease in the store's ledger (20 s, renewed every
    5 s). One that stood still for longer is told so at its next notification, or when it commits.

    A page holds what matches out of the next ``page_size`` notifications; spans in which nothing does are
    committed and passed, so that an empty page means that there is nothing new. Read on while
    ``page.has_more``.

    :param store: An ``SqlStore`` or ``ObjectStorageStore``; it need not be open.
    :param consumer: Its name. A new one begins at ``start``.
    :param matching: What is meant: a filter, its arguments as a dict, or a callable that gets the
        notification. What it fails on is in the page. It may change from one page to the next.
    :param start: Where a new consumer begins: at the ``"beginning"`` of the store, ``"now"``, or at what was
        received at an aware time or later. For one that is known it has no effect.
    :param page_size: Notifications that a page spans at most, those that don't match among them.
    :param wait_for_reader: Seconds to wait while another reader works as this consumer.
    :return: A :class:`~airflow_green_notify.consume.Page`: an iterable of
        :class:`~airflow_green_notify.notification.Notification` with a length, ``after``, ``until`` and
        ``has_more``. Dead letters have the keys that they were received with.
    :raises ValueError: An argument is wrong.
    :raises GreenApiConfigError: The consumer is one that works chat by chat.
    :raises NotificationStoreError: The store can't be reached, another reader is still at work, or has taken
        the page over, since this one stood still for too long. Nothing was committed then.
    """
    store = streaming_store_of("store", store)
    wish = Wish(
        consumer_of("consumer", consumer),
        optional(matching_of)("matching", matching),
        start_of("start", start),
        count_of("page_size", page_size),
    )
    seconds = seconds_of("wait_for_reader", wait_for_reader)
    reader = f"process {os.getpid()} on {socket.gethostname()}"
    # The page of a task is open until its run has ended, which is not to be seen from here.
    with turn_at_page(store, wish, reader, is_task, seconds) as (pages, page):
        yield page
        pages.commit(page)
