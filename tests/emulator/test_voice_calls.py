"""Voice calls: the one that goes on, and the journals of those of the past."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from airflow_green_notify.emulator import example_notifications

CHAT = "12025550101@c.us"


def push(client: Any, *numbers: int) -> None:
    """Push examples by their line."""
    client.gateway.push(*(example_notifications()[number - 1]["body"] for number in numbers))


def state(client: Any) -> dict[str, Any]:
    """What callsState answers."""
    return client.get("callsState").json()


def test_outgoing_call_is_dialed_and_hung_up(client: Any) -> None:
    """The state follows; a notification tells of the end, and the journal has the call."""
    client.post("callsDial", chatId=CHAT)
    assert (state(client)["state"], state(client)["info"]["wid"]) == ("out-call", CHAT)
    client.post("callsHangUp")
    assert state(client) == {"state": "idle", "reason": "hungUp"}
    (body,) = client.gateway.queue()
    assert (body["typeWebhook"], body["status"]) == ("outgoingCall", "hungUp")
    (entry,) = client.get("lastOutgoingCalls").json()
    assert (entry["type"], entry["typeMessage"], entry["chatId"]) == ("outgoing", "outgoingCall", CHAT)
    assert entry["status"] == "hungUp"


def test_incoming_call_is_accepted(client: Any) -> None:
    """A pushed offer rings; accepting and hanging up are notified."""
    push(client, 46)
    assert state(client)["state"] == "inc-call"
    client.post("callsAccept")
    assert state(client)["state"] == "on-call"
    client.post("callsHangUp")
    assert [body["status"] for body in client.gateway.queue()] == ["offer", "pickUp", "hangUp"]
    assert state(client)["state"] == "idle"


def test_incoming_call_is_rejected(client: Any) -> None:
    """Rejecting ends the call as declined; without a call nothing happens."""
    client.post("callsReject")
    push(client, 46)
    client.post("callsReject")
    assert [body["status"] for body in client.gateway.queue()] == ["offer", "declined"]


def test_journal_has_each_call_once_with_its_last_status(client: Any) -> None:
    """The notifications of one call are one entry."""
    push(client, 46, 47, 48, 51)
    newest, older = client.get("lastIncomingCalls").json()
    assert (newest["duration"], newest["participants"][0]["wid"]) == (42, CHAT)
    assert (older["status"], older["chatId"], older["isVideo"]) == ("hangUp", CHAT, False)
    client.gateway.advance(2 * 3600)
    assert client.get("lastIncomingCalls", minutes=60).json() == []


def test_calls_respect_the_settings(client: Any) -> None:
    """With its setting off a call is neither notified nor journaled."""
    client.gateway.settings(incomingCallWebhook="no", outgoingCallWebhook="no")
    push(client, 46)
    client.post("callsReject")
    client.post("callsDial", chatId=CHAT)
    client.post("callsHangUp")
    assert len(client.gateway.queue()) == 1
    assert client.get("lastIncomingCalls").json() == client.get("lastOutgoingCalls").json() == []


def test_connection_tells_the_state_of_calls_as_it_changes(client: Any) -> None:
    """The present state comes first, then each change, in the form that the vendor's client reads."""

    async def watch() -> list[Any]:
        url = client.url("callsRtc").replace("http://", "ws://")
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            states = [await socket.receive_json()]
            for method, arguments in (("callsDial", {"chatId": CHAT}), ("callsHangUp", {})):
                await session.post(client.url(method), json=arguments)
                states.append(await socket.receive_json())
            return states

    states = asyncio.run(watch())
    assert [(frame["type"], frame["state"]["state"]) for frame in states] == [
        ("state", "idle"),
        ("state", "out-call"),
        ("state", "idle"),
    ]
    assert client.get("callsRtc").status_code == 400


def test_open_connection_of_calls_does_not_keep_the_emulator_from_stopping(client: Any) -> None:
    """Stopping cuts it."""

    async def stop() -> aiohttp.WSMsgType:
        url = client.url("callsRtc").replace("http://", "ws://")
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.receive_json()
            await asyncio.to_thread(client.gateway.stop)
            return (await socket.receive()).type

    assert asyncio.run(asyncio.wait_for(stop(), 10)) in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
