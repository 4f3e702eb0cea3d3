"""When a drain stops, and what it tells afterwards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow_green_notify.filters import Verdict
from airflow_green_notify.hooks.queue_head import EMPTY_ANSWERS

RETENTION_WARNING = 20 * 3600.0
"""Seconds; the gateway forgets what waited for 24 hours."""


STOPPED_BY = {
    "empty": "the queue was empty",
    "kept": "the head is what is waited for",
    "until": "the head is newer than until, and stays in the queue",
    "max_seconds": "max_seconds was reached",
    "max_notifications": "max_notifications was reached",
    "another_reader": "another task reads the queue",
    "error": "of an error",
    "told_to_stop": "the task was told to stop",
}
"""In words, why a drain stopped."""


@dataclass(frozen=True)
class StopCondition:
    """A drain stops at whichever comes first.

    :param max_notifications: Hard limit of notifications deleted.
    :param max_seconds: No receive begins later than this after the start.
    :param empty_answers: The queue counts as empty after so many empty answers in a row: one is not proof.
    :param until: An aware timestamp, or ``"start"``, the gateway's time at the first answer; stop at the
        first notification that is newer, and leave it in the queue, so that steady traffic can't hold a task
        for ever. A timestamp more than five minutes ahead of the gateway's clock stops nothing.
    :param linger: Seconds after the start in which an empty queue is waited on rather than a reason to stop;
        ``"start"`` is counted from their end. ``math.inf``: no empty queue ever is one, nor is ``"start"``.
    """

    max_notifications: int | None = None
    max_seconds: float | None = None
    empty_answers: int = EMPTY_ANSWERS
    until: datetime | Literal["start"] | None = None
    linger: float = 0.0

    def __post_init__(self) -> None:
        for name in ("max_notifications", "max_seconds", "empty_answers"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; it must be above 0.")
        if not self.linger >= 0:
            raise ValueError(f"linger is {self.linger!r}; it must not be below 0.")
        if isinstance(self.until, datetime) and self.until.tzinfo is None:
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
    :param dead_letters: Given up by the handler that it drains into.
    :param adopted: Notifications taken over from batches of earlier runs, which those never returned.
    :param future_timestamps: Notifications whose timestamp lies ahead of the gateway's clock.
    :param other_consumers: Signs of another consumer that deletes: what was just received was gone.
    :param overtaken: How often a receive overtook the delete that was sent before it.
    :param overlap: Whether receives still ran beside deletes at the end.
    :param stopped_by: ``"empty"``, ``"max_notifications"``, ``"max_seconds"``, ``"until"``, ``"kept"``, or
        ``"another_reader"``, which holds the queue's lease and so drains the queue.
    :param oldest_age: Age in seconds of the longest-waiting notification by the gateway's clock; ``None`` if
        none had a timestamp from which it could be told.
    :param seconds: How long it took.
    """

    received: int = 0
    stored: int = 0
    already_stored: int = 0
    unmatched: int = 0
    undecided: int = 0
    dead_letters: int = 0
    adopted: int = 0
    future_timestamps: int = 0
    deleted: int = 0
    doubtful_deletes: int = 0
    other_consumers: int = 0
    overtaken: int = 0
    overlap: bool = True
    stopped_by: str = ""
    oldest_age: float | None = None
    seconds: float = 0.0

    def count_put(self, verdict: Verdict, new: bool) -> None:
        """Count what was put into a store."""
        self.unmatched += verdict is Verdict.MISS
        self.undecided += verdict is Verdict.ERROR
        self.stored += new
        self.already_stored += not new

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def sentence(self, did: str) -> str:
        """Say in words what came of it.

        :param did: What was done, such as "Drained".
        """
        return f"{self.counts(did)}; stopped because {STOPPED_BY.get(self.stopped_by, self.stopped_by)}."

    def counts(self, did: str, of: str = "") -> str:
        """Say in words how many there were.

        :param of: What they came from, if it is worth a word.
        """
        count = self.stored + self.already_stored
        parts = [f"{self.stored:,} new", f"{self.already_stored:,} duplicates"]
        parts += [f"{self.unmatched:,} of them not accepted"] if self.unmatched else []
        parts += [f"{self.adopted:,} taken over from earlier runs"] if self.adopted else []
        return (
            f"{did} {count:,} notifications{of and f' of {of}'} in {self.seconds:.1f} s"
            f"{rate(count, self.seconds)}: {', '.join(parts)}"
        )

    def warnings(self) -> list[str]:
        """Say what somebody should look at."""
        texts = []
        if self.oldest_age is not None and self.oldest_age > RETENTION_WARNING:
            texts.append(
                f"The oldest notification waited {self.oldest_age / 3600:.1f} h, and the gateway keeps them "
                "for 24 h: drain more often. What is lost, GreenApiBackfillMessagesOperator may repair."
            )
        if self.other_consumers:
            texts.append(
                f"Something else deletes from this queue too ({self.other_consumers} signs of it): a bot, "
                "n8n, a drain into another store? What it deletes never gets here."
            )
        if self.future_timestamps:
            texts.append(
                f"{self.future_timestamps} notifications have a timestamp in the future; they were stored. "
                "Is a phone's clock wrong? Their age can't be told."
            )
        if self.undecided:
            texts.append(f"The filter failed on {self.undecided} notifications; they count as accepted.")
        return texts


def rate(count: int, seconds: float) -> str:
    """Say how many a second that is."""
    return f" ({count / seconds:.0f}/s)" if seconds else ""
