"""Notifications in asset events: deleted after Airflow stored the event, and never on its mere appearance.

The triggers run in Airflow's own ``TriggerRunner``; the test plays its supervisor, which stores events and
confirms them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

pytest.importorskip("airflow.triggers.shared_stream", reason="shared streams came with Airflow 3.3")

from airflow.jobs.triggerer_job_runner import TriggerRunner

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers import GreenApiNotificationTrigger, producer
from tests.triggers.conftest import CONNECTION, HOLD, body, take_head

KEY = Notification(1, body("one")).key


class Triggerer:
    """Airflow's trigger runner, with the test as its supervisor."""

    def __init__(self) -> None:
        self.runner = TriggerRunner()
        self.stored: list[dict[str, Any]] = []

    def start(self, trigger_id: int, trigger: BaseEventTrigger) -> None:
        self.runner.triggers[trigger_id] = {"task": None, "is_watcher": True, "name": "watcher", "events": 0}  # type: ignore[typeddict-item]
        task = asyncio.create_task(self.runner.run_trigger(trigger_id, trigger))
        self.runner.triggers[trigger_id]["task"] = task

    def cancel(self, trigger_id: int) -> None:
        self.runner.triggers[trigger_id]["task"].cancel()

    async def events(self, count: int = 1, seconds: float = 5.0) -> list[Any]:
        """Take what the watchers fired out of Airflow's hands."""
        entries: list[Any] = []
        async with asyncio.timeout(seconds):
            while len(entries) < count:
                while self.runner.events:
                    entries.append(self.runner.events.popleft())
                await asyncio.sleep(0.01)
        return entries

    def confirm(self, *entries: Any) -> None:
        """Store events and say so, as the supervisor does."""
        self.stored += [entry.event.payload for entry in entries]
        self.runner._shared_streams.confirm_persisted([entry.persist_seq for entry in entries])

    async def confirm_of_another(self, beside: str) -> None:
        """Run a good watcher beside the first one, and store its event."""
        if beside != "alone":
            self.start(2, watcher())
            self.confirm(*await self.events())

    async def stop(self) -> None:
        tasks = [details["task"] for details in self.runner.triggers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.runner._shared_streams.stop_all()


@pytest.fixture
async def triggerer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Triggerer]:
    monkeypatch.setattr(producer, "OFFER_AGAIN_AFTER", 0.1)
    triggerer = Triggerer()
    yield triggerer
    await triggerer.stop()


class Raising(GreenApiNotificationTrigger):
    """A watcher whose filter fails on the first notification."""

    async def filter_shared_stream(self, shared_stream: Any) -> AsyncIterator[TriggerEvent]:
        async for _ in super().filter_shared_stream(shared_stream):
            raise RuntimeError("the filter fails")
        yield TriggerEvent(None)


def watcher() -> GreenApiNotificationTrigger:
    return GreenApiNotificationTrigger(CONNECTION, HOLD)


