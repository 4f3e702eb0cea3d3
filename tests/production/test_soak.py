"""Whether the soak tells what grows from what only goes up and down."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

from tests.production.soak import CONTROL, OURS, WATCHED_PARTS, Held, Line, Sample, growing, lines

HOURS = [number / 120 for number in range(120)]


def noisy(slope: float) -> list[float]:
    chance = random.Random(1)
    return [300 + slope * hour + chance.gauss(0, 1) for hour in HOURS]


def test_line_tells_growth_that_stands_out_from_the_noise() -> None:
    """Half an MiB of 300 is nothing; ten an hour are."""
    assert Line.through(HOURS, noisy(0.5)).is_flat
    assert not Line.through(HOURS, noisy(10)).is_flat
    assert 9 < Line.through(HOURS, noisy(10)).slope < 11
    assert Line.through(HOURS, noisy(-10)).is_flat


def test_lines_are_laid_through_what_lasts() -> None:
    """A task that comes and goes, and what is before the warm-up, tells nothing of a part."""

    def held(hour: float, number: int) -> dict[int, Held]:
        task = {1000 + number: Held(500.0, 9, 9)} if number % 3 else {}
        return {1: Held(900.0 if hour < 0.2 else 100.0 + 12 * hour, 7, 3)} | task

    samples = [
        Sample(hour, {name: held(hour, number) for name in WATCHED_PARTS})
        for number, hour in enumerate(HOURS)
    ]
    found = lines(samples, 0.25)[OURS[0]]
    assert round(found["mib"].slope, 6) == 12
    assert (found["handles"].mean, found["handles"].slope, found["threads"].mean) == (7, 0, 3)


HOLDER = """
import sys
print(flush=True)
input()
kept = open(sys.executable), b"x" * 2**24
print(flush=True)
input()
"""


def test_process_is_told_what_it_holds() -> None:
    """An open file and a few MiB more are seen."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER], **pipes) as holder:
        holder.stdout.readline()
        before = Held.by(holder.pid)
        print(file=holder.stdin, flush=True)
        holder.stdout.readline()
        after = Held.by(holder.pid)
        holder.kill()
    assert after.handles == before.handles + 1
    assert 12 < after.mib - before.mib < 24


def test_part_that_grows_as_the_control_does_is_not_ours_to_blame() -> None:
    """What Airflow leaks by itself, it leaks beside us too."""

    def found(ours: float, control: float) -> list[str]:
        kinds = {CONTROL: control, OURS[0]: ours}
        return growing({name: {"mib": Line(300, kinds.get(name, 0.0), 0.5)} for name in WATCHED_PARTS})

    assert found(ours=20, control=20) == []
    assert found(ours=20, control=0) == [f"{OURS[0]} (mib)"]
    assert found(ours=20, control=-30) == [f"{OURS[0]} (mib)"]
    assert found(ours=2, control=0) == []
