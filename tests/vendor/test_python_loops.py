"""The loops of the vendor's own clients for Python drain the emulator: clients that we didn't write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from tests.vendor.python_clients import PACKAGES, chatbot, client_of, world_of

pytestmark = pytest.mark.vendor

EXAMPLES = [envelope["body"] for envelope in example_notifications()]


@pytest.mark.parametrize("product", PACKAGES)
def test_polling_loop_of_a_client_gets_each_notification_once_and_in_order(
    gateway: GreenApiEmulator, product: str
) -> None:
    """The loop that its documentation shows drains the queue: every example, deleted once."""
    world = world_of(gateway, product)
    world.instance.push(*EXAMPLES)
    client, seen = client_of(world), []

    def on_event(type_webhook: str, body: dict[str, Any]) -> None:
        seen.append(body)
        if len(seen) == len(EXAMPLES):
            client.webhooks.stopReceivingNotifications()

    client.webhooks.startReceivingNotifications(on_event)
    assert seen == EXAMPLES
    assert world.instance.queue() == []
    assert all((item["deliveries"], item["deletions"]) == (1, 1) for item in world.instance.audit())


@pytest.mark.parametrize("product", ["whatsapp", "telegram"])
def test_asynchronous_delete_of_a_client_leaves_the_queue_as_it_was(
    gateway: GreenApiEmulator, product: str
) -> None:
    """It sends no receipt id in the path, so the gateway deletes nothing."""
    world = world_of(gateway, product)
    world.instance.push(*EXAMPLES[:2])
    receiving = client_of(world).receiving
    receipt_id = receiving.receiveNotification().data["receiptId"]
    assert asyncio.run(receiving.deleteNotificationAsync(receipt_id)).code == 500
    assert world.instance.queue() == EXAMPLES[:2]


@pytest.mark.parametrize("idle", ["null", "empty"])
def test_client_takes_either_empty_answer_without_an_error(gateway: GreenApiEmulator, idle: str) -> None:
    """Zero bytes become the text ``[]`` in it, ``null`` becomes ``None``; both are code 200."""
    world = world_of(gateway, "whatsapp")
    world.instance.switch(idle=idle)
    response = client_of(world).receiving.receiveNotification()
    assert (response.code, response.data) == (200, None if idle == "null" else "[]")


def test_chatbot_discards_what_waits_and_then_answers_what_comes(gateway: GreenApiEmulator) -> None:
    """The base of the vendor's chatbot drains at its start, and routes what comes afterwards."""
    world = world_of(gateway, "whatsapp")
    instance = world.instance
    instance.push(*EXAMPLES)
    bot = chatbot.GreenAPIBot(
        instance.id_instance, instance.api_token, host=gateway.url, media=gateway.url, raise_errors=True
    )
    assert instance.queue() == []

    @bot.router.message(text_message="Order 4182: where is it?")
    def answer(notification: Any) -> None:
        notification.answer("On its way")

    @bot.router.message(text_message="stop")
    def stop(notification: Any) -> None:
        raise KeyboardInterrupt

    text = {"typeMessage": "textMessage", "textMessageData": {"textMessage": "stop"}}
    instance.push(EXAMPLES[0], EXAMPLES[0] | {"messageData": text})
    bot.run_forever()
    assert [message["message"] for message in instance.sent()] == ["On its way"]
