"""The end of a page that spans tasks."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_green_notify.consume.lag import send_lag
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.stores.page import PageLost, PageReader

if TYPE_CHECKING:
    from airflow_green_notify.stores.stream import Consumer, StoredStream

log = logging.getLogger(__name__)


def commit(page: Mapping[str, Any] | str) -> None:
    """Commit a page that ``GreenApiReadNewOperator`` opened, as the last task of those that work on it.

    .. code-block:: python

        read = GreenApiReadNewOperator(task_id="read", store=store, consumer="billing")
        work(read.output) >> task(commit)(read.output)

    A crash before it returned has committed the page or not, and a retry finds out: to commit twice is
    harmless.

    :param page: What the operator returned; its JSON text will do.
    :raises PageLost: The page is another run's: this one had ended without a commit, and was cleared later.
        Nothing is changed then.
    :raises ValueError: It is no page.
    :raises NotificationStoreError: The store can't be reached.
    """
    try:
        reader = PageReader(json.loads(page) if isinstance(page, str) else page)
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"page is {printable(repr(page))}; it must be what GreenApiReadNewOperator returned."
        ) from None
    if reader.after < reader.until:
        with closing(reader.store.stream()) as stream:
            _commit(stream, reader)


def _commit(stream: StoredStream, page: PageReader) -> None:
    name = printable(page.consumer, NAME)
    while True:
        record = stream.consumer(page.consumer)
        if record is None or page.is_lost(record) or _others_committed(page, record):
            raise PageLost(page.after, page.until, page.consumer, record)
        if record.position >= page.until:
            log.info("Consumer '%s' was committed up to %d before.", name, page.until)
            return
        if stream.save(replace(record, position=page.until, page_end=0, changed_at=datetime.now(UTC))):
            log.info("Committed consumer '%s' up to %d.", name, page.until)
            send_lag(stream, page.consumer, page.until)
            return


def _others_committed(page: PageReader, record: Consumer) -> bool:
    """Tell whether somebody else is known to have committed the page; later that can't be seen any more."""
    return (record.position, record.page_end) == (page.until, 0) and record.reader != page.reader
