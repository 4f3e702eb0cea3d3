"""Switches: their values, and changing them while the gateway runs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
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