async def queue_is(gateway: GreenApiEmulator, count: int, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while len(gateway.queue()) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_notification_is_deleted_after_its_event_was_stored_and_not_before(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """An event that is on its way may still get lost; a stored one may not come again."""
    green_api_connection.push(body("one"), body("two"))
    triggerer.start(1, watcher())
    first = await triggerer.events()
    await asyncio.sleep(1.0)
    assert len(green_api_connection.queue()) == 2
    triggerer.confirm(*first)
    triggerer.confirm(*await triggerer.events())
    await queue_is(green_api_connection, 0)
    assert [Notification.from_dict(payload).text for payload in triggerer.stored] == ["one", "two"]
    assert [item["deletions"] for item in green_api_connection.audit()] == [1, 1]


async def test_event_that_is_never_confirmed_leaves_the_notification_in_the_queue(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """A triggerer that dies, or a database that is gone, loses nothing."""
    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    await triggerer.events()
    await triggerer.stop()
    assert len(green_api_connection.queue()) == 1


@pytest.mark.parametrize("beside", ["alone", "beside a good one"])
async def test_filter_that_raises_leaves_the_notification_in_the_queue(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator, beside: str
) -> None:
    """Airflow counts a watcher that raised as one that accepted; the queue must not."""
    green_api_connection.push(body("one"))
    triggerer.start(1, Raising(CONNECTION, HOLD))
    await triggerer.confirm_of_another(beside)
    await asyncio.sleep(1.0)
    assert triggerer.runner.triggers[1]["task"].done()
    assert len(green_api_connection.queue()) == 1


async def test_filter_that_raises_beside_a_good_one_has_it_offered_again(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """Every watcher has to have it: the good one sees it twice, with the same key."""

    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    triggerer.start(2, Raising(CONNECTION, HOLD))
    triggerer.confirm(*await triggerer.events())
    second = await triggerer.events()
    assert len(green_api_connection.queue()) == 1
    triggerer.confirm(*second)
    await queue_is(green_api_connection, 0)
    assert [payload["key"] for payload in triggerer.stored] == [KEY, KEY]


@pytest.mark.parametrize("beside", ["alone", "beside a good one"])
async def test_watcher_cancelled_between_its_yield_and_the_outbox_leaves_the_notification(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator, beside: str
) -> None:
    """Airflow logs an event before it takes it; a cancellation there drops the event, and only that."""

    class Cancelled(GreenApiNotificationTrigger):
        async def filter_shared_stream(self, shared_stream: Any) -> AsyncIterator[TriggerEvent]:
            async for event in super().filter_shared_stream(shared_stream):
                triggerer.cancel(1)
                yield event

    green_api_connection.push(body("one"))
    triggerer.start(1, Cancelled(CONNECTION, HOLD))
    await triggerer.confirm_of_another(beside)
    await asyncio.sleep(1.0)
    assert triggerer.runner.triggers[1]["task"].done()
    assert len(green_api_connection.queue()) == 1


@pytest.mark.parametrize("beside", ["alone", "beside a good one"])
async def test_watcher_removed_before_the_confirmation_leaves_the_notification(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator, beside: str
) -> None:
    """A Dag that is paused in the middle takes nothing with it."""
    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    if beside != "alone":
        triggerer.start(2, watcher())
    entries = await triggerer.events(1 if beside == "alone" else 2)
    triggerer.cancel(1)
    await asyncio.sleep(0.1)
    triggerer.confirm(*entries)
    await asyncio.sleep(1.0)
    assert len(green_api_connection.queue()) == 1


async def test_watcher_removed_along_with_the_confirmation_leaves_the_notification(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """Airflow confirms an event also when no asset was left to store it for, and ends the watcher then."""
    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    triggerer.start(2, watcher())
    entries = await triggerer.events(2)
    triggerer.confirm(*entries)
    await asyncio.sleep(0)
    triggerer.cancel(1)
    again = await triggerer.events()
    assert len(green_api_connection.queue()) == 1
    assert [entry.trigger_id for entry in again] == [2]
    triggerer.confirm(*again)
    await queue_is(green_api_connection, 0)


async def test_outage_between_event_and_deletion_doubles_no_event(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """What is stored is only deleted when the gateway is back, not offered again."""
    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    green_api_connection.fault("502", method="deleteNotification")
    green_api_connection.fault("cut_after", method="deleteNotification")
    triggerer.confirm(*await triggerer.events())
    await queue_is(green_api_connection, 0)
    await asyncio.sleep(0.5)
    assert not triggerer.runner.events
    assert [item["deletions"] for item in green_api_connection.audit()] == [1]


async def test_other_head_after_the_confirmation_is_not_deleted_for_it(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """Minutes may lie between event and deletion: keys are compared, receipt ids mean nothing."""
    green_api_connection.push(body("one"), body("two"))
    triggerer.start(1, watcher())
    entries = await triggerer.events()
    await take_head()
    green_api_connection.restart_receipts()
    triggerer.confirm(*entries)
    await asyncio.sleep(1.0)
    assert green_api_connection.queue() == [body("two")]


async def test_notification_too_large_for_an_event_stays_and_is_told_once(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It blocks the events and loses nothing; the log names the drain, which takes it."""
    caplog.set_level(logging.ERROR)
    green_api_connection.push(body("x" * 300_000))
    triggerer.start(1, watcher())
    await asyncio.sleep(0.5)
    texts = [record.getMessage() for record in caplog.records if "fits into no event" in record.getMessage()]
    assert len(texts) == 1
    assert "GreenApiDrainNotificationsOperator" in texts[0]
    green_api_connection.push(body("small"))
    await take_head()
    (entry,) = await triggerer.events()
    assert Notification.from_dict(entry.event.payload).text == "small"


async def test_outage_makes_no_event_and_the_watcher_goes_on(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """A gateway that is away makes no Dag run and needs no restart."""
    green_api_connection.push(body("one"))
    green_api_connection.fault("502")
    triggerer.start(1, watcher())
    await asyncio.sleep(0.5)
    assert not triggerer.runner.events
    assert len(await triggerer.events()) == 1


async def test_event_carries_no_thumbnail_and_the_key_of_the_whole(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """Events are read by Notification.from_dict, and stay small."""
    picture = {"typeMessage": "imageMessage", "fileMessageData": {"jpegThumbnail": "AAAA", "caption": "c"}}
    green_api_connection.push(body(messageData=picture))
    triggerer.start(1, watcher())
    (entry,) = await triggerer.events()
    notification = Notification.from_dict(entry.event.payload)
    assert notification.key == Notification(1, body(messageData=picture)).key
    assert notification.body["messageData"]["fileMessageData"] == {"caption": "c"}


def test_serialize_round_trip_gives_the_same_trigger() -> None:
    """A trigger is its class path and its arguments, and these hold no credentials."""
    path, arguments = watcher().serialize()
    assert path == "airflow_green_notify.triggers.notification.GreenApiNotificationTrigger"
    assert GreenApiNotificationTrigger(**arguments).serialize() == (path, arguments)
    assert arguments == {"green_api_conn_id": CONNECTION, "receive_timeout": HOLD}


def test_airflow_without_shared_streams_is_refused_with_the_doorbell_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below Airflow 3.3 nothing tells when an event is stored, so it would lose notifications."""
    monkeypatch.delattr(BaseEventTrigger, "create_shared_stream_producer")
    with pytest.raises(TypeError, match="GreenApiDoorbellTrigger"):
        watcher()
