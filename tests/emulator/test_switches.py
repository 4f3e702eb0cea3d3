"""Switches: their values, and changing them while the gateway runs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, Switches
from airflow_green_notify.emulator.switches import CHOICES


@pytest.mark.parametrize("name", CHOICES)
def test_switch_with_an_unknown_choice_is_refused(name: str) -> None:
    """A misspelt choice is an error where it is made, not a silent default."""
    with pytest.raises(ValueError, match=name):
        GreenApiEmulator(**{name: "nonsense"})


def test_unknown_switch_is_refused() -> None:
    """A misspelt switch is an error."""
    with pytest.raises(TypeError, match="idel"):
        GreenApiEmulator(idel="null")


def test_every_switch_is_described() -> None:
    """The docstring has a line for each switch."""
    for switch in fields(Switches):
        assert f":param {switch.name}:" in str(Switches.__doc__)


def test_switch_changes_the_running_gateway(client: Any) -> None:
    """The next request already meets the new behaviour; all switches are returned."""
    changed = client.gateway.switch(idle="empty", missing_receipt="500")
    assert changed == asdict(Switches(idle="empty", missing_receipt="500", rate_limits=False))
    assert client.get("receiveNotification", receiveTimeout=0).content == b""
    assert client.delete(1).status_code == 500


@pytest.mark.parametrize("changes", [{"idle": "empty", "redelivery": "x"}, {"idle": "empty", "nope": 1}])
def test_switch_with_one_wrong_change_makes_none(client: Any, changes: dict[str, Any]) -> None:
    """A wrong change leaves all switches as they were."""
    before = client.gateway.switch()
    with pytest.raises((ValueError, TypeError)):
        client.gateway.switch(**changes)
    assert client.gateway.switch() == before


def test_switches_are_per_instance(client: Any) -> None:
    """What one instance is switched to doesn't change another."""
    other = client.gateway.add_instance(idle="empty")
    assert client.get("receiveNotification", receiveTimeout=0).content == b"null"
    client.instance = other
    assert client.get("receiveNotification", receiveTimeout=0).content == b""


def test_round_trip_delays_before_and_after_the_effect(emulate: Any) -> None:
    """The effect lies in the middle of an exchange: not at once, and before the answer."""
    client = emulate(round_trip=0)
    client.gateway.push({"n": 1})
    receipt_id = client.receive()["receiptId"]
    client.gateway.switch(round_trip=0.6)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.delete, receipt_id)
        while client.gateway.requests()[-1]["method"] != "deleteNotification":
            time.sleep(0.01)
        assert client.gateway.queue()
        while client.gateway.queue():
            time.sleep(0.01)
        assert client.gateway.requests()[-1]["status"] is None
        assert answer.result(timeout=20).json()["result"] is True
    record, (item,) = client.gateway.requests()[-1], client.gateway.audit()
    assert item["deleted_at"] - record["at"] >= 0.29


def test_receipt_counter_restarts_when_the_queue_runs_empty(emulate: Any) -> None:
    """The first notification after an empty queue has the number of the first one ever."""
    client = emulate(receipt_counter="restarts_when_empty")
    for _ in range(2):
        client.gateway.push({"n": 1}, {"n": 2})
        for number in (1, 2):
            assert client.receive()["receiptId"] == number
            client.delete(number)


def test_receipt_counter_goes_on_by_default(emulate: Any) -> None:
    """Nothing but a restart of the gateway makes it begin again."""
    client = emulate()
    for number in (1, 2):
        client.gateway.push({"n": number})
        assert client.receive()["receiptId"] == number
        client.delete(number)


def test_other_consumer_that_peeks_was_handed_each_head_before(emulate: Any) -> None:
    """Where each look has a number of its own, the first that a client sees is the second of its head."""
    client = emulate(other_consumer_peeks=True, receipt_id="new")
    client.gateway.push({"n": 1}, {"n": 2})
    assert client.receive()["receiptId"] == 2
    client.delete(2)
    assert client.receive()["receiptId"] == 4
    assert [entry["deliveries"] for entry in client.gateway.audit()] == [2, 2]


def test_clock_offset_is_in_the_date_header_and_in_what_the_gateway_writes(emulate: Any) -> None:
    """The gateway's clock may be minutes off; what it keeps for 24 hours it keeps all the same."""
    client = emulate(clock_offset=-600.0)
    assert seconds_behind(client.get("getStateInstance").headers["Date"]) == pytest.approx(600, abs=3)
    client.gateway.media_message("a.png", 10)
    told = client.receive()["body"]["timestamp"]
    assert time.time() - told == pytest.approx(600, abs=3)
    client.gateway.switch(clock_offset=2 * 86_400.0)
    client.gateway.push({"n": 1})
    assert len(client.gateway.queue()) == 2
    assert seconds_behind(client.get("getStateInstance").headers["Date"]) == pytest.approx(-2 * 86_400, abs=3)


def seconds_behind(date: str) -> float:
    return time.time() - parsedate_to_datetime(date).timestamp()
