"""One doorbell for many instances: what it rings for, and what befalls one of them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from airflow_green_notify.emulator.pytest import SESSION_TOKEN
from airflow_green_notify.hooks import GreenApiHook, aiohttp_transport
from airflow_green_notify.triggers import GreenApiDoorbellTrigger, fleet, register, sighting, watch
from airflow_green_notify.triggers.fleet import FleetWatch
from tests.triggers.conftest import HOLD, body

NOW = 1_790_000_000
NOTHING: dict[str, Any] = {"connections": [], "instance_ids": [], "count": 0, "waiting_since": None}


@pytest.fixture(autouse=True)
def _short_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PACE", 0.1)


class Fleet:
    """Instances of one emulated gateway, each with a connection."""

    def __init__(self, gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway = gateway
        self._monkeypatch = monkeypatch
        self.instances: dict[str, GatewayInstance] = {}

    def add(self, *conn_ids: str, **switches: Any) -> list[str]:
        for conn_id in conn_ids:
            self.instances[conn_id] = self._gateway.add_instance(api_token=SESSION_TOKEN, **switches)
            self.connect(conn_id, self.instances[conn_id].connection)
        return [*conn_ids]

    def connect(self, conn_id: str, connection: str) -> None:
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)

    def __getitem__(self, conn_id: str) -> GatewayInstance:
        return self.instances[conn_id]

    def looks(self, conn_id: str) -> int:
        return sum(each["method"] == "receiveNotification" for each in self[conn_id].requests())


@pytest.fixture
def instances(green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(green_api_emulator, monkeypatch)


@pytest.fixture
def rings(rings: Any) -> Any:
    """Collect the events of a doorbell over these connections."""

    def start(green_api_conn_id: Any, **changes: Any) -> list[dict[str, Any]]:
        options = {"min_ring_interval": 0.2, "ring_again_after": 30.0, "receive_timeout": HOLD, **changes}
        return rings(GreenApiDoorbellTrigger(green_api_conn_id, **options))

    return start


async def until(condition: Any, seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def told(caplog: pytest.LogCaptureFixture, *words: str) -> list[logging.LogRecord]:
    return [each for each in caplog.records if all(word in each.getMessage() for word in words)]


async def take(conn_id: str) -> None:
    """Receive and delete the head, as another consumer does."""
    async with GreenApiHook(conn_id) as hook:
        head = await hook.areceive_notification(HOLD)
        if head is not None:
            await hook.adelete_notification(head.receipt_id)


# --- what it says ---


async def test_ring_names_who_has_something_the_longest_waiting_first(instances: Fleet, rings: Any) -> None:
    """Connections and instances in one order, how many, and since when the first of them waits."""
    conn_ids = instances.add("a", "b", "c", "d")
    instances["b"].push(body(timestamp=NOW + 5))
    instances["d"].push(body(timestamp=NOW), body(timestamp=NOW - 9))
    events = rings(conn_ids)
    await until(lambda: events and events[-1]["count"] == 2)
    assert events[-1] == {
        "connections": ["d", "b"],
        "instance_ids": [instances["d"].id_instance, instances["b"].id_instance],
        "count": 2,
        "waiting_since": "2026-09-21T14:13:20+00:00",
    }
    assert [len(instances[conn_id].queue()) for conn_id in conn_ids] == [0, 1, 0, 2]


async def test_ring_of_a_large_fleet_names_at_most_a_hundred(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is kept and logged by Airflow: it stays small, and the count is of all."""
    monkeypatch.setattr(fleet, "PACE", 3.0)
    conn_ids = instances.add(*(f"a{number}" for number in range(105)))
    for conn_id in conn_ids:
        instances[conn_id].push(body())
    events = rings(conn_ids)
    await until(lambda: events and events[-1]["count"] == 105)
    assert len(events[-1]["connections"]) == len(events[-1]["instance_ids"]) == 100


async def test_ring_says_nothing_of_what_a_notification_says(instances: Fleet, rings: Any) -> None:
    """Airflow logs events whole."""
    secret = "surely-not-in-an-event"
    conn_ids = instances.add("a")
    sender = {"chatId": secret, "sender": secret, "senderName": secret}
    instances["a"].push(body(secret, senderData=sender, typeWebhook=secret))
    events = rings(conn_ids)
    await until(lambda: events)
    assert secret not in json.dumps(events)
    assert SESSION_TOKEN not in json.dumps(events)


