"""The vendor's own Python SDK against the emulator: a client we didn't write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from whatsapp_api_client_python import API

from airflow_green_notify.emulator import example_notifications

EXAMPLES = [envelope["body"] for envelope in example_notifications()]


@pytest.fixture
def sdk(client: Any) -> API.GreenAPI:
    """The SDK, led to the emulator."""
    gateway = client.gateway
    return API.GreenAPI(gateway.id_instance, gateway.api_token, host=gateway.url, media=gateway.url)


@pytest.mark.parametrize("receipt_id", ["stable", "new"])
@pytest.mark.parametrize("redelivery", ["head", "split"])
def test_polling_loop_of_the_sdk_gets_each_notification_once_and_in_order(
    client: Any, sdk: API.GreenAPI, redelivery: str, receipt_id: str
) -> None:
    """Its synchronous loop drains the queue: every example once, in order, and deleted once."""
    client.gateway.switch(redelivery=redelivery, receipt_id=receipt_id)
    client.gateway.push(*EXAMPLES)
    seen: list[dict[str, Any]] = []

    def on_event(type_webhook: str, body: dict[str, Any]) -> None:
        seen.append(body)
        if len(seen) == len(EXAMPLES):
            sdk.webhooks.stopReceivingNotifications()

    sdk.webhooks.startReceivingNotifications(on_event)
    assert seen == EXAMPLES
    assert client.gateway.queue() == []
    assert all((item["deliveries"], item["deletions"]) == (1, 1) for item in client.gateway.audit())


def test_async_delete_of_the_sdk_leaves_the_queue_as_it_was(client: Any, sdk: API.GreenAPI) -> None:
    """It sends no receipt id in the path, so the gateway deletes nothing."""
    client.gateway.push(*EXAMPLES[:2])
    receipt_id = client.receive()["receiptId"]
    answer = asyncio.run(sdk.receiving.deleteNotificationAsync(receipt_id))
    assert answer.code == 500
    assert client.gateway.queue() == EXAMPLES[:2]


def test_other_methods_of_the_sdk_are_answered(client: Any, sdk: API.GreenAPI, tmp_path: Any) -> None:
    """Account, sending, files, journals and queues speak the SDK's language, too."""
    assert sdk.account.getStateInstance().data == {"stateInstance": "authorized"}
    assert sdk.account.setSettings({"outgoingWebhook": "yes"}).data == {"saveSettings": True}
    assert sdk.account.getSettings().data["outgoingWebhook"] == "yes"
    assert sdk.account.reboot().data == {"isReboot": True}
    id_message = sdk.sending.sendMessage("1@c.us", "Hi").data["idMessage"]
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    upload = sdk.sending.sendFileByUpload("1@c.us", str(path), "b.txt", "caption").data
    url = sdk.sending.uploadFile(str(path)).data["urlFile"]
    sdk.sending.sendFileByUrl("1@c.us", url, "c.txt")
    message, by_upload, by_url = client.gateway.sent()
    assert message["idMessage"] == id_message
    assert (by_upload["urlFile"], by_upload["fileName"]) == (upload["urlFile"], "b.txt")
    assert by_upload["sha256"] == by_url["sha256"]
    assert len(sdk.journals.lastOutgoingMessages(5).data) == 3
    assert sdk.journals.lastIncomingMessages().data == []
    assert sdk.queues.showMessagesQueue().data == []
    assert sdk.queues.clearMessagesQueue().data == {"isCleared": True}
    body = client.gateway.media_message("d.bin", 10)
    answer = sdk.receiving.downloadFile(body["senderData"]["chatId"], body["idMessage"])
    assert len(client.session.get(answer.data["downloadUrl"]).content) == 10
