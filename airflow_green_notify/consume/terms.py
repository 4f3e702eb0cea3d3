"""How a store is worked through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """What a task says of how a store is worked through.

    :param max_parallel: Handlers that are at work at once, at most.
    :param max_attempts: Hard limit of attempts on one notification, over all tries and runs.
    :param max_seconds: No handler begins later than this after the start.
    :param linger: Seconds after the start in which it is no end that nothing is left to do.
    :param task: What dead letters tell of who gave them up, ``dag_id/task_id``.
    """

    max_parallel: int = 8
    max_attempts: int = 3
    max_seconds: float | None = None
    linger: float = 0.0
    task: str = ""


def pause_after(attempts: int) -> float:
    """Return the seconds until a chat is tried again: 1, 3, 9, 27, then 60. No other chat waits for them."""
    return float(min(3 ** min(attempts - 1, 4), 60))