async def test_list_of_one_rings_as_a_list(instances: Fleet, rings: Any) -> None:
    """Whoever writes a list gets the event of a list."""
    instances.add("a")
    instances["a"].push(body())
    events = rings(["a"])
    await until(lambda: events)
    assert events[0]["connections"] == ["a"]


async def test_burst_that_is_over_rings_once_more_and_names_nobody(instances: Fleet, rings: Any) -> None:
    """What Airflow left lying of a burst is picked up, also if it came from several instances."""
    conn_ids = instances.add("a", "b")
    events = rings(conn_ids, min_ring_interval=0.1, ring_again_after=0.9)
    for number, conn_id in enumerate(conn_ids, start=1):
        instances[conn_id].push(body())
        await until(lambda number=number: len(events) >= number)
        await take(conn_id)
    await until(lambda: events[-1] == NOTHING)
    rung = len(events)
    await asyncio.sleep(1.5)
    assert len(events) == rung


# --- when it rings ---


async def test_idle_fleet_does_not_ring(instances: Fleet, rings: Any) -> None:
    """Nothing waits: long polls, and no event."""
    events = rings(instances.add("a", "b", "c"))
    await until(lambda: all(instances.looks(conn_id) >= 2 for conn_id in "abc"))
    assert events == []


async def test_fleet_with_one_that_is_always_busy_keeps_its_distance(instances: Fleet, rings: Any) -> None:
    """Rings come at most every min_ring_interval, whoever has news."""
    conn_ids = instances.add("a", "b", "c")
    began_at = time.monotonic()
    events = rings(conn_ids, min_ring_interval=0.5)
    for number in range(20):
        instances["a"].push(body(f"{number}"))
        await take("a")
        instances["bc"[number % 2]].push(body(f"{number}"))
    await until(lambda: len(events) >= 2)
    assert len(events) <= 1 + (time.monotonic() - began_at) / 0.5


