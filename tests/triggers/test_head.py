"""The wait of a deferred sensor: which heads end it, and what else does."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers import GreenApiHeadTrigger
from tests.triggers.conftest import CONNECTION, HOLD, body, take_head

KEY = Notification(1, body("one")).key


async def event_of(seconds: float = 5.0, **arguments: Any) -> dict[str, Any]:
    trigger = GreenApiHeadTrigger(CONNECTION, receive_timeout=HOLD, **arguments)
    event = await asyncio.wait_for(anext(trigger.run()), seconds)
    return event.payload


async def test_head_that_is_new_fires_with_its_key_only(green_api_connection: GreenApiEmulator) -> None:
    """The event tells the key; the worker receives the notification itself."""
    green_api_connection.push(body("one"))
    assert await event_of() == {"key": KEY, "error": None, "known_keys": [], "deadline": None}
    assert green_api_connection.queue() == [body("one")]


async def test_known_head_does_not_fire_until_another_comes(green_api_connection: GreenApiEmulator) -> None:
    """A head that was judged already is waited for to go away, without a hot loop."""
    green_api_connection.push(body("one"), body("two"))
    waiting = asyncio.create_task(event_of(known_keys=[KEY]))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    assert len(green_api_connection.requests()) <= 11
    await take_head()
    event = await waiting
    assert event["key"] == Notification(1, body("two")).key
    assert event["known_keys"] == [KEY]


async def test_pause_comes_before_the_first_look(green_api_connection: GreenApiEmulator) -> None:
    """In steady traffic it is what keeps deferring from being a hot loop."""
    green_api_connection.push(body("one"))
    waiting = asyncio.create_task(event_of(pause=0.6))
    await asyncio.sleep(0.4)
    assert green_api_connection.requests() == []
    assert (await waiting)["key"] == KEY


async def test_deadline_ends_the_pause(green_api_connection: GreenApiEmulator) -> None:
    """No pause is longer than the wait."""
    green_api_connection.push(body("one"))
    event = await event_of(pause=60.0, deadline=time.time() + 0.3)
    assert (event["key"], event["error"]) == (None, None)


async def test_deadline_fires_without_key_and_without_error(green_api_connection: GreenApiEmulator) -> None:
    """The worker ends the wait; the deadline it set comes back to it."""
    deadline = time.time() + 0.5
    event = await event_of(deadline=deadline)
    assert (event["key"], event["error"], event["deadline"]) == (None, None, deadline)


async def test_outage_is_waited_out(green_api_connection: GreenApiEmulator) -> None:
    """A gateway that is away for a while fails no task."""
    green_api_connection.push(body("one"))
    green_api_connection.fault("502")
    assert (await event_of())["key"] == KEY


async def test_refusal_for_good_fires_at_once_with_what_to_do(green_api_connection: GreenApiEmulator) -> None:
    """A task with a wrong token doesn't wait for its timeout."""
    green_api_connection.fault("status", status=401, times=None)
    event = await event_of()
    assert "the token is wrong" in event["error"]
    assert green_api_connection.api_token not in json.dumps(event)


async def test_missing_connection_fires_with_an_error() -> None:
    """A connection that doesn't exist is told to the task."""
    trigger = GreenApiHeadTrigger("green_api_nowhere", receive_timeout=HOLD)
    event = await anext(trigger.run())
    assert "green_api_nowhere" in event.payload["error"]


def test_serialize_round_trip_gives_the_same_trigger() -> None:
    """A trigger is its class path and its arguments, and these hold no credentials."""
    trigger = GreenApiHeadTrigger("other", ["k"], 12.5, 7.0, 3.0)
    path, arguments = trigger.serialize()
    assert path == "airflow_green_notify.triggers.head.GreenApiHeadTrigger"
    assert GreenApiHeadTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments
