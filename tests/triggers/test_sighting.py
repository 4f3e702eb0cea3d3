"""What is kept of a look at a queue: since when its head waits."""

from __future__ import annotations

import time

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.triggers.sighting import Lookout
from airflow_green_notify.triggers.watch import QueueWatch
from tests.triggers.conftest import body, take_head

IN_A_WEEK = 7 * 24 * 3600


@pytest.fixture
def lookout(queue_watch: QueueWatch) -> Lookout:
    return Lookout(queue_watch, counting=False)


async def test_head_waits_from_its_first_look_through_a_wrong_empty_answer(
    lookout: Lookout, green_api_connection: GreenApiEmulator
) -> None:
    """One empty answer is not proof; a time that is still to come is no age."""
    green_api_connection.push(body(timestamp=int(time.time()) + IN_A_WEEK))
    began_at = time.monotonic()
    first = await lookout.look()
    green_api_connection.fault("status", method="receiveNotification", status=200, body="null")
    empty, again = await lookout.look(), await lookout.look()
    assert (empty.key, empty.number) == (None, 0)
    assert began_at <= first.waits_from == again.waits_from


async def test_next_head_waits_from_its_own_first_look(
    lookout: Lookout, green_api_connection: GreenApiEmulator
) -> None:
    """What was drained doesn't make the one behind it old."""
    ahead = int(time.time()) + IN_A_WEEK
    green_api_connection.push(body("one", timestamp=ahead), body("two", timestamp=ahead))
    first = await lookout.look()
    await take_head()
    second = await lookout.look()
    assert first.key != second.key
    assert first.waits_from < second.waits_from


async def test_head_waits_from_its_own_time_by_the_gateways_clock(
    lookout: Lookout, green_api_connection: GreenApiEmulator
) -> None:
    """What waited before this watch began has waited all the same, whatever this machine's clock says."""
    green_api_connection.advance(3600)
    green_api_connection.push(body(timestamp=int(time.time())))
    seen = await lookout.look()
    assert 3590 < time.monotonic() - seen.waits_from < 3690