async def test_idle_fleet_hears_of_a_push_at_once(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for the end of a long poll of another instance."""
    events = rings(instances.add("a", "b"), receive_timeout=60)
    await until(lambda: instances.looks("a") and instances.looks("b"))
    instances["b"].push(body())
    await until(lambda: events)


async def test_busy_fleet_wakes_its_bells_at_an_even_pace(
    instances: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many look how often, what they see is reported once a second at most."""
    monkeypatch.setattr(fleet, "PACE", 0.4)
    conn_ids = instances.add("a", "b", "c")
    for conn_id in conn_ids:
        instances[conn_id].push(body())
    watching = FleetWatch(conn_ids, receive_timeout=HOLD, counting=False)
    began_at, reports = time.monotonic(), 0
    async for _ in watching.looks():
        reports += 1
        if instances.looks("c") >= 15:
            break
    await watching.close()
    assert 2 <= reports <= 1 + (time.monotonic() - began_at) / 0.4


async def test_head_that_stays_rings_again(instances: Fleet, rings: Any) -> None:
    """A ring that got lost is repeated while one still waits."""
    conn_ids = instances.add("a", "b")
    instances["b"].push(body())
    events = rings(conn_ids, ring_again_after=0.4)
    await until(lambda: len(events) >= 3)
    assert {tuple(event["connections"]) for event in events} == {("b",)}


class TestMinWaiting:
    """A fleet, or a single connection, that rings for several notifications."""

    async def test_few_are_not_rung_for_until_others_come_elsewhere(
        self, instances: Fleet, rings: Any
    ) -> None:
        """What waits in all queues counts together."""
        conn_ids = instances.add("a", "b")
        young = {"timestamp": int(time.time())}
        events = rings(conn_ids, min_waiting=4, max_wait=600)
        instances["a"].push(body("1", **young), body("2", **young))
        await until(lambda: instances.looks("a") >= 5)
        assert events == []
        instances["b"].push(body("1", **young), body("2", **young))
        await until(lambda: events)
        assert events[0]["count"] == 2

    async def test_single_connection_waits_for_several_too(self, instances: Fleet, rings: Any) -> None:
        """Its event stays that of a single one."""
        instances.add("a")
        young = {"timestamp": int(time.time())}
        events = rings("a", min_waiting=3, max_wait=600)
        instances["a"].push(body("1", **young), body("2", **young))
        await until(lambda: instances.looks("a") >= 5)
        assert events == []
        instances["a"].push(body("3", **young))
        await until(lambda: events)
        assert events[0].keys() == {"instance_id", "key", "type_webhook", "waiting_since"}

    @pytest.mark.parametrize("conn_ids", ["a", ["a"]])
    async def test_old_notification_is_rung_for_at_once(
        self, instances: Fleet, rings: Any, conn_ids: Any
    ) -> None:
        """It waited before the watch began, as the gateway's clock says."""
        instances.add("a")
        instances["a"].push(body(timestamp=int(time.time()) - 700))
        events = rings(conn_ids, min_waiting=100, max_wait=600)
        await until(lambda: events)

    async def test_head_that_was_watched_for_long_is_rung_for(self, instances: Fleet, rings: Any) -> None:
        """Also if its time is one that is still to come."""
        instances.add("a")
        events = rings(["a"], min_waiting=100, max_wait=1.0)
        instances["a"].push(body(timestamp=int(time.time()) + 7 * 24 * 3600))
        await until(lambda: events)

    async def test_count_that_fails_or_is_wrongly_zero_counts_as_one(
        self, instances: Fleet, rings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A head is proof of one; the log tells once that the rest is unknown."""
        conn_ids = [*instances.add("a", count_wrong_zero=True), *instances.add("b")]
        instances["b"].fault("500", method="getWebhooksCount", times=None)
        young = {"timestamp": int(time.time())}
        events = rings(conn_ids, min_waiting=3, max_wait=600)
        for conn_id in conn_ids:
            instances[conn_id].push(body("1", **young), body("2", **young))
        await until(lambda: all(instances.looks(conn_id) >= 5 for conn_id in conn_ids))
        assert events == []
        assert len(told(caplog, "'b' can't be counted")) == 1
        instances["b"].clear_faults()
        await until(lambda: events)

    async def test_count_that_hangs_holds_up_no_ring_for_long(
        self, instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It counts as one after a while."""
        monkeypatch.setattr(sighting, "COUNT_TIMEOUT", 0.2)
        conn_ids = instances.add("a", "b")
        instances["a"].fault("slow", method="getWebhooksCount", times=None, seconds=60.0)
        young = {"timestamp": int(time.time())}
        instances["a"].push(body("1", **young))
        instances["b"].push(body("1", **young))
        events = rings(conn_ids, min_waiting=2, max_wait=600)
        await until(lambda: events)

    async def test_queue_without_a_head_is_not_counted_and_a_head_once_a_look(
        self, instances: Fleet, rings: Any
    ) -> None:
        """The gateway allows one count a second, and looks are the better proof."""
        conn_ids = instances.add("a", "b", "c")
        instances["a"].push(body(timestamp=int(time.time())))
        rings(conn_ids, min_waiting=9, max_wait=600)
        rings("c")
        await until(lambda: instances.looks("a") >= 4 and instances.looks("b") >= 2)
        counts = {
            conn_id: sum(each["method"] == "getWebhooksCount" for each in instances[conn_id].requests())
            for conn_id in conn_ids
        }
        assert (counts["b"], counts["c"]) == (0, 0)
        assert 1 <= counts["a"] <= instances.looks("a")


# --- what befalls one of them ---


async def test_instances_that_are_refused_stop_no_other(
    instances: Fleet, rings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """3 of 20 refuse: the log names each once, they are asked once a minute, and the others ring."""
    conn_ids = instances.add(*(f"a{number}" for number in range(20)))
    refused = conn_ids[::7]
    for conn_id in refused:
        instances[conn_id].push(body())
        instances[conn_id].fault("status", status=401, times=None, body=SESSION_TOKEN)
    events = rings(conn_ids)
    instances["a5"].push(body())
    await until(lambda: events and all(told(caplog, "Can't look", f"'{each}'") for each in refused))
    await asyncio.sleep(0.5)
    assert {tuple(event["connections"]) for event in events} == {("a5",)}
    assert [instances.looks(conn_id) for conn_id in refused] == [1, 1, 1]
    assert len(told(caplog, "Can't look")) == 3
    assert SESSION_TOKEN not in caplog.text


async def test_instance_whose_gateway_hangs_stops_no_other(instances: Fleet, rings: Any) -> None:
    """Its look never ends; the rings of the others don't wait for it."""
    conn_ids = instances.add("a", "b")
    instances["a"].fault("slow", times=None, seconds=600.0)
    events = rings(conn_ids)
    await until(lambda: instances.looks("b") >= 2)
    instances["b"].push(body())
    await until(lambda: events)
    assert events[0]["connections"] == ["b"]


async def test_instance_that_begins_to_refuse_rings_no_more_for_what_it_showed(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is never an event: nobody is called to a queue that can't be read."""
    conn_ids = instances.add("a", "b")
    instances["a"].push(body())
    events = rings(conn_ids, ring_again_after=0.3)
    await until(lambda: len(events) >= 2)
    instances["a"].fault("status", status=401, times=None)
    await asyncio.sleep(0.5)
    rung = len(events)
    await asyncio.sleep(1.0)
    assert len(events) == rung


async def test_fleet_that_is_away_makes_no_event(
    instances: Fleet, rings: Any, green_api_emulator: GreenApiEmulator
) -> None:
    """Nobody knows whether a burst is over while no queue can be looked at."""
    conn_ids = instances.add("a", "b")
    events = rings(conn_ids, ring_again_after=1.0)
    for text in ("one", "two"):
        before = len(events)
        instances["a"].push(body(text))
        await until(lambda before=before: len(events) > before)
        await take("a")
    green_api_emulator.stop()
    rung = len(events)
    await asyncio.sleep(2.0)
    assert len(events) == rung
    green_api_emulator.start()
    await until(lambda: events[-1] == NOTHING)


async def test_connection_that_is_added_later_is_watched_then(
    instances: Fleet, rings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing or incomplete connection is named, stops no other, and is looked up again."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.3)
    instances.add("a")
    instances.connect("incomplete", json.dumps({"conn_type": "greenapi", "login": "1101000001"}))
    events = rings(["missing", "incomplete", "a"])
    instances["a"].push(body())
    await until(lambda: events)
    await until(
        lambda: told(caplog, "Can't look", "'missing'") and told(caplog, "Can't look", "'incomplete'")
    )
    instances.add("missing")
    instances["missing"].push(body())
    await until(lambda: events[-1]["count"] == 2)


# --- one instance, two connections ---


async def test_second_connection_of_an_instance_is_named_and_not_watched(
    instances: Fleet, rings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names both; the first one and the others are watched."""
    instances.add("a", "c")
    instances.connect("b", instances["a"].connection)
    events = rings(["a", "b", "c"])
    instances["a"].push(body())
    instances["c"].push(body())
    await until(lambda: events and events[-1]["count"] == 2)
    assert set(events[-1]["connections"]) == {"a", "c"}
    (record,) = told(caplog, "'b' leads to the same instance as 'a'", instances["a"].id_instance)
    assert record.levelno == logging.ERROR


async def test_lasting_fault_is_told_again_after_an_hour(
    instances: Fleet, rings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads today's log learns of it, and of how many are well in one line."""
    caplog.set_level(logging.INFO, fleet.__name__)
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.2)
    instances.add("a")
    instances.connect("b", instances["a"].connection)
    rings(["a", "b"])
    await until(lambda: instances.looks("a") >= 5)
    assert len(told(caplog, "'b' leads to the same instance as 'a'")) == 1
    assert not told(caplog, "Watching")
    monkeypatch.setattr(fleet, "HEARTBEAT", 0.1)
    await until(lambda: len(told(caplog, "'b' leads to the same instance as 'a'")) >= 3)
    await until(lambda: told(caplog, "Watching 2 queues: 1 can't be looked at ('b')."))


async def test_second_connection_is_watched_once_it_leads_elsewhere(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever corrects it need not restart anything."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.2)
    instances.add("a")
    instances.connect("b", instances["a"].connection)
    events = rings(["a", "b"])
    await until(lambda: instances.looks("a") >= 3)
    instances.add("b")
    instances["b"].push(body())
    await until(lambda: events)
    assert events[0]["instance_ids"] == [instances["b"].id_instance]


async def test_instance_is_handed_over_when_its_first_connection_leads_elsewhere(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was given up is free for the other connection."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.2)
    instances.add("a")
    first = instances["a"]
    instances.connect("b", first.connection)
    events = rings(["a", "b"])
    await until(lambda: instances.looks("a") >= 3)
    instances.add("a")
    first.fault("status", status=401, times=1)
    await until(lambda: instances.looks("a"))
    first.push(body())
    await until(lambda: events)
    assert (events[0]["connections"], events[0]["instance_ids"]) == (["b"], [first.id_instance])


# --- look-ups ---


class SlowBackend:
    """In the place of Airflow's look-up: slow, or without an answer for some connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hanging: str = "", seconds: float = 0.05) -> None:
        self.running = self.most = self.asked = 0
        self._look_up = GreenApiHook.aget_connection
        self._hanging = hanging
        self._seconds = seconds
        monkeypatch.setattr(GreenApiHook, "aget_connection", self)

    async def __call__(self, conn_id: str) -> Any:
        self.asked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(600 if self._hanging and conn_id.startswith(self._hanging) else self._seconds)
            return await self._look_up(conn_id)
        finally:
            self.running -= 1


async def test_look_ups_come_a_few_at_a_time(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet that starts floods neither Airflow's supervisor nor a secrets backend."""
    backend = SlowBackend(monkeypatch, seconds=0.3)
    conn_ids = instances.add(*(f"a{number}" for number in range(30)))
    rings(conn_ids)
    await until(lambda: all(instances.looks(conn_id) for conn_id in conn_ids))
    assert backend.asked == 30
    assert 2 <= backend.most <= register.LOOK_UPS_AT_ONCE


async def test_look_ups_that_hang_make_room_for_others(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A secrets backend that doesn't answer for some connections holds up the others for a while only."""
    monkeypatch.setattr(register, "LOOK_UP_TIMEOUT", 0.3)
    SlowBackend(monkeypatch, hanging="hung", seconds=0.0)
    conn_ids = instances.add(*(f"hung{number}" for number in range(12)), "z")
    instances["z"].push(body())
    events = rings(conn_ids)
    await until(lambda: events)
    assert told(caplog, "'hung0' could not be looked up within 0.3 s")


async def test_look_ups_that_hang_hold_up_nobody_who_was_looked_up(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look needs no look-up once the connection is known."""
    SlowBackend(monkeypatch, hanging="hung", seconds=0.0)
    rings(instances.add("a", *(f"hung{number}" for number in range(register.LOOK_UPS_AT_ONCE))))
    await until(lambda: instances.looks("a") >= 5)


async def test_cancel_during_look_ups_leaves_nothing_behind(
    instances: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A triggerer that stops at once leaves no task and no session of this event loop."""
    backend = SlowBackend(monkeypatch, hanging="b")
    conn_ids = instances.add("a", *(f"b{number}" for number in range(15)))
    before = asyncio.all_tasks()
    trigger = GreenApiDoorbellTrigger(conn_ids, receive_timeout=HOLD)
    running = asyncio.create_task(anext(trigger.run()))
    await until(lambda: instances.looks("a") and backend.running > 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await trigger.cleanup()
    assert asyncio.all_tasks() == before
    assert asyncio.get_running_loop() not in aiohttp_transport._sessions


async def test_close_that_is_cancelled_itself_closes_all_the_same(instances: Fleet) -> None:
    """Whoever loses patience with the cleanup leaks nothing."""
    watching = FleetWatch(instances.add("a", "b"), receive_timeout=HOLD, counting=False)
    before = asyncio.all_tasks()
    running = asyncio.create_task(anext(watching.looks()))
    await until(lambda: instances.looks("a") and instances.looks("b"))
    running.cancel()
    closing = asyncio.create_task(watching.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, running, return_exceptions=True)
    await until(lambda: asyncio.all_tasks() == before)
    assert asyncio.get_running_loop() not in aiohttp_transport._sessions


async def test_watch_that_ends_by_itself_ends_the_trigger(instances: Fleet) -> None:
    """Airflow starts a trigger that raised again; an instance that is silently given up would stay so."""
    watching = FleetWatch(instances.add("a", "b"), receive_timeout=HOLD, counting=False)
    running = asyncio.create_task(anext(watching.looks()))
    await until(lambda: instances.looks("b"))
    next(iter(watching._tasks)).cancel()
    with pytest.raises(RuntimeError, match="ended by itself"):
        await running
    await watching.close()


def test_long_polls_of_a_fleet_differ_and_stay_within_what_is_allowed() -> None:
    """Polls that began together don't end together for ever; none is longer than asked for, or below 5 s."""
    for asked, shortest in ((20.0, 18.0), (6.0, 5.0), (5.0, 5.0), (0.3, 0.3)):
        watching = FleetWatch(["a"], receive_timeout=asked, counting=False)
        holds = {watching._members["a"]._hold() for _ in range(200)}
        assert (min(holds), max(holds)) == (shortest, asked)


async def test_long_polls_of_a_fleet_are_as_long_as_drawn(
    instances: Fleet, rings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn is what the gateway is asked for: here next to nothing, of 30 s."""
    monkeypatch.setattr(fleet, "SHORTEST_HOLD", 0.05)
    monkeypatch.setattr(fleet, "HOLDS", 100_000)
    rings(instances.add("a"), receive_timeout=30)
    await until(lambda: instances.looks("a") >= 4)


# --- as Airflow keeps and runs it ---


def test_list_is_kept_as_a_list_and_gives_the_same_trigger() -> None:
    """Airflow keeps the arguments as JSON, and starts the trigger with them again."""
    trigger = GreenApiDoorbellTrigger(("b", "a"), min_waiting=5, max_wait=30)
    path, arguments = trigger.serialize()
    assert arguments["green_api_conn_id"] == ["b", "a"]
    assert (arguments["min_waiting"], arguments["max_wait"]) == (5, 30.0)
    again = GreenApiDoorbellTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    changed = GreenApiDoorbellTrigger(["b"]).serialize()
    assert type(trigger).hash(path, arguments) != type(trigger).hash(*changed)
    assert type(trigger).hash(path, arguments) == type(trigger).hash(*again.serialize())


def test_row_of_an_earlier_version_gives_the_same_trigger() -> None:
    """What waits in the database during an upgrade goes on."""
    row = {
        "green_api_conn_id": "a",
        "min_ring_interval": 2.0,
        "ring_again_after": 60.0,
        "receive_timeout": 20.0,
    }
    assert GreenApiDoorbellTrigger(**row).serialize() == GreenApiDoorbellTrigger("a").serialize()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"green_api_conn_id": []}, "at least one"),
        ({"green_api_conn_id": ["a", "b", "a"]}, "'a' is there twice"),
        ({"green_api_conn_id": ["a", ""]}, r"green_api_conn_id\[1\] is ''"),
        ({"min_waiting": 0}, "min_waiting is 0"),
        ({"max_wait": 0}, "max_wait is 0"),
    ],
)
def test_wrong_list_is_refused_at_once(wrong: dict[str, Any], text: str) -> None:
    """A TypeError is the one error in a constructor that a triggerer survives."""
    with pytest.raises(TypeError, match=text):
        GreenApiDoorbellTrigger(**wrong)


def test_doorbells_of_the_same_list_share_a_stream() -> None:
    """Whatever their pace and the order of the list; one that counts needs other looks."""
    key = GreenApiDoorbellTrigger(["a", "b"]).shared_stream_key()
    assert hash(key) == hash(GreenApiDoorbellTrigger(["b", "a"], min_ring_interval=9).shared_stream_key())
    assert key == GreenApiDoorbellTrigger(["b", "a"], max_wait=9).shared_stream_key()
    for other in (["a"], "a", ["a", "b", "c"]):
        assert key != GreenApiDoorbellTrigger(other).shared_stream_key()
    counting = [GreenApiDoorbellTrigger(["a", "b"], min_waiting=number) for number in (2, 9)]
    assert counting[0].shared_stream_key() == counting[1].shared_stream_key() != key


async def test_two_doorbells_of_a_list_in_one_triggerer_make_one_look(instances: Fleet) -> None:
    """With Airflow's shared streams, two watchers ring from the same requests, and leave nothing behind."""
    shared_stream = pytest.importorskip("airflow.triggers.shared_stream")
    manager = shared_stream.SharedStreamManager()
    conn_ids = instances.add("a", "b")
    triggers = {number: GreenApiDoorbellTrigger(conn_ids, receive_timeout=9) for number in (1, 2)}
    events: list[Any] = []

    async def watching(number: int) -> None:
        key = triggers[number].shared_stream_key()
        stream = manager.subscribe(trigger_id=number, trigger=triggers[number], key=key)
        async for event in triggers[number].filter_shared_stream(stream):
            events.append(event.payload)

    tasks = [asyncio.create_task(watching(number)) for number in triggers]
    await until(lambda: instances.looks("a") and instances.looks("b"))
    instances["b"].push(body())
    await until(lambda: len(events) == 2)
    assert [event["connections"] for event in events] == [["b"], ["b"]]
    assert instances.looks("a") == 1
    for number, task in enumerate(tasks, start=1):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await manager.unsubscribe(number, triggers[number].shared_stream_key())
    assert asyncio.get_running_loop() not in aiohttp_transport._sessions
