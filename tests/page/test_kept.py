"""Values that are worked out in a thread, now and then, and shared by all who ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from airflow_green_notify.page.kept import Kept, Threads

LONG = 60.0


def test_value_is_worked_out_once_for_all_who_ask() -> None:
    """Twenty who ask at once wait for the same work."""
    calls: list[int] = []
    may_end = threading.Event()

    def work() -> int:
        calls.append(1)
        may_end.wait(LONG)
        return 7

    kept = Kept(work, LONG, Threads(4))
    with ThreadPoolExecutor(20) as users:
        asked = [users.submit(kept.get, time.monotonic() + LONG) for _ in range(20)]
        may_end.set()
        answers = [each.result() for each in asked]
    assert [each and each.value for each in answers] == [7] * 20
    assert calls == [1]


def test_value_that_takes_long_is_not_waited_for_beyond_a_time() -> None:
    """Who can't wait gets the last one, or nothing."""
    may_end = threading.Event()
    kept = Kept(lambda: may_end.wait(LONG), 0.0, Threads(1))
    assert kept.get(time.monotonic()) is None
    may_end.set()
    first = kept.get(time.monotonic() + LONG)
    assert first is not None


def test_work_that_fails_leaves_the_last_value_and_is_tried_again() -> None:
    """An error that nobody foresaw stops neither the thread nor what comes later."""
    outcomes = iter([1, ValueError("unforeseen"), 3])

    def work() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    kept = Kept(work, 0.0, Threads(1))
    seen = []
    while len(seen) < 3:
        time.sleep(0.05)  # what took long is not done again at once
        answer = kept.get(time.monotonic() + LONG)
        assert answer is not None
        seen.append(answer.value)
    assert seen == [1, 1, 3]
