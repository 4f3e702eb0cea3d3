"""What a seed draws: the traffic, the gateway's habits, and what befalls the readers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.simulation.gateway import Habits
from tests.simulation.line import Weather

DRAINS = (("drain", "drain"), ("drain", "process"), ("process", "process"))

FAIR = Weather(jitter=0.05, cut=0.01, refused=0.01, wrongly_empty=0.02)
ROUGH = Weather(jitter=0.05, cut=0.02, refused=0.02, late=0.02, wrongly_empty=0.05)


@dataclass(frozen=True)
class Mix:
    """What to draw from.

    :param share: How many of the histories are of this mix, as a part of the sum of all shares.
    :param readers: Groups of readers, of which one is drawn.
    :param promises: What must not happen, by the names of :class:`~tests.simulation.outcome.Outcome`.
    :param losses: How many notifications may be lost in 1,000 histories, where no lease keeps the readers
        apart: what fresh receipt ids alone can't prevent, see
        :class:`~airflow_green_notify.hooks.receipt.Receipt`.
    :param one_store: Whether all readers have the same store, and so see each other's lease.
    :param peekers: How many doorbells there are at most; each rings the readers.
    :param frozen: Share of the tries that freeze.
    :param killed: Share of the tries that are killed.
    :param slow: Share of the puts and handlers that take 1 to 90 s.
    :param failing: Share of the puts that fail, and of the handlers that raise.
    :param restarts: How often the gateway's counter restarts when its queue runs empty.
    """

    share: int = 1
    readers: tuple[tuple[str, ...], ...] = DRAINS
    promises: tuple[str, ...] = ("lost", "twice", "left", "at_once", "queued")
    losses: int = 0
    one_store: bool = True
    peekers: int = 1
    frozen: float = 0.2
    killed: float = 0.15
    slow: float = 0.02
    failing: float = 0.01
    restarts: float = 0.5
    weather: Weather = FAIR


WORST = Mix(
    share=5,
    readers=(*DRAINS, ("drain", "drain", "process")),
    peekers=2,
    frozen=0.7,
    killed=0.2,
    slow=0.08,
    failing=0.02,
    restarts=1.0,
    weather=ROUGH,
)

MIXES = {
    "worst": WORST,
    "mild": Mix(weather=replace(FAIR, late=0.01)),
    "alone": Mix(readers=(("drain",), ("process",)), frozen=0.0, killed=0.5, weather=ROUGH),
    # Readers that no lease keeps apart.
    "other-stores": replace(WORST, share=1, one_store=False, promises=("left", "queued"), losses=10),
    "foreign": Mix(
        readers=(("drain", "foreign"), ("process", "foreign")),
        restarts=1.0,
        promises=("twice", "left", "at_once", "queued"),
        losses=10,
    ),
    "compare-and-delete": Mix(readers=(("load", "drain"), ("load", "load")), promises=("queued",), losses=10),
    "notification-trigger": Mix(
        readers=(("watch", "drain"), ("watch", "watch")), promises=("queued",), losses=10
    ),
}


@dataclass(frozen=True)
class Fate:
    """What befalls one try, before how many-th of its events; 0 is never."""

    frozen_at: int
    frozen_for: float
    suspended: bool
    killed_at: int


class Schedule:
    """The draws of one history."""

    def __init__(self, mix: Mix, chance: Random) -> None:
        self._mix = mix
        self._chance = chance
        self.readers = chance.choice(mix.readers)
        self.peekers = chance.randint(min(1, mix.peekers), mix.peekers)
        self.habits = Habits(restarts=chance.random() < mix.restarts, stable=chance.random() < 0.5)
        self.pushes = self._draw_pushes(chance.randint(20, 60))
        self.patience = chance.uniform(10.0, 30.0)
        """Seconds without a heartbeat after which Airflow starts another try."""

    def _draw_pushes(self, count: int) -> list[float]:
        """Bursts, and quiet between them."""
        pushes: list[float] = []
        now = 0.0
        while len(pushes) < count:
            now += self._chance.choice((1.0, 30.0, 60.0)) * self._chance.random()
            for _ in range(min(self._chance.choice((1, 1, 2, 5, 15)), count - len(pushes))):
                now += self._chance.choice((0.0, 0.01, 1.0)) * self._chance.random()
                pushes.append(now)
        return pushes

    def fate(self) -> Fate:
        """Draw what befalls the next try."""
        chance = self._chance
        return Fate(
            frozen_at=chance.randint(1, 120) if chance.random() < self._mix.frozen else 0,
            frozen_for=2.0 * 60.0 ** chance.random(),
            suspended=chance.random() < 0.3,
            killed_at=chance.randint(1, 200) if chance.random() < self._mix.killed else 0,
        )

    def pause(self) -> float:
        """Draw the seconds between two runs, or two tries."""
        return 1.0 + 20.0 * self._chance.random() ** 2
