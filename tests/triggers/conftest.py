"""Short waits, so that what takes seconds in life takes tenths here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook, aiohttp_transport
from airflow_green_notify.triggers import GreenApiDoorbellTrigger, watch
from airflow_green_notify.triggers.watch import QueueWatch

CONNECTION = "green_api_default"
HOLD = 0.3


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HEAD_PAUSE", 0.05)


@pytest.fixture
async def queue_watch(green_api_connection: GreenApiEmulator) -> AsyncIterator[QueueWatch]:
    """A patient watch of the emulated queue."""
    watching = QueueWatch(CONNECTION, receive_timeout=HOLD)
    yield watching
    await watching.close()


@pytest.fixture
async def rings() -> AsyncIterator[Callable[[GreenApiDoorbellTrigger], list[dict[str, Any]]]]:
    """Collect the events of a doorbell that runs in the background, and let none of its sessions leak."""
    running: list[tuple[asyncio.Task[None], GreenApiDoorbellTrigger]] = []

    def start(trigger: GreenApiDoorbellTrigger) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []

        async def collect() -> None:
            async for event in trigger.run():
                events.append(event.payload)

        running.append((asyncio.create_task(collect()), trigger))
        return events

    yield start
    for task, trigger in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await trigger.cleanup()
    assert asyncio.get_running_loop() not in aiohttp_transport._sessions


async def take_head() -> None:
    """Receive and delete the head, as another consumer does."""
    async with GreenApiHook(CONNECTION) as hook:
        head = await hook.areceive_notification(HOLD)
        if head is not None:
            await hook.adelete_notification(head.receipt_id)


def body(text: str = "hello", **changes: object) -> dict[str, object]:
    """An incoming text message."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001, "wid": "79990000000@c.us", "typeInstance": "whatsapp"},
        "timestamp": 1_790_000_000,
        "idMessage": f"ID-{text}",
        "senderData": {"chatId": "12025550101@c.us", "sender": "12025550101@c.us", "senderName": "Ann"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
        **changes,
    }
