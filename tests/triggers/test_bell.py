"""When a doorbell of many queues rings, in seconds of any clock."""

from __future__ import annotations

import pytest

from airflow_green_notify.triggers.bell import Bell, Patience
from airflow_green_notify.triggers.sighting import Sighting


def rings(bell: Bell, *looks: tuple[float, dict[str, str]], is_enough: bool = True) -> list[float]:
    """Say at which looks it rings."""
    return [now for now, waiting in looks if bell.strikes(waiting, now, is_enough)]


def test_queue_beside_one_that_waits_is_rung_for() -> None:
    """A head that nobody drains hides none of another queue."""
    bell = Bell(2, 60, 20)
    assert rings(bell, (0, {"a": "1"}), (10, {"a": "1"}), (11, {"a": "1", "b": "1"})) == [0, 11]


def test_queues_share_one_interval() -> None:
    """However many of them have news, rings keep their distance."""
    bell = Bell(2, 60, 20)
    busy = [(second / 4, {f"{second % 7}": f"{second}"}) for second in range(0, 41)]
    assert rings(bell, *busy) == [0, 2, 4, 6, 8, 10]


def test_queue_that_looks_empty_for_a_moment_is_not_rung_for_twice() -> None:
    """One empty answer is not proof, also if another queue is rung for just then."""
    bell = Bell(2, 60, 20)
    both, other = {"a": "1", "b": "2"}, {"b": "2"}
    assert rings(bell, (0, {"a": "1"}), (5, other), (8, both), (11, other), (14, both)) == [0, 5]


def test_one_of_many_that_still_waits_is_rung_for_again() -> None:
    """A ring that got lost costs ring_again_after and no more."""
    bell = Bell(2, 60, 20)
    assert rings(bell, (0, {"a": "1", "b": "1"}), (30, {"b": "1"}), (60, {"b": "1"})) == [0, 60]


def test_news_that_is_not_enough_waits_and_is_rung_for_with_what_is_rung_for_again() -> None:
    """Patience holds back the ring for news alone."""
    bell = Bell(2, 60, 20)
    assert bell.strikes({"a": "1"}, 0)
    assert rings(bell, (5, {"b": "1"}), (50, {"a": "1", "b": "1"}), is_enough=False) == []
    assert bell.strikes({"a": "1", "b": "1"}, 60, is_enough=False)
    assert bell.news({"a": "1", "b": "1"}) == []


def test_burst_that_leaves_too_little_behind_is_rung_for_once_more() -> None:
    """What Airflow left lying of a burst is picked up, also while a few new ones wait for more."""
    bell = Bell(2, 60, 20)
    assert rings(bell, (0, {"a": "1"}), (2, {"a": "2"})) == [0, 2]
    few = {"b": "1"}
    assert rings(bell, (20, few), (42, few), is_enough=False) == [42]
    later = [(second, {"c": f"{second}"}) for second in range(43, 400, 20)]
    assert rings(bell, *later, is_enough=False) == []


@pytest.mark.parametrize(
    ("numbers", "ages", "is_over"),
    [
        ((2, 3), (0, 0), True),
        ((2, 2), (0, 0), False),
        ((1, 1), (29, 30), True),
        ((1, 1), (-1000, 29), False),
        ((), (), False),
    ],
)
def test_patience_ends_with_enough_of_them_or_an_old_one(
    numbers: tuple[int, ...], ages: tuple[float, ...], is_over: bool
) -> None:
    """Counted are all queues together; one that has waited long is enough."""
    now = 1000.0
    sightings = [
        Sighting("1", "key", waits_from=now - age, number=number)
        for number, age in zip(numbers, ages, strict=True)
    ]
    assert Patience(5, 30.0).is_over(sightings, now) is is_over
