"""Every method of the hook, sync and async, against a gateway in each of its modes."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import GreenApiConfigError, GreenApiUnavailableError
from airflow_green_notify.hooks import GreenApiHook

BODIES = [envelope["body"] for envelope in example_notifications()]
CHAT = "12025550101@c.us"
SHORT = 0.05  # seconds to wait for what won't come

MODES = [
    {"idle": idle, "redelivery": redelivery, "receipt_id": receipt_id, "missing_receipt": missing}
    for idle, redelivery, receipt_id, missing in product(
        ("null", "empty"), ("head", "split"), ("stable", "new"), ("false", "500")
    )
]


@pytest.fixture(params=MODES, ids=lambda mode: "-".join(mode.values()))
def green_api_switches(request: pytest.FixtureRequest, green_api_switches: Any) -> dict[str, Any]:
    return {**green_api_switches, **request.param, "redelivery_after": 0.1}


@pytest.fixture
def hook(make_hook: Any) -> GreenApiHook:
    return make_hook(max_attempts=1)


async def test_queue_is_received_and_deleted_in_order(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """What was pushed comes out once, in order and unchanged, and then nothing comes."""
    gateway.push(*BODIES[:3])
    for body in BODIES[:3]:
        notification = await ask(hook, "receive_notification", SHORT)
        assert notification.body == body
        assert await ask(hook, "delete_notification", notification.receipt_id) is True
    assert await ask(hook, "receive_notification", SHORT) is None
    assert [item["deletions"] for item in gateway.audit()] == [1, 1, 1]


async def test_undeleted_notification_comes_again_with_its_key(
    ask: Any, hook: GreenApiHook, gateway: Any
) -> None:
    """However the gateway redelivers and numbers, the key stays, and the newest receipt id deletes."""
    gateway.push(BODIES[0])
    first = await ask(hook, "receive_notification", SHORT)
    again = await ask(hook, "receive_notification", 5)  # "split" hides it for a moment
    assert again.key == first.key
    assert await ask(hook, "delete_notification", again.receipt_id) is True
    assert gateway.queue() == []


async def test_deleting_what_is_not_there_is_false(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """A receipt id that was used, or never handed out, deletes nothing and is no error."""
    gateway.push(*BODIES[:2])
    receipt_id = (await ask(hook, "receive_notification", SHORT)).receipt_id
    assert await ask(hook, "delete_notification", receipt_id) is True
    assert await ask(hook, "delete_notification", receipt_id) is False
    assert await ask(hook, "delete_notification", 4711) is False
    assert len(gateway.queue()) == 1


async def test_queue_is_counted_and_cleared(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """The count is the gateway's, and clearing leaves nothing."""
    gateway.push(*BODIES[:5])
    assert await ask(hook, "get_webhooks_count") == 5
    assert await ask(hook, "clear_webhooks_queue") is True
    assert gateway.queue() == []


@pytest.mark.parametrize("green_api_switches", [{}], indirect=True, ids=["default"])
async def test_queue_cleared_twice_says_how_long_to_wait(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """The gateway clears once a minute; sooner, nothing is cleared and the wait is told."""
    assert await ask(hook, "clear_webhooks_queue") is True
    gateway.push(BODIES[0])
    with pytest.raises(GreenApiUnavailableError, match="once a minute") as caught:
        await ask(hook, "clear_webhooks_queue")
    assert 0 < (caught.value.retry_after or 0) <= 60
    assert len(gateway.queue()) == 1


async def test_instance_tells_state_and_settings(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """State and settings are read, and settings written, as the gateway has them."""
    assert await ask(hook, "get_state_instance") == "authorized"
    assert await ask(hook, "set_settings", incomingWebhook="no", delaySendMessagesMilliseconds=700) is True
    settings = await ask(hook, "get_settings")
    assert settings == gateway.settings()
    assert (settings["incomingWebhook"], settings["delaySendMessagesMilliseconds"]) == ("no", 700)


async def test_message_is_sent_and_its_id_returned(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """A message reaches its chat as it was written, quoting what it answers."""
    first = await ask(hook, "send_message", CHAT, "Grüße \U0001f44b\nzweite Zeile")
    second = await ask(hook, "send_message", CHAT, "Antwort", quoted_message_id=first)
    sent = gateway.sent()
    assert [item["idMessage"] for item in sent] == [first, second]
    assert [item["message"] for item in sent] == ["Grüße \U0001f44b\nzweite Zeile", "Antwort"]
    assert sent[1]["quotedMessageId"] == first


async def test_file_is_sent_by_upload_or_by_url(
    ask: Any, hook: GreenApiHook, gateway: Any, tmp_path: Path
) -> None:
    """A path is uploaded whole, a URL is passed on; name and caption arrive in any script."""
    path = tmp_path / "отчёт 1.txt"
    path.write_bytes(b"content" * 50_000)
    uploaded = await ask(hook, "send_file", CHAT, path, caption="подпись")
    renamed = await ask(hook, "send_file", CHAT, str(path), file_name="b.txt")
    linked = await ask(hook, "send_file", CHAT, "https://example.org/files/c%20d.pdf?x=1")
    sent = gateway.sent()
    assert [item["idMessage"] for item in sent] == [uploaded, renamed, linked]
    assert [item["fileName"] for item in sent] == ["отчёт 1.txt", "b.txt", "c d.pdf"]
    assert sent[0]["caption"] == "подпись"
    assert sent[0]["size"] == path.stat().st_size
    assert sent[2]["urlFile"] == "https://example.org/files/c%20d.pdf?x=1"


async def test_download_gives_a_fresh_link(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """A file's message is turned into a link that wasn't there before."""
    body = gateway.media_message("photo.jpg", 1000, chat_id=CHAT)
    link = await ask(hook, "download_file", CHAT, body["idMessage"])
    assert link.startswith("http")
    assert link != body["messageData"]["fileMessageData"]["downloadUrl"]


async def test_journals_and_send_queue_are_lists(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """Journals hold what came and went; a send queue that was worked off is empty."""
    gateway.push(BODIES[0])
    id_message = await ask(hook, "send_message", CHAT, "text")
    assert [entry["idMessage"] for entry in await ask(hook, "last_outgoing_messages", 10)] == [id_message]
    incoming = await ask(hook, "last_incoming_messages")
    assert [entry["idMessage"] for entry in incoming] == [BODIES[0]["idMessage"]]
    assert await ask(hook, "show_messages_queue") == []


@pytest.mark.parametrize("seconds", [0, -1, 60.1, float("nan"), float("inf")])
@pytest.mark.parametrize("green_api_switches", [{}], indirect=True, ids=["default"])
async def test_receiving_with_an_impossible_timeout_asks_nothing(
    ask: Any, hook: GreenApiHook, gateway: Any, seconds: float
) -> None:
    """A timeout that the gateway can't keep is refused before any request."""
    with pytest.raises(GreenApiConfigError, match="receive_timeout"):
        await ask(hook, "receive_notification", seconds)
    assert gateway.requests() == []
