"""Hands on what earlier runs of a task stored and no task was told of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.stores.ledger import BatchRecord
    from airflow_green_notify.stores.notification_store import BatchLedger

log = logging.getLogger(__name__)

Outcome = Literal["handed on", "failed", "unfinished", "unknown"]
"""What became of the task of a closed batch, as Airflow knows it."""


def adopt_forgotten(
    batches: BatchLedger,
    outcome_of: Callable[[BatchRecord], Outcome],
    queues: Collection[str] = (),
    former: ReaderLease | None = None,
) -> int:
    """Take into this batch what earlier batches of the same task and queue hold that nobody was handed.

    A closed batch is taken if its task failed for good; if it succeeded, that is noted and never asked again.
    One that is still open belongs to a reader that is gone, since the caller holds the queue's lease: it is
    taken without asking.

    A crash in the middle leaves each notification in the one batch or in the other, and the next call goes
    on.

    :param batches: Of a store that is open.
    :param queues: Further queues whose leases the caller holds, beside that of the batch.
    :param former: The lease on one that the task no longer reads; it is taken if there is anything to adopt.
    :return: How many notifications were taken.
    """
    records = batches.not_handed_on([*queues, former.queue] if former else queues)
    of_former = [record for record in records if former and record.queue == former.queue]
    if former and of_former and not former.take():
        records = [record for record in records if record not in of_former]
    try:
        return sum(_adopt(batches, record, outcome_of) for record in records)
    finally:
        if former and of_former:
            former.release()


def _adopt(batches: BatchLedger, record: BatchRecord, outcome_of: Callable[[BatchRecord], Outcome]) -> int:
    if record.state == "closed":
        outcome = outcome_of(record)
        if outcome == "handed on":
            batches.settle(record, "confirmed")
        elif outcome == "unknown":
            batches.settle(record, "unknown")
            log.warning("Airflow doesn't know the task of batch %s: was it handed on?", record.batch_id)
        if outcome != "failed":
            return 0
    count = batches.adopt(record) or 0
    if count:
        log.warning(
            "Took over %d notifications of batch %s, which its task stored and never returned.",
            count,
            record.batch_id,
        )
    return count
