"""The gateway's documented requests per second are kept, by all hooks of a process together."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from airflow_green_notify.emulator import traffic
from airflow_green_notify.hooks import GreenApiHook, rate_limit
from airflow_green_notify.hooks.rate_limit import RateLimit

PAIRS = 1000
HOOKS = 4


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "time", clock)
    return clock


def refused(gateway: Any) -> int:
    return sum(request["status"] == 429 for request in gateway.requests())


async def drain(hook: GreenApiHook, pairs: int) -> None:
    """Receive and delete without thinking, as fast as the hook lets it."""
    for _ in range(pairs):
        notification = await hook.areceive_notification(1)
        assert notification is not None
        await hook.adelete_notification(notification.receipt_id)


# --- against the gateway's real limits ---


@pytest.mark.slow
async def test_a_thousand_pairs_from_several_hooks_get_no_429(gateway: Any, make_hook: Any) -> None:
    """Receiving and deleting at full speed, with several hooks in one process, is never too fast."""
    gateway.push(*traffic(1, PAIRS))
    await asyncio.gather(*(drain(make_hook(max_attempts=1), PAIRS // HOOKS) for _ in range(HOOKS)))
    assert len(gateway.requests()) == 2 * PAIRS
    assert refused(gateway) == 0


def test_threads_with_hooks_of_their_own_get_no_429(gateway: Any) -> None:
    """The plain methods share the limit over threads, as tasks in one worker do."""
    gateway.push(*traffic(1, 300))

    def ask() -> None:
        with GreenApiHook(max_attempts=1) as hook:
            for _ in range(60):
                hook.receive_notification(1)

    threads = [threading.Thread(target=ask) for _ in range(HOOKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gateway.requests()) == 60 * HOOKS
    assert refused(gateway) == 0


async def test_methods_of_one_a_second_asked_at_once_get_no_429(gateway: Any, make_hook: Any) -> None:
    """Several hooks that want the state at the same moment wait for each other."""
    hooks = [make_hook(max_attempts=1) for _ in range(3)]
    states = await asyncio.gather(*(hook.aget_state_instance() for hook in hooks))
    assert states == ["authorized"] * 3
    assert refused(gateway) == 0


async def test_instances_do_not_wait_for_each_other(gateway: Any, make_hook: Any, monkeypatch: Any) -> None:
    """The gateway counts per instance, and so does the hook."""
    others = [gateway.add_instance() for _ in range(20)]
    for number, other in enumerate(others):
        monkeypatch.setenv(f"AIRFLOW_CONN_OTHER_{number}", other.connection)
    hooks = [make_hook(f"other_{number}", max_attempts=1) for number in range(20)]
    await asyncio.wait_for(asyncio.gather(*(hook.aget_state_instance() for hook in hooks)), 10)
    assert refused(gateway) == 0


async def test_lower_rate_of_the_connection_is_kept(connect: Any, gateway: Any, make_hook: Any) -> None:
    """``requests_per_second`` lowers what is sent, for receiving and for deleting each."""
    connect(gateway.url, extra={"requests_per_second": 5})
    gateway.push(*traffic(1, 7))
    await drain(make_hook(max_attempts=1), 7)
    for method in ("receiveNotification", "deleteNotification"):
        times = [request["at"] for request in gateway.requests() if request["method"] == method]
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[5:], strict=False))


# --- the limit itself ---


def test_limit_lets_its_count_through_at_once(clock: Clock) -> None:
    """A burst within the rate isn't slowed."""
    limit = RateLimit(3, 1.0)
    assert [limit.take() for _ in range(3)] == [0.0] * 3
    assert limit.take() > 0


def test_limit_frees_a_place_a_second_after_the_answer(clock: Clock) -> None:
    """However long a request was under way, its window begins when it surely was counted."""
    limit = RateLimit(1, 1.0)
    limit.take()
    clock.now += 0.7
    limit.give_back()
    clock.now += 0.4
    assert limit.take() == pytest.approx(0.6)
    clock.now += 0.6
    assert limit.take() == 0.0


def test_limit_gives_one_place_to_one_of_many(clock: Clock) -> None:
    """When a place becomes free, only one of those that wait gets it."""
    limit = RateLimit(1, 1.0)
    limit.take()
    limit.give_back()
    assert limit.take() == limit.take() == 1.0
    clock.now += 1.0
    assert [limit.take() == 0.0 for _ in range(3)] == [True, False, False]


def test_limit_lends_the_places_of_long_polls(clock: Clock) -> None:
    """Polls that the gateway holds open for a minute keep nobody waiting for a minute."""
    limit = RateLimit(2, 1.0)
    assert [limit.take(), limit.take()] == [0.0, 0.0]
    clock.now += 1.0
    assert limit.take() > 0
    clock.now += 1.0
    assert [limit.take(), limit.take()] == [0.0, 0.0]
    assert limit.take() > 0


def test_limit_after_lending_has_no_more_places_than_before(clock: Clock) -> None:
    """Places that were lent don't multiply when the long polls come back."""
    limit = RateLimit(2, 1.0)
    for _ in range(3):
        limit.take(), limit.take()
        clock.now += 2.0
    for _ in range(6):
        limit.give_back()
    clock.now += 10.0
    assert [limit.take() == 0.0 for _ in range(4)] == [True, True, False, False]


async def test_cancelled_wait_takes_no_place(gateway: Any, make_hook: Any) -> None:
    """Who gives up waiting for its turn doesn't lengthen the queue for the others."""
    hook = make_hook(max_attempts=1)
    await hook.aget_state_instance()
    impatient = [asyncio.create_task(hook.aget_state_instance()) for _ in range(50)]
    await asyncio.sleep(0.05)
    for task in impatient:
        task.cancel()
    await asyncio.gather(*impatient, return_exceptions=True)
    assert await asyncio.wait_for(hook.aget_state_instance(), 10) == "authorized"
    assert refused(gateway) == 0
