"""What a store keeps of each drain into it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

KEPT_FOR = timedelta(days=30)
"""How long a record is kept; the drain that writes removes what is older."""

_TIMES = ("began_at", "ended_at")


@dataclass(frozen=True)
class DrainRecord:
    """What came of one drain of one instance; nothing of what people wrote.

    :param batch_id: Of the task that drained: ``dag_id/run_id/task_id/map_index``.
    :param conn_id: The connection that it drained by.
    :param instance_id: Empty if the connection could not be looked up.
    :param stored: New in the store, or handled.
    :param duplicates: Came again, and lay in the store already, or were handled before.
    :param dead_letters: Given up by a handler; replays of earlier ones don't count.
    :param doubtful_deletes: Deletes without a clear answer, each of which was settled by receiving again.
    :param other_consumers: Signs of another consumer that deletes.
    :param oldest_age: Age in seconds of the longest-waiting notification; ``None`` if that can't be told.
    :param stopped_by: As in the drain's report; or ``"error"``, or ``"told_to_stop"``.
    :param error: Why it failed, in words; of what a handler raised, its kind alone.
    :param id: Its own.
    """

    batch_id: str
    conn_id: str
    instance_id: str
    began_at: datetime
    ended_at: datetime
    received: int
    stored: int
    duplicates: int
    deleted: int
    dead_letters: int
    doubtful_deletes: int
    other_consumers: int
    oldest_age: float | None
    stopped_by: str
    error: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self) | {name: getattr(self, name).isoformat() for name in _TIMES}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the record that :meth:`as_dict` gave."""
        known = {each.name: values[each.name] for each in dataclasses.fields(cls)}
        return cls(**known | {name: datetime.fromisoformat(values[name]) for name in _TIMES})


class DrainRecords(Protocol):
    """The records of all drains into a store."""

    def add(self, records: Sequence[DrainRecord]) -> None:
        """Keep records, durably, and remove what is older than :data:`KEPT_FOR`."""
        ...

    def since(self, moment: datetime) -> list[DrainRecord]:
        """Return those of drains that ended at a time or later, in the order of their ends."""
        ...

    def remove_before(self, moment: datetime) -> None:
        """Remove those of drains that ended before a time."""
        ...
