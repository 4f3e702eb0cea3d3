"""How the head of a queue is received by all that read it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook, queue_head
from airflow_green_notify.hooks.queue_head import QueueHead


def switched_off(gateway: GreenApiEmulator) -> dict[str, Any]:
    """The switches of an instance, all of them off."""
    return {name: "no" for name, value in gateway.settings().items() if value in ("yes", "no")}


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator) -> GreenApiEmulator:
    return green_api_connection


def settings_asked_for(gateway: GreenApiEmulator) -> int:
    return sum(request["method"] == "getSettings" for request in gateway.requests())


async def test_empty_answers_count_in_a_row(gateway: GreenApiEmulator) -> None:
    """Each one is no proof; a notification between two of them starts the count anew."""
    async with GreenApiHook() as hook:
        queue = QueueHead(hook)
        await queue.receive(0.05)
        assert queue.empty_answers == 1
        gateway.push(*traffic(seed=1, n=1))
        head = await queue.receive(0.05)
        assert head is not None
        assert queue.empty_answers == 0
        await hook.adelete_notification(head.receipt_id)
        await queue.receive(0.05)
        await queue.receive(0.05)
        assert queue.empty_answers == 2


async def test_empty_answer_that_was_held_open_has_no_fault(gateway: GreenApiEmulator) -> None:
    """An idle queue is normal, and its settings are none of its readers' business."""
    async with GreenApiHook() as hook:
        queue = QueueHead(hook)
        assert await queue.receive(0.05) is None
        assert await queue.fault() is None
    assert settings_asked_for(gateway) == 0


async def test_empty_answers_at_once_take_a_second_and_are_explained_once(gateway: GreenApiEmulator) -> None:
    """A gateway that holds nothing open is asked once a second, and once for the reason."""
    off: dict[str, Any] = switched_off(gateway)
    gateway.settings(**off)
    async with GreenApiHook() as hook:
        queue = QueueHead(hook)
        began = time.monotonic()
        await queue.receive(5)
        first = await queue.fault()
        await queue.receive(5)
        assert time.monotonic() - began >= 2.0
        assert first is not None
        assert "every notification type is switched off" in first
        assert await queue.fault() is None
    assert settings_asked_for(gateway) == 1


async def test_settings_that_are_out_of_reach_are_asked_for_again_in_a_while(
    gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails explains nothing, and is not repeated with each empty answer."""
    gateway.settings(**switched_off(gateway))
    gateway.fault("502", method="getSettings", times=1)
    async with GreenApiHook(max_attempts=1) as hook:
        queue = QueueHead(hook)
        await queue.receive(5)
        assert await queue.fault() is None
        assert await queue.fault() is None
        assert settings_asked_for(gateway) == 1
        monkeypatch.setattr(queue_head, "LOOK_AGAIN_AFTER", 0.0)
        queue = QueueHead(hook)
        gateway.fault("502", method="getSettings", times=1)
        await queue.receive(5)
        assert await queue.fault() is None
        assert await queue.fault() is not None


async def test_refusal_to_show_the_settings_is_the_fault(gateway: GreenApiEmulator) -> None:
    """What no waiting fixes is told, though the queue itself says nothing of it."""
    gateway.settings(**switched_off(gateway))
    gateway.fault("status", status=401, body="", method="getSettings", times=1)
    async with GreenApiHook() as hook:
        queue = QueueHead(hook)
        await queue.receive(5)
        fault = await queue.fault()
        assert fault is not None
        assert "compare the connection's password with the apiTokenInstance" in fault
