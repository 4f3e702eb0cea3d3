"""The rules of the model gateway."""

from __future__ import annotations

import pytest

from tests.simulation.gateway import Gateway, Habits

pytestmark = pytest.mark.simulation


def gateway(pushes: int, **habits: bool) -> Gateway:
    queue = Gateway(Habits(**habits))
    for _ in range(pushes):
        queue.push(1_790_000_000)
    return queue


def receipt(queue: Gateway) -> int:
    head = queue.receive()
    assert head is not None
    return head.receipt_id


def test_receive_shows_the_head_until_it_is_deleted() -> None:
    """Every look shows the oldest notification; the next one appears after its delete."""
    queue = gateway(2)
    assert [queue.receive(), queue.receive()] == [queue.items[0]] * 2
    queue.delete(receipt(queue), "reader")
    assert queue.receive() is queue.items[1]
    assert queue.items[0].deleted_by == "reader"


def test_receive_empty_queue_shows_nothing() -> None:
    """An empty queue hands out nothing."""
    assert gateway(0).receive() is None


@pytest.mark.parametrize(("stable", "receipts"), [(True, [1, 1, 1]), (False, [1, 2, 3])])
def test_receive_again_receipt_id_stays_or_is_new(stable: bool, receipts: list[int]) -> None:
    """Another look gives the same receipt id, or a new one that ends the old one."""
    queue = gateway(1, stable=stable)
    assert [receipt(queue) for _ in range(3)] == receipts
    assert queue.delete(receipts[-1] - 1, "reader") is None
    assert queue.delete(receipt(queue), "reader") is queue.items[0]


def test_delete_same_receipt_id_twice_deletes_once() -> None:
    """A receipt id is good for one delete."""
    queue = gateway(2)
    number = receipt(queue)
    assert queue.delete(number, "reader") is queue.items[0]
    assert queue.delete(number, "reader") is None


@pytest.mark.parametrize("restarts", [True, False])
def test_delete_after_the_counter_restarted_names_what_was_handed_out_last(restarts: bool) -> None:
    """Where the counter restarts in an empty queue, an old receipt id names what somebody else looked at."""
    queue = gateway(1, restarts=restarts)
    old = receipt(queue)
    queue.delete(old, "another")
    queue.push(1_790_000_001)
    assert queue.delete(old, "reader") is None, "nobody was handed it yet"
    queue.receive()
    assert (queue.delete(old, "reader") is queue.items[1]) == restarts


def test_push_lets_open_receives_look_once() -> None:
    """A receive that is held open looks at the first push, and not again."""
    queue = gateway(0)
    seen: list[int] = []
    queue.on_push.append(lambda: seen.append(receipt(queue)))
    queue.push(1_790_000_000)
    queue.push(1_790_000_000)
    assert seen == [1]
