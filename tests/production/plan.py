"""What is to happen to which part, and when: all of it decided by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from tests.production.airflow import SCHEDULERS, TRIGGERERS, WORKERS
from tests.production.parts import Which

Deed = Literal["kill", "freeze", "restart"]

AT_ONCE = 3
"""How many parts are disturbed at a time, at most."""

RECOVERY = 10.0
"""Seconds in which a part that came back is left alone: its start."""

LONG = {  # longest freeze in seconds, past the heartbeat after which the part counts as dead, and past leases
    "worker": 35.0,
    "triggerer": 20.0,
    "scheduler": 25.0,
    "dag-processor": 25.0,
    "api-server": 20.0,
    "redis": 20.0,
    "metadata": 20.0,
    "warehouse": 30.0,
    "gateway": 25.0,
}
DEEDS: dict[str, list[tuple[Deed, Which]]] = {
    "worker": [
        ("kill", "tree"),
        ("kill", "main"),
        ("kill", "child"),
        ("freeze", "tree"),
        ("freeze", "child"),
        ("restart", "tree"),
    ],
    "triggerer": [
        ("kill", "tree"),
        ("kill", "child"),
        ("freeze", "tree"),
        ("freeze", "child"),
        ("restart", "tree"),
    ],
    "scheduler": [("kill", "tree"), ("freeze", "tree"), ("restart", "tree")],
    "dag-processor": [("kill", "tree"), ("freeze", "tree"), ("restart", "tree")],
    "api-server": [("kill", "tree"), ("freeze", "tree"), ("restart", "tree")],
    "redis": [("kill", "tree"), ("freeze", "tree"), ("restart", "tree")],
    "metadata": [("kill", "tree"), ("kill", "child"), ("freeze", "tree"), ("restart", "tree")],
    "warehouse": [("kill", "tree"), ("kill", "child"), ("freeze", "tree"), ("restart", "tree")],
    "gateway": [("freeze", "tree")],  # its queues and its audit are in its memory
}
WEIGHTS = {name: 3 for name in [*WORKERS, *TRIGGERERS]} | {
    **{name: 2 for name in [*SCHEDULERS, "warehouse", "metadata", "redis", "api-server"]},
    **{name: 1 for name in ["dag-processor", "gateway"]},
}


@dataclass(frozen=True)
class Disturbance:
    """One thing that happens to one part.

    :param at: Seconds after the start.
    :param seconds: How long the part is away or stands still.
    :param child: Which child, for ``which="child"``: counted over and over.
    """

    at: float
    part: str
    deed: Deed
    which: Which
    seconds: float
    child: int

    @property
    def kind(self) -> str:
        """What it is, whichever of several alike it strikes."""
        of = {"tree": "", "main": "'s main process", "child": "'s child"}[self.which]
        return f"{self.deed} {role_of(self.part)}{of}"


def role_of(part: str) -> str:
    return part.removesuffix("-1").removesuffix("-2")


def plan(seed: int, count: int, seconds: float) -> list[Disturbance]:
    """Spread so many disturbances over this time; the same seed gives the same ones."""
    chance = random.Random(seed)
    busy_until = dict.fromkeys(WEIGHTS, 0.0)
    planned = []
    for number in range(count):
        at = (number + chance.random()) * seconds / count
        disturbed = sum(until - RECOVERY > at for until in busy_until.values())
        free = [part for part, until in busy_until.items() if until <= at and disturbed < AT_ONCE]
        part = chance.choices(free or list(WEIGHTS), [WEIGHTS[part] for part in free or WEIGHTS])[0]
        deed, which = chance.choice(DEEDS[role_of(part)])
        longest = LONG[role_of(part)] if deed == "freeze" else 8.0
        away = 0.0 if (deed, which) == ("kill", "child") else round(chance.uniform(0.2, 1.0) * longest, 1)
        planned.append(Disturbance(round(at, 1), part, deed, which, away, chance.randrange(1000)))
        busy_until[part] = at + away + RECOVERY
    return planned
