"""The clock that tests can move."""

from __future__ import annotations

import time

from airflow_green_notify.emulator.clock import Clock


def test_clock_is_the_real_time_until_it_is_moved() -> None:
    """Without being moved the gateway's time is ours; moved, it is ahead by that much."""
    clock = Clock()
    assert time.time() <= clock.now()
    clock.advance(3600)
    assert clock.now() >= time.time() + 3599


def test_agenda_runs_in_the_order_of_its_times() -> None:
    """What is due runs when the clock passes it, earliest first, and once."""
    clock, ran = Clock(), []
    clock.later(20, lambda: ran.append("second"))
    clock.later(10, lambda: ran.append("first"))
    clock.later(0, lambda: ran.append("at once"))
    assert ran == ["at once"]
    clock.advance(5)
    assert ran == ["at once"]
    clock.advance(30)
    clock.advance(30)
    assert ran == ["at once", "first", "second"]


def test_agenda_item_may_add_another() -> None:
    """What runs may put a further item on the agenda, which runs too if it is due."""
    clock, ran = Clock(), []
    clock.later(10, lambda: clock.later(0, lambda: ran.append("inner")))
    clock.advance(10)
    assert ran == ["inner"]
