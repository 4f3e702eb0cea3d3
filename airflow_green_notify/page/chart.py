"""Numbers as shapes: bars over the last 24 hours, for a picture that the server draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_green_notify.page.wording import words
from airflow_green_notify.printable import NAME

WIDTH, HEIGHT = 360, 150
"""Of the picture, in units of its own; it is stretched to the room there is."""

LEFT, RIGHT, TOP, BOTTOM = 44, 6, 8, 18
"""What is left around the bars for words."""

SERIES = 6
"""Kinds that get a colour of their own; the rest is one more."""

REST = "other types"


@dataclass(frozen=True)
class Bar:
    """A rectangle, and what it stands for.

    :param series: Which colour it has.
    """

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True)
class Tick:
    """A word at an axis, and where."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture, and the same in words.

    :param id: A word of its own on the page.
    :param text: What it shows, for who can't see it, or what stands in its place if there are no bars.
    :param legend: What the colours stand for, in their order.
    """

    id: str
    title: str
    text: str
    bars: Sequence[Bar] = ()
    across: Sequence[Tick] = ()
    up: Sequence[Tick] = ()
    legend: Sequence[str] = field(default=())


def stacked(
    id: str, title: str, nothing: str, counts: Mapping[datetime, Mapping[str, int]], step: timedelta
) -> Chart:
    """Draw how many of which kind there were in each step of time.

    :param nothing: What to say if there were none.
    :param counts: By the beginnings of the steps, all of them.
    """
    totals: dict[str, int] = {}
    for of in counts.values():
        for kind, number in of.items():
            totals[kind] = totals.get(kind, 0) + number
    kinds = sorted(totals, key=lambda kind: (-totals[kind], kind))
    if not sum(totals.values()):
        return Chart(id, title, nothing)
    shown = kinds[:SERIES] + ([REST] if len(kinds) > SERIES else [])
    most = _round_up(max(sum(of.values()) for of in counts.values()))
    scale = _Scale(sorted(counts), step, most)
    bars = []
    for begin, of in counts.items():
        below = 0
        for series, (kind, number) in enumerate(zip(shown, _numbers(of, kinds), strict=False)):
            if number:
                title_of = f"{begin:%H:%M} to {begin + step:%H:%M} UTC: {number:,} {_name(kind)}"
                bars.append(scale.bar(begin, below, number, series, title_of))
                below += number
    numbers = zip(shown, _numbers(totals, kinds), strict=False)
    told = ", ".join(f"{number:,} {_name(kind)}" for kind, number in numbers)
    text = f"{sum(totals.values()):,} in 24 hours: {told}."
    legend = [_name(kind) for kind in shown]
    return Chart(id, title, text, bars, scale.across(), scale.up(lambda number: f"{number:,.0f}"), legend)


def highest(
    id: str,
    title: str,
    nothing: str,
    values: Mapping[datetime, float | None],
    step: timedelta,
    say: Callable[[float], str],
) -> Chart:
    """Draw one value for each step of time; ``None`` where there is none.

    :param say: How a value is said.
    """
    known = {begin: value for begin, value in values.items() if value is not None}
    if not known:
        return Chart(id, title, nothing)
    most = max(known.values())
    scale = _Scale(sorted(values), step, most or 1.0)
    bars = [
        scale.bar(begin, 0, value, 0, f"{begin:%H:%M} to {begin + step:%H:%M} UTC: {say(value)}")
        for begin, value in known.items()
    ]
    last = max(known)
    text = f"{say(most)} at most within 24 hours; {say(known[last])} by {last + step:%H:%M} UTC, the last."
    return Chart(id, title, text, bars, scale.across(), scale.up(say))


class _Scale:
    """Where values lie on the picture."""

    def __init__(self, begins: Sequence[datetime], step: timedelta, most: float) -> None:
        self._first, self._step, self._steps = begins[0], step, len(begins)
        self._most = most

    def bar(self, begin: datetime, below: float, value: float, series: int, title: str) -> Bar:
        room = (WIDTH - LEFT - RIGHT) / self._steps
        height = (HEIGHT - TOP - BOTTOM) * value / self._most
        y = self._y(below) - height
        if value and height < 1:
            y, height = y + height - 1, 1.0  # so that it is to be seen
        x = self._x(begin) + room * 0.08
        return Bar(_short(x), _short(y), _short(room * 0.84), _short(height), series, title)

    def across(self) -> list[Tick]:
        """Return every sixth hour."""
        begins = [self._first + number * self._step for number in range(self._steps)]
        full = [begin for begin in begins if begin.minute == 0 and begin.hour % 6 == 0]
        return [Tick(_short(self._x(begin)), f"{begin:%H:%M}") for begin in full]

    def up(self, say: Callable[[float], str]) -> list[Tick]:
        return [Tick(_short(self._y(value)), say(value)) for value in (0.0, self._most / 2, self._most)]

    def _x(self, begin: datetime) -> float:
        passed: float = (begin - self._first).total_seconds() / self._step.total_seconds()
        return LEFT + (WIDTH - LEFT - RIGHT) * passed / self._steps

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self._most


def _short(number: float) -> float:
    return round(number, 1)


def _round_up(number: float) -> float:
    """Return the next even number of one or two digits with noughts behind."""
    size: int = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return max(2.0, math.ceil(number / (2 * size)) * 2.0 * size)


def _name(kind: str) -> str:
    return words(kind, NAME) if kind else "of no known type"


def _numbers(of: Mapping[str, int], kinds: Sequence[str]) -> list[int]:
    """Return how many there are of each kind with a colour of its own, and of all others."""
    numbers = [of.get(kind, 0) for kind in kinds]
    return [*numbers[:SERIES], sum(numbers[SERIES:])]
