"""When a drain stops, and what it tells afterwards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RETENTION_WARNING = 20 * 3600.0
"""Seconds; the gateway forgets what waited for 24 hours."""


@dataclass(frozen=True)
class StopCondition:
    """A drain stops at whichever comes first.

    :param max_notifications: Hard limit of notifications deleted.
    :param max_seconds: No receive begins later than this after the start.
    :param empty_answers: The queue counts as empty after so many empty answers in a row: one is not proof.
    :param until: An aware timestamp; stop at the first notification that is newer, and leave it in the
        queue, so that steady traffic can't hold a task for ever.
    """

    max_notifications: int | None = None
    max_seconds: float | None = None
    empty_answers: int = 2
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("max_notifications", "max_seconds", "empty_answers"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; it must be above 0.")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until must be a timestamp with a time zone.")


@dataclass
class DrainReport:
    """What a drain did.

    :param received: Answers with a notification, repeats included.
    :param stored: New in the store.
    :param already_stored: Came again, and lay in the store already.
    :param unmatched: Of all put away, those that went to the store for what isn't accepted.
    :param undecided: Accepted because the filter could not judge them.
    :param deleted: Deletes that the gateway confirmed, or that turned out to have had their effect.
    :param doubtful_deletes: Deletes without a clear answer; each was settled by receiving again.
    :param neighbour: Signs of another consumer on this queue: a delete of what was just received answered
        "gone", or receipt ids were handed out to somebody else.
    :param overtaken: How often a receive overtook the delete that was sent before it.
    :param overlap: Whether receives still ran beside deletes at the end.
    :param stopped_by: ``"empty"``, ``"max_notifications"``, ``"max_seconds"``, ``"until"`` or ``"kept"``.
    :param oldest_age: Age in seconds of the longest-waiting notification; ``None`` if none had a timestamp.
    :param seconds: How long it took.
    """

    received: int = 0
    stored: int = 0
    already_stored: int = 0
    unmatched: int = 0
    undecided: int = 0
    deleted: int = 0
    doubtful_deletes: int = 0
    neighbour: int = 0
    overtaken: int = 0
    overlap: bool = True
    stopped_by: str = ""
    oldest_age: float | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def warnings(self) -> list[str]:
        """Say what somebody should look at."""
        texts = []
        if self.oldest_age is not None and self.oldest_age > RETENTION_WARNING:
            texts.append(
                f"The oldest notification waited {self.oldest_age / 3600:.1f} h, and the gateway keeps them "
                "for 24 h: drain more often. What is lost, GreenApiBackfillMessagesOperator may repair."
            )
        if self.neighbour:
            texts.append(
                f"Something else reads this queue too ({self.neighbour} signs of it): a second drain, a "
                "doorbell, a bot, n8n? What it deletes never gets here."
            )
        if self.undecided:
            texts.append(f"The filter failed on {self.undecided} notifications; they count as accepted.")
        return texts
