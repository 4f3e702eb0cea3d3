"""What a worker tells afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_green_notify.printable import listed

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.dead_letter import Failure
    from airflow_green_notify.stores.sql.work import Claim

_NAMED = 5
"""Notifications that an error names."""

STOPPED_BY = {
    "nothing_left": "nothing was left to do",
    "max_seconds": "max_seconds was reached",
    "failures": "too many chats stopped at what their handler fails on",
}
"""In words, why a worker stopped."""


class Stopped(NamedTuple):
    """A chat that goes no further, since its next notification was given up."""

    claim: Claim
    notification: Notification
    last: Failure


@dataclass
class WorkReport:
    """What came of working through a store.

    :param handled: Notifications whose handler returned.
    :param replayed: Dead letters whose handler returned this time.
    :param chats: Chats in which something was handled or given up.
    :param taken_over: Handlers at work while another worker took their chat over: handled twice.
    :param lag: Notifications in the store from the oldest on that isn't handled.
    :param hanging: What handlers are still at work on that outlasted their time.
    """

    handled: int = 0
    dead_letters: int = 0
    replayed: int = 0
    chats: int = 0
    taken_over: int = 0
    lag: int = 0
    seconds: float = 0.0
    stopped_by: Literal["nothing_left", "max_seconds", "failures"] = "nothing_left"
    stopped: list[Stopped] = field(default_factory=list)
    hanging: list[Notification] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = ("handled", "dead_letters", "replayed", "chats", "taken_over", "lag", "stopped_by")
        return {name: getattr(self, name) for name in names} | {"seconds": round(self.seconds, 3)}

    def sentence(self) -> str:
        """Say in words what came of it."""
        return (
            f"Handled {self.handled:,} notifications of {self.chats:,} chats in {self.seconds:.1f} s: "
            f"{self.dead_letters:,} dead letters, {self.replayed:,} replayed, {len(self.stopped):,} chats "
            f"stopped, lag {self.lag:,}; "
            f"stopped because {STOPPED_BY[self.stopped_by]}."
        )

    def complaint(self) -> str:
        """Return why the task fails; empty if it doesn't."""
        if self.stopped:
            named = listed([_named(each) for each in self.stopped], _NAMED)
            return (
                f"{len(self.stopped)} chats stopped at what their handler fails on; others went on. Fix the "
                "handler, then clear this task or start the next run; with dead_letter= they would go on. "
                f"Given up: {named}."
            )
        if self.hanging:
            named = listed([repr(each) for each in self.hanging], _NAMED)
            return (
                f"{len(self.hanging)} handlers outlasted handler_timeout and can't be ended; the process "
                "of this task has to. The attempts count, and a retry goes on with these chats once their "
                f"leases have run out. Still at work: {named}."
            )
        return ""


def _named(stopped: Stopped) -> str:
    return f"{stopped.notification!r} after {stopped.last.attempt} attempts ({stopped.last.error_type})"
