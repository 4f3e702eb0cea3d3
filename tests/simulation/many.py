"""Many histories, on several cores."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.clocks import simulated
from tests.simulation.history import History
from tests.simulation.outcome import NAMES
from tests.simulation.schedule import MIXES

CHUNK = 50
"""Histories between two rounds of garbage collection: what the killed left behind is closed then."""


@dataclass
class Totals:
    """What many histories came to."""

    mix: str
    histories: int = 0
    seconds: float = 0.0
    notifications: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    histories_by_name: Counter[str] = field(default_factory=Counter)
    failing: dict[int, str] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Take in another part."""
        self.histories += other.histories
        self.seconds += other.seconds
        self.notifications += other.notifications
        self.by_name += other.by_name
        self.histories_by_name += other.histories_by_name
        self.failing |= other.failing

    def __str__(self) -> str:
        lines = [
            f"{self.histories} histories of the mix {self.mix!r}, {self.notifications} notifications, "
            f"{self.histories / self.seconds:.0f} a second and core"
        ]
        lines += [
            f"  {name:14} {self.by_name[name]:5} in {self.histories_by_name[name]:5} histories" for name in NAMES
        ]
        lines += [
            f"seed {seed}: {what}; python -m tests.simulation --mix {self.mix!r} --story {seed}"
            for seed, what in sorted(self.failing.items())[:10]
        ]
        return "\n".join(lines)


def run_one(mix: str, seed: int) -> History:
    """Run one history to its end."""
    with simulated():
        history = History(mix, seed)
        history.run()
    return history


def story(mix: str, seed: int) -> str:
    """Tell one seed's story."""
    history = run_one(mix, seed)
    lines = [f"{when:9.3f}  {who:18} {what}" for when, who, what in history.world.story]
    return "\n".join([f"Mix {mix!r}, seed {seed}, {history.schedule.habits}", *lines, str(history.outcome)])


def run_many(mix: str, seed_base: int, histories: int, processes: int = 2) -> Totals:
    """Run the histories of so many seeds in a row."""
    totals = Totals(mix)
    seeds = range(seed_base, seed_base + histories)
    chunks = [seeds[start : start + CHUNK] for start in range(0, histories, CHUNK)]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin) as pool:
        for part in pool.map(_run_chunk, [mix] * len(chunks), chunks):
            totals.add(part)
    return totals


def _begin() -> None:
    gc.disable()
    gc.freeze()


def _run_chunk(mix: str, seeds: range) -> Totals:
    started = time.perf_counter()
    totals = Totals(mix)
    for seed in seeds:
        history = run_one(mix, seed)
        totals.histories += 1
        totals.notifications += len(history.gateway.items)
        for name in NAMES:
            numbers = getattr(history.outcome, name)
            totals.by_name[name] += len(numbers)
            totals.histories_by_name[name] += bool(numbers)
        if history.outcome.breaks(MIXES[mix].promises):
            totals.failing[seed] = str(history.outcome)
    gc.collect()
    totals.seconds = time.perf_counter() - started
    return totals
