"""The doorbell: when it rings, what it says, and that it leaves the queue alone."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers import GreenApiDoorbellTrigger
from airflow_green_notify.triggers.doorbell import Bell
from tests.triggers.conftest import HOLD, body, take_head

SENTINEL = "surely-not-in-an-event"


def doorbell(**changes: Any) -> GreenApiDoorbellTrigger:
    return GreenApiDoorbellTrigger(
        **{"min_ring_interval": 0.2, "ring_again_after": 1.0, "receive_timeout": HOLD, **changes}
    )


async def arrived(events: list[Any], count: int = 1) -> list[Any]:
    """Wait for so many events."""
    async with asyncio.timeout(15):
        while len(events) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return events


class TestBell:
    """When to ring, in seconds of any clock."""

    def test_first_head_is_rung_for_at_once(self) -> None:
        """What waits already when the trigger starts rings."""
        assert Bell(2, 60, 20).strikes({"q": "a"}, 0)

    def test_same_head_is_rung_for_again_only_after_ring_again_after(self) -> None:
        """A lost ring costs a minute, and a queue that nobody drains rings no more often."""
        bell = Bell(2, 60, 20)
        assert [bell.strikes({"q": "a"}, now) for now in (0, 2, 59, 60, 62, 120)] == [
            True,
            False,
            False,
            True,
            False,
            True,
        ]

    def test_other_head_within_min_ring_interval_is_rung_for_later(self) -> None:
        """Rings keep their distance, and none is forgotten."""
        bell = Bell(2, 60, 20)
        assert bell.strikes({"q": "a"}, 0)
        assert not bell.strikes({"q": "b"}, 1)
        assert bell.strikes({"q": "b"}, 2)

    def test_empty_queue_after_one_ring_stays_silent(self) -> None:
        """A single notification makes a single Dag run."""
        bell = Bell(2, 60, 20)
        bell.strikes({"q": "a"}, 0)
        assert not any(bell.strikes({}, now) for now in range(20, 500, 20))

    def test_empty_queue_after_rings_in_a_row_is_rung_for_once_in_time(self) -> None:
        """What Airflow left lying of a burst is picked up within ring_again_after of the last ring."""
        bell = Bell(2, 60, 20)
        for now, key in ((0, "a"), (2, "b"), (4, "c")):
            assert bell.strikes({"q": key}, now)
        rung = [now for now in range(24, 500, 20) if bell.strikes({}, now)]
        assert rung == [44]


async def test_new_notification_rings_and_stays_in_the_queue(
    green_api_connection: GreenApiEmulator, rings: Any
) -> None:
    """One event for one new head; nothing is deleted."""
    events = rings(doorbell())
    await asyncio.sleep(HOLD)
    assert events == []
    green_api_connection.push(body("one"))
    assert [event["key"] for event in await arrived(events)] == [Notification(1, body("one")).key]
    assert green_api_connection.queue() == [body("one")]


async def test_ring_tells_which_head_waits_since_when_and_nothing_of_what_it_says(
    green_api_connection: GreenApiEmulator, rings: Any
) -> None:
    """Airflow logs events: instance, key, kind and time are in them; no text, no person, no token."""
    sender = {"chatId": SENTINEL, "sender": SENTINEL, "senderName": SENTINEL}
    notification = body(SENTINEL, senderData=sender)
    green_api_connection.push(notification)
    events = await arrived(rings(doorbell()))
    assert events == [
        {
            "instance_id": green_api_connection.id_instance,
            "key": Notification(1, notification).key,
            "type_webhook": "incomingMessageReceived",
            "waiting_since": "2026-09-21T14:13:20+00:00",
        }
    ]
    assert SENTINEL not in json.dumps(events)
    assert green_api_connection.api_token not in json.dumps(events)


async def test_odd_kind_of_notification_rings_without_it(
    green_api_connection: GreenApiEmulator, rings: Any
) -> None:
    """An event must fit into any database, whatever stands in typeWebhook."""
    green_api_connection.push(body(typeWebhook="\x00\ud800"))
    events = await arrived(rings(doorbell()))
    assert [event["type_webhook"] for event in events] == [None]


async def test_head_that_stays_rings_again(green_api_connection: GreenApiEmulator, rings: Any) -> None:
    """A ring that got lost is repeated while the head still waits."""
    green_api_connection.push(body("one"))
    events = await arrived(rings(doorbell(ring_again_after=0.4)), 3)
    assert len({event["key"] for event in events}) == 1


async def test_burst_rings_at_most_every_min_ring_interval(
    green_api_connection: GreenApiEmulator, rings: Any
) -> None:
    """However fast heads change, rings keep their distance."""
    green_api_connection.push(*example_notifications()[:20])
    events = rings(doorbell(min_ring_interval=0.5))
    began_at = time.monotonic()
    for _ in range(20):
        await asyncio.sleep(0.05)
        await take_head()
    assert 2 <= len(events) <= 1 + (time.monotonic() - began_at) / 0.5


async def test_burst_that_is_over_rings_once_more(green_api_connection: GreenApiEmulator, rings: Any) -> None:
    """After several rings in a row an event with no key follows, once."""
    events = rings(doorbell(min_ring_interval=0.1, ring_again_after=0.9))
    for number, text in enumerate(("one", "two"), start=1):
        green_api_connection.push(body(text))
        await arrived(events, number)
        await take_head()
    await arrived(events, 3)
    await asyncio.sleep(1.5)
    assert [event["key"] is None for event in events] == [False, False, True]


async def test_outage_makes_no_event(green_api_connection: GreenApiEmulator, rings: Any) -> None:
    """A watcher turns every event into a Dag run: a gateway that is down makes none."""
    green_api_connection.fault("502", times=1)
    green_api_connection.fault("status", status=401, times=None)
    events = rings(doorbell())
    await asyncio.sleep(1.5)
    assert events == []


def test_serialize_round_trip_gives_the_same_trigger() -> None:
    """A trigger is its class path and its arguments, and these hold no credentials."""
    path, arguments = doorbell(green_api_conn_id="other").serialize()
    assert path == "airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger"
    assert GreenApiDoorbellTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments


def test_doorbells_of_one_connection_share_a_stream_whatever_their_pace() -> None:
    """Watchers of one instance look once; each rings in its own rhythm."""
    key = doorbell().shared_stream_key()
    assert doorbell(min_ring_interval=9, ring_again_after=99).shared_stream_key() == key
    assert doorbell(green_api_conn_id="other").shared_stream_key() != key


async def test_two_doorbells_in_one_triggerer_make_one_look(green_api_connection: GreenApiEmulator) -> None:
    """With Airflow's shared streams, two watchers ring from the same request."""
    shared_stream = pytest.importorskip("airflow.triggers.shared_stream")
    manager = shared_stream.SharedStreamManager()
    events: list[TriggerEvent] = []

    async def watch(number: int, trigger: BaseEventTrigger) -> None:
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
        async for event in trigger.filter_shared_stream(stream):
            events.append(event)

    tasks = [asyncio.create_task(watch(number, doorbell(receive_timeout=9))) for number in (1, 2)]
    await asyncio.sleep(0.5)
    assert len(green_api_connection.requests()) == 1
    green_api_connection.push(body("one"))
    await arrived(events, 2)
    for number, task in enumerate(tasks, start=1):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await manager.unsubscribe(number, doorbell(receive_timeout=9).shared_stream_key())
