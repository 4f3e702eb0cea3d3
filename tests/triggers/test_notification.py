"""Notifications in asset events: deleted after Airflow stored the event, and never on its mere appearance.

The triggers run in Airflow's own ``TriggerRunner``; the test plays its supervisor, which stores events and
confirms them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

pytest.importorskip("airflow.triggers.shared_stream", reason="shared streams came with Airflow 3.3")

from airflow.jobs.triggerer_job_runner import TriggerRunner

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore
from airflow_green_notify.triggers import (
    GreenApiNotificationTrigger,
    other_readers,
    producer,
    read_events,
    report_writer,
    watch,
    watcher_reports,
)
from airflow_green_notify.triggers.quiet import QuietEvents
from tests.triggers.conftest import CONNECTION, HOLD, body, take_head

KEY = Notification(1, body("one")).key
SETTLING_PAUSE = producer.SETTLING_PAUSE
QUIET = {"key": None, "receipt_id": None, "received_at": None, "body": None}
EXCHANGE = 1.2  # seconds from one exchange of a triggerer and its supervisor to the next


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

    async def events(self, count: int = 1, seconds: float = 15.0) -> list[Any]:
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
    monkeypatch.setattr(producer, "SETTLING_PAUSE", 0.05)
    triggerer = Triggerer()
    yield triggerer
    await triggerer.stop()


class Raising(GreenApiNotificationTrigger):
    """A watcher whose filter fails on the first notification."""

    async def filter_shared_stream(self, shared_stream: Any) -> AsyncIterator[TriggerEvent]:
        async for _ in super().filter_shared_stream(shared_stream):
            raise RuntimeError("the filter fails")
        yield TriggerEvent(None)


def watcher(**changes: Any) -> GreenApiNotificationTrigger:
    return GreenApiNotificationTrigger(
        **{"green_api_conn_id": CONNECTION, "receive_timeout": HOLD, **changes}
    )


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


async def queue_is(gateway: GreenApiEmulator, count: int, seconds: float = 10.0) -> None:
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
    await asyncio.wait([triggerer.runner.triggers[1]["task"]], timeout=10)
    assert triggerer.runner.triggers[1]["task"].done()
    await asyncio.sleep(3 * HOLD)
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
    await asyncio.wait([triggerer.runner.triggers[1]["task"]], timeout=10)
    assert triggerer.runner.triggers[1]["task"].done()
    await asyncio.sleep(3 * HOLD)
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


@pytest.mark.parametrize("later", [0, EXCHANGE])
async def test_watcher_removed_after_the_confirmation_leaves_the_notification(
    triggerer: Triggerer,
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    later: float,
) -> None:
    """Airflow confirms an event also when no asset was left to store it for, and ends the watcher then."""
    monkeypatch.setattr(producer, "SETTLING_PAUSE", SETTLING_PAUSE)
    green_api_connection.push(body("one"))
    triggerer.start(1, watcher())
    triggerer.start(2, watcher())
    entries = await triggerer.events(2)
    triggerer.confirm(*entries)
    await asyncio.sleep(later)
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


async def test_triggerer_that_wakes_after_another_has_taken_over_deletes_nothing_but_what_is_stored(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator
) -> None:
    """Both offered the same head: its event comes twice, and the next head is in an event before it goes."""
    green_api_connection.push(body("one"), body("two"))
    triggerer.start(1, watcher())
    frozen = await triggerer.events()
    successor = Triggerer()
    successor.start(1, watcher())
    successor.confirm(*await successor.events())
    await queue_is(green_api_connection, 1)
    await successor.stop()
    green_api_connection.restart_receipts()
    triggerer.confirm(*frozen)
    second = await triggerer.events()
    await asyncio.sleep(0.5)
    assert green_api_connection.queue() == [body("two")]
    triggerer.confirm(*second)
    await queue_is(green_api_connection, 0)
    assert successor.stored[0]["key"] == triggerer.stored[0]["key"] == KEY
    assert triggerer.stored[1]["key"] == Notification(1, body("two")).key


async def test_notification_too_large_for_an_event_stays_and_is_told_once(
    triggerer: Triggerer, green_api_connection: GreenApiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It blocks the events and loses nothing; the log names the drain, which takes it."""
    caplog.set_level(logging.ERROR)
    green_api_connection.push(body("x" * 300_000))
    triggerer.start(1, watcher())
    await asyncio.sleep(0.5)
    texts = told(caplog, "is too large for an event")
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
    assert arguments == {
        "green_api_conn_id": CONNECTION,
        "receive_timeout": HOLD,
        "ring_again_after": 60.0,
    }


