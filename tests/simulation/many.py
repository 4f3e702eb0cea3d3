"""Many histories, on all cores."""

from __future__ import annotations

import gc
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.clocks import simulated
from tests.simulation.history import History
from tests.simulation.outcome import NAMES
from tests.simulation.schedule import MIXES

CHUNK = 50
"""Histories between two garbage collections, in which what was killed is let go."""


@dataclass
class Totals:
    """What many histories of one mix came to."""

    mix: str
    histories: int = 0
    cpu_seconds: float = 0.0
    notifications: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    histories_by_name: Counter[str] = field(default_factory=Counter)
    failing: dict[int, str] = field(default_factory=dict)

    def add(self, history: History, seed: int) -> None:
        """Count one history."""
        self.histories += 1
        self.notifications += len(history.gateway.items)
        for name in NAMES:
            numbers = getattr(history.outcome, name)
            self.by_name[name] += len(numbers)
            self.histories_by_name[name] += bool(numbers)
        if history.outcome.lost or history.outcome.breaks(MIXES[self.mix].promises):
            self.failing[seed] = str(history.outcome)

    def break_promises(self) -> bool:
        """Tell whether anything happened that must not, or was lost more often than it may be."""
        mix = MIXES[self.mix]
        expected = mix.losses * self.histories / 1000
        tolerated = expected + math.sqrt(expected)  # of a chance that is just as high as it may be
        return self.by_name["lost"] > tolerated or any(self.by_name[name] for name in mix.promises)

    def merge(self, other: Totals) -> None:
        """Take in another part."""
        self.histories += other.histories
        self.cpu_seconds += other.cpu_seconds
        self.notifications += other.notifications
        self.by_name += other.by_name
        self.histories_by_name += other.histories_by_name
        self.failing |= other.failing

    def __str__(self) -> str:
        lines = [
            f"Mix {self.mix!r}: {self.histories} histories, {self.notifications} notifications, "
            f"{self.histories / self.cpu_seconds:.0f} a second of CPU; promised: no "
            + ", ".join(MIXES[self.mix].promises)
        ]
        lines += [
            f"  {name}: {self.by_name[name]} in {self.histories_by_name[name]} histories"
            for name in NAMES
            if self.by_name[name]
        ]
        lines += [
            f"  python -m tests.simulation --mix {self.mix} --story {seed}  # {what}"
            for seed, what in sorted(self.failing.items())[:10]
        ]
        return "\n".join(lines)


def run_one(mix: str, seed: int) -> History:
    """Run one history to its end."""
    with simulated():
        history = History(mix, seed)
        history.run()
    return history


def tell(mix: str, seed: int) -> str:
    """Tell one seed's story."""
    history = run_one(mix, seed)
    lines = [f"{when:9.3f}  {who:18} {what}" for when, who, what in history.world.story]
    return "\n".join([f"Mix {mix!r}, seed {seed}, {history.schedule.habits}", *lines, str(history.outcome)])


def shares(histories: int) -> dict[str, int]:
    """Divide a number of histories among the mixes."""
    whole = sum(mix.share for mix in MIXES.values())
    return {name: histories * mix.share // whole for name, mix in MIXES.items() if mix.share}


def run_many(histories: Mapping[str, int], seed_base: int, processes: int | None = None) -> dict[str, Totals]:
    """Run so many histories of each mix, from this seed on."""
    totals = {mix: Totals(mix) for mix in histories}
    chunks = [
        (mix, range(start, min(start + CHUNK, seed_base + count)))
        for mix, count in histories.items()
        for start in range(seed_base, seed_base + count, CHUNK)
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=_begin) as pool:
        for part in pool.map(_run_chunk, chunks):
            totals[part.mix].merge(part)
    return totals


def _begin() -> None:
    gc.disable()
    gc.freeze()


def _run_chunk(chunk: tuple[str, range]) -> Totals:
    mix, seeds = chunk
    totals = Totals(mix)
    started = time.process_time()
    for seed in seeds:
        totals.add(run_one(mix, seed), seed)
    gc.collect()
    totals.cpu_seconds = time.process_time() - started
    return totals
