"""How far behind the consumers of a store are."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_green_notify import metrics
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.printable import NAME, REASON, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_green_notify.stores.store import Store
    from airflow_green_notify.stores.stream import Consumer, StoredStream

log = logging.getLogger(__name__)

_COLUMNS = ("consumer", "position", "behind", "page", "reader", "changed")


@dataclass(frozen=True)
class Lag:
    """A consumer, and how many notifications lie behind what it has committed.

    Of one that works chat by chat that is from the oldest on that isn't handled.
    """

    consumer: Consumer
    behind: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "consumer": self.consumer.name,
            "position": self.consumer.position,
            "behind": self.behind,
            "page_end": self.consumer.page_end or None,
            "reader": self.consumer.reader,
            "changed_at": self.consumer.changed_at.isoformat(),
        }

    def cells(self) -> tuple[str, ...]:
        """Return what a table shows of it; a reader only while its page is open."""
        consumer, page = self.consumer, "-"
        if consumer.page_end:
            page = f"{consumer.position + 1} to {consumer.page_end}"
        reader = printable(consumer.reader, REASON) if consumer.page_end else "-"
        changed = consumer.changed_at.strftime("%Y-%m-%d %H:%M:%SZ")
        numbers = (f"{consumer.position:,}", f"{self.behind:,}")
        return (printable(consumer.name, NAME), *numbers, page, reader, changed)


def lags(store: Store) -> list[Lag]:
    """Return how far behind each consumer of a store is, by name.

    What was erased behind its position counts until it is passed.

    :raises NotificationStoreError: There is no such store, or it can't be reached.
    :raises GreenApiConfigError: It is a database that has no streams.
    """
    store.unconfirmed_batches()  # an error where nothing is: a stream would create it
    with closing(store.stream()) as stream:
        consumers = stream.consumers()
        done = [replace(each, position=stream.done(each)) for each in consumers]
        end = stream.end() if done else 0  # it numbers what is new, which may take long where nobody reads
        return [Lag(each, max(0, end - each.position)) for each in done]


def send_lag(stream: StoredStream, consumer: str, position: int) -> None:
    """Send how many notifications lie behind what a consumer has committed; one that can't be told is not."""
    if not metrics.are_on():
        return
    try:
        behind = max(0, stream.end() - position)
    except GreenApiError as error:
        log.info("The lag of consumer '%s' could not be told: %s", printable(consumer, NAME), error)
        return
    metrics.gauge(metrics.CONSUMER_LAG, behind, consumer=consumer)


def as_table(found: Sequence[Lag]) -> str:
    """Return lags as a table."""
    if not found:
        return "The store has no consumers."
    rows = [_COLUMNS, *(each.cells() for each in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