def test_trigger_with_reports_comes_back_from_its_row_and_shares_its_look(tmp_path: Path) -> None:
    """The store is one text in the row, and is there only if reports are asked for."""
    _, arguments = watcher(report_to=ObjectStorageStore(tmp_path)).serialize()
    again = GreenApiNotificationTrigger(**json.loads(json.dumps(arguments)))
    assert again.report_to == ObjectStorageStore(tmp_path)
    assert again.shared_stream_key() == watcher().shared_stream_key()


async def test_trigger_reports_what_becomes_of_the_head(
    triggerer: Triggerer,
    green_api_connection: GreenApiEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An outage, an empty queue, and a notification on its way: one after the other, one report."""
    for module in (report_writer, producer, watcher_reports):
        monkeypatch.setattr(module, "MIN_INTERVAL", 0.1)
    monkeypatch.setattr(report_writer, "INTERVAL", 0.1)
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.3)
    store = ObjectStorageStore(tmp_path / "store")

    async def reported(words: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                for report in await asyncio.to_thread(store.reports):
                    if words in report.body["why"]:
                        return report.as_dict()
                await asyncio.sleep(0.05)

    green_api_connection.fault("502", times=None)
    triggerer.start(1, watcher(report_to=store))
    assert (await reported("Can't look"))["body"]["state"] == "failing"
    green_api_connection.clear_faults()
    report = await reported("nothing waits")
    assert (report["name"], report["body"]["state"]) == (f"notification trigger of '{CONNECTION}'", "looking")
    green_api_connection.push(body("one"))
    report = await reported("on its way into an event")
    assert report["body"]["rang_at"] is not None
    assert report["body"]["waiting_since"] is not None
    assert not any(word in json.dumps(report) for word in (KEY, "Ann", "1202"))
    triggerer.confirm(*await triggerer.events())
    await queue_is(green_api_connection, 0)
    assert len(store.reports()) == 1


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_ring_again_after_that_is_no_time_is_refused(seconds: float) -> None:
    """It would be a hot loop of Dag runs."""
    with pytest.raises(ValueError, match="ring_again_after"):
        watcher(ring_again_after=seconds)


def test_watchers_of_one_connection_share_a_stream_whatever_their_arguments() -> None:
    """Two looks in one triggerer would delete what the other's watchers have not taken."""
    key = watcher().shared_stream_key()
    assert watcher(receive_timeout=9, ring_again_after=9).shared_stream_key() == key
    assert watcher(green_api_conn_id="other").shared_stream_key() != key


def test_airflow_without_shared_streams_is_refused_with_the_doorbell_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below Airflow 3.3 nothing tells when an event is stored, so it would lose notifications."""
    monkeypatch.delattr(BaseEventTrigger, "create_shared_stream_producer")
    with pytest.raises(TypeError, match="GreenApiDoorbellTrigger"):
        watcher()


class TestQuietEvents:
    """Events without a notification, which have Airflow pick up those that it left lying."""

    async def test_quiet_events_follow_a_notification_each_after_twice_the_time(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator
    ) -> None:
        """However long Airflow creates no run, one of them comes a bounded time after it can again."""
        green_api_connection.push(body("one"))
        triggerer.start(1, watcher(ring_again_after=0.8))
        triggerer.confirm(*await triggerer.events())
        stored_at = asyncio.get_running_loop().time()
        after = []
        for _ in range(2):
            entries = await triggerer.events()
            after.append(asyncio.get_running_loop().time() - stored_at)
            triggerer.confirm(*entries)
        assert [entry["key"] for entry in triggerer.stored] == [KEY, None, None]
        assert triggerer.stored[1:] == [QUIET, QUIET]
        assert 0.5 <= after[0] <= 1.5 <= after[1] <= 3.5

    async def test_triggerer_that_starts_owes_a_quiet_event(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator
    ) -> None:
        """What was stored before a triggerer died may lie; nobody remembers it."""
        triggerer.start(1, watcher(ring_again_after=0.5))
        (entry,) = await triggerer.events()
        assert entry.event.payload == QUIET

    async def test_notifications_one_after_the_other_have_no_quiet_event_between_them(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator
    ) -> None:
        """Each picks up what the one before left lying."""
        triggerer.start(1, watcher(ring_again_after=1.5))
        for text in ("one", "two", "three"):
            green_api_connection.push(body(text))
            triggerer.confirm(*await triggerer.events())
            await queue_is(green_api_connection, 0)
        assert all(payload["key"] for payload in triggerer.stored)

    @pytest.mark.parametrize("fault", ["outage", "refusal", "notification too large for an event"])
    async def test_queue_that_cannot_go_on_delays_no_quiet_event(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator, fault: str
    ) -> None:
        """What lies in Airflow has nothing to do with the gateway's troubles."""
        if fault == "notification too large for an event":
            green_api_connection.push(body("x" * 300_000))
        else:
            green_api_connection.fault("status", status={"outage": 502, "refusal": 401}[fault], times=None)
        triggerer.start(1, watcher(ring_again_after=0.5))
        (entry,) = await triggerer.events(seconds=2.0)
        assert entry.event.payload == QUIET

    async def test_notification_after_quiet_events_is_deleted_as_ever(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator
    ) -> None:
        """A quiet event that nobody has confirmed yet holds nothing up."""
        triggerer.start(1, watcher(ring_again_after=0.3))
        await triggerer.events()
        green_api_connection.push(body("one"))
        entries: list[Any] = []
        while not any(entry.event.payload["key"] for entry in entries):
            entries += await triggerer.events()
        triggerer.confirm(*entries)
        await queue_is(green_api_connection, 0)

    async def test_stream_that_ends_in_the_middle_of_a_look_leaves_no_request_behind(
        self, triggerer: Triggerer, green_api_connection: GreenApiEmulator
    ) -> None:
        """The look that went on beside a quiet event ends with the last watcher."""
        triggerer.start(1, watcher(receive_timeout=5.0, ring_again_after=0.3))
        await triggerer.events()
        await triggerer.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def test_quiet_events_begin_again_with_each_notification(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The times are 1, 2, 4 … times ring_again_after, one after the other."""
        now = [0.0]
        monkeypatch.setattr("airflow_green_notify.stopwatch._clocks", lambda: (now[0], now[0]))

        def struck(until: int) -> list[float]:
            began, times = now[0], []
            while now[0] < began + until:
                now[0] += 1
                if quiet.strikes():
                    times.append(now[0] - began)
            return times

        quiet = QuietEvents(60)
        assert struck(1000) == [60, 180, 420, 900]
        quiet.begin_again()
        assert struck(100) == [60]


class TestOtherReaders:
    """Warnings of what else reads the queue: what it deletes first is in no event here."""

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_notification_that_something_else_deletes_is_told_of(
        self,
        triggerer: Triggerer,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
        when: str,
    ) -> None:
        """Whether its event was stored yet or not; once an hour, with a count, and never with the token."""
        green_api_connection.push(body("one"), body("two"), body("three"))
        triggerer.start(1, watcher())
        for _ in range(2):
            entries = await triggerer.events()
            if when == "after":
                triggerer.confirm(*entries)
            await take_head()
            if when == "before":
                triggerer.confirm(*entries)
        await triggerer.events()
        (text,) = told(caplog, "did not delete it")
        assert KEY in text
        assert repr(CONNECTION) in text
        assert green_api_connection.api_token not in caplog.text

    async def test_queue_that_something_else_empties_is_told_of(
        self,
        triggerer: Triggerer,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """No other notification need come for that."""
        green_api_connection.push(body("one"))
        triggerer.start(1, watcher())
        entries = await triggerer.events()
        await take_head()
        triggerer.confirm(*entries)
        async with asyncio.timeout(15):
            while not told(caplog, "did not delete it"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    @pytest.mark.parametrize("fault", ["none", "502", "cut_after"])
    async def test_own_deletion_is_not_told_of(
        self,
        triggerer: Triggerer,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
        fault: str,
    ) -> None:
        """Nor is one with a doubtful end."""
        green_api_connection.push(body("one"), body("two"))
        if fault != "none":
            green_api_connection.fault(fault, method="deleteNotification")
        triggerer.start(1, watcher())
        for _ in range(2):
            triggerer.confirm(*await triggerer.events())
        await queue_is(green_api_connection, 0)
        await asyncio.sleep(3 * HOLD)
        assert not told(caplog, "did not delete it")

    async def test_one_empty_answer_is_no_sign(self, caplog: pytest.LogCaptureFixture) -> None:
        """The gateway may say so while something waits."""
        others = other_readers.OtherReaders(CONNECTION)
        others.expect(KEY)
        for seen in (None, KEY, None, KEY):
            others.see(seen)
        assert not caplog.records

    async def test_second_watcher_in_the_triggerer_is_told_of_once(
        self,
        triggerer: Triggerer,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Airflow may part the two any time, and then each gets only what the other leaves."""
        green_api_connection.push(body("one"), body("two"), body("three"))
        triggerer.start(1, watcher())
        triggerer.start(2, watcher())
        for _ in range(3):
            triggerer.confirm(*await triggerer.events(2))
        await queue_is(green_api_connection, 0)
        assert len(told(caplog, "2 watchers share the queue of 'green_api_default'")) == 1

    async def test_watcher_that_is_replaced_is_not_told_of(
        self,
        triggerer: Triggerer,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """For a moment the new one and the old one are both there."""
        green_api_connection.push(body("one"), body("two"), body("three"))
        triggerer.start(1, watcher())
        triggerer.start(2, watcher())
        entries = await triggerer.events(2)
        triggerer.cancel(1)
        await asyncio.sleep(0.1)
        triggerer.confirm(*entries)
        for _ in range(3):
            triggerer.confirm(*await triggerer.events())
        await queue_is(green_api_connection, 0)
        assert not told(caplog, "watchers share")


class TestReadEvents:
    """What a Dag makes of its asset events."""

    @staticmethod
    def event(payload: Any) -> Any:
        return SimpleNamespace(extra={"from_trigger": True, "payload": payload})

    def test_events_are_read_each_notification_once_and_quiet_ones_passed_over(self) -> None:
        """An event that came twice, a quiet one and one that a person made are nothing to handle."""
        one, two = (Notification(1, body(text)).as_xcom() for text in ("one", "two"))
        by_hand = SimpleNamespace(extra={"from_rest_api": True})
        events = [self.event(one), self.event(QUIET), by_hand, self.event(two), self.event(one)]
        assert [notification.text for notification in read_events(events)] == ["one", "two"]

    def test_ring_of_a_doorbell_is_refused(self) -> None:
        """A Dag that reads the wrong asset learns it."""
        with pytest.raises(ValueError, match="Not a notification"):
            list(read_events([self.event({"instance_id": "1", "key": KEY, "type_webhook": None})]))
