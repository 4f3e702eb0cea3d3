"""What a store notes of its batches: where each of them stands, and who took one over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from airflow_green_notify.errors import NotificationStoreError

if TYPE_CHECKING:
    from airflow_green_notify.stores.drain_record import DrainRecords
    from airflow_green_notify.stores.report import Reports

log = logging.getLogger(__name__)


class BatchTaken(NotificationStoreError):
    """Another try of the task, or the batch of another run, has what this one was putting into."""

    def __init__(self) -> None:
        super().__init__(
            "Another try of this task went on with its batch, or a later run took it over: this one was gone "
            "for too long. Nothing was deleted that is not stored."
        )


class BatchSuperseded(NotificationStoreError):
    """Another try of the task went on with the batch, and may have returned it."""

    def __init__(self) -> None:
        super().__init__(
            "Another try of this task went on with its batch while this one stood still, so this one ends. "
            "Nothing was deleted that is not stored."
        )


BatchState = Literal["open", "closed", "confirmed", "adopted", "unknown", "released"]


@dataclass(frozen=True)
class BatchRecord:
    """What the ledger says of a batch.

    :param batch_id: As :func:`~airflow_green_notify.stores.batch.batch_id_of` made it.
    :param state: ``open`` while its task may add to it; ``closed`` when its description was about to be
        returned; ``confirmed`` when Airflow said that it was: then nothing is kept of it, or not for long;
        ``unknown`` when Airflow didn't know the task; ``released`` when a person gave it to the next drain;
        ``adopted`` when another batch took from it.
    :param owner: Who opened it last, a word of its own for each try.
    :param queue: The queue that it was drained from; empty for one that no drain made.
    :param adopted_by: The last batch that took notifications from it.
    :param adopted: How many notifications other batches took.
    """

    batch_id: str
    state: BatchState
    owner: str
    queue: str
    adopted_by: str = ""
    adopted: int = 0


def warn_of(adopted: Iterable[BatchRecord]) -> None:
    """Tell in the log that others have what a batch once held."""
    for record in adopted:
        log.warning(
            "%d notifications of batch %s were handed on by batch %s.",
            record.adopted,
            record.batch_id,
            record.adopted_by,
        )


class LedgerView(Protocol):
    """The batches of a store, the drains into it and the reports, for a person who looks after them."""

    @property
    def drains(self) -> DrainRecords:
        """What came of each drain."""
        ...

    @property
    def reports(self) -> Reports:
        """What watchers and examinations said last."""
        ...

    def unconfirmed(self) -> list[BatchRecord]:
        """Return the batches of which it isn't known that they were handed on."""
        ...

    def give_to_next_drain(self, batch_id: str) -> bool:
        """Let the next drain of the same task and queue adopt a batch; ``False`` if there is none."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
