"""Section 4 of the contract: requests per second, per instance and method."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from airflow_green_notify.emulator import rates

CHAT = {"whatsapp": "12025550101@c.us", "telegram": "10000101", "v3": "10000101"}
ONCE = (
    "getStateInstance",
    "getStatusInstance",
    "getSettings",
    "reboot",
    "logout",
    "lastIncomingMessages",
    "lastOutgoingMessages",
    "getMessagesCount",
    "showMessagesQueue",
    "clearMessagesQueue",
    "getWebhooksCount",
    "clearWebhooksQueue",
)
SEND = ("sendMessage", "sendFileByUrl", "sendFileByUpload", "sendLocation", "sendContact", "sendPoll")
VERBS = {"deleteNotification": "DELETE", "clearWebhooksQueue": "DELETE"}
POSTED = {"setSettings", "downloadFile", "getMessage", "getChatHistory", "checkWhatsapp", "checkAccount"}
PRODUCTS = ("whatsapp", "telegram", "v3")


def rows(per_second: int, *methods: str, products: tuple[str, ...] = PRODUCTS) -> list[tuple[str, str, int]]:
    """Rows of the table."""
    return [(method, product, per_second) for method in methods for product in products]


ROWS = [
    *rows(100, "receiveNotification", "deleteNotification"),
    *rows(1, *ONCE, "setSettings", "getChatHistory"),
    *rows(1, "getWaSettings", products=("whatsapp",)),
    *rows(1, "getAccountSettings", products=("telegram", "v3")),
    *rows(3, "qr", products=("whatsapp", "telegram")),
    *rows(1, "qr", "uploadFile", "downloadFile", "getMessage", products=("v3",)),
    *rows(50, *SEND, products=("whatsapp",)),
    *rows(50, "sendMessage", products=("telegram", "v3")),
    *rows(5, "downloadFile", products=("whatsapp", "telegram")),
    *rows(10, "getMessage", "checkWhatsapp", products=("whatsapp",)),
    *rows(1, "getMessage", products=("telegram",)),
    *rows(10, "checkAccount", products=("telegram", "v3")),
]


def verb_of(method: str) -> str:
    posted = method in POSTED or method.startswith("send") or method == "uploadFile"
    return VERBS.get(method, "POST" if posted else "GET")


async def burst(client: Any, method: str, count: int) -> list[int]:
    """Send so many requests at once and return their statuses."""
    url = client.url(method, *([1] if method == "deleteNotification" else [])) + "?receiveTimeout=0"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def once() -> int:
            json = {"chatId": CHAT[client.instance.type_instance]} if verb_of(method) == "POST" else None
            async with session.request(verb_of(method), url, json=json) as response:
                await response.read()
                return response.status

        return await asyncio.gather(*(once() for _ in range(count)))


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock of the rates, so that a slow machine gets as far in a second as any, and move it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def move(seconds: float) -> None:
        clock.now += seconds

    return move


@pytest.mark.parametrize(("method", "product", "per_second"), ROWS)
def test_4_so_many_requests_per_second_and_no_more(
    emulate: Any, advance: Callable[[float], None], method: str, product: str, per_second: int
) -> None:
    """As many as documented pass within one second, the rest is 429; in the next second one passes again."""
    client = emulate(rate_limits=True, type_instance=product)
    statuses = asyncio.run(burst(client, method, per_second + 2))
    assert statuses.count(429) == 2
    assert 404 not in statuses
    advance(1.0)
    assert 429 not in asyncio.run(burst(client, method, 1))


def test_4_a_profile_picture_may_be_set_once_in_ten_seconds(
    emulate: Any, advance: Callable[[float], None]
) -> None:
    """0.1 per second on WhatsApp and Telegram."""
    client = emulate(rate_limits=True)
    statuses = []
    for seconds in (0, 9, 1):
        advance(seconds)
        answer = client.session.post(client.url("setProfilePicture"), files={"file": ("a.jpg", b"x")})
        statuses.append(answer.status_code)
    assert statuses == [200, 429, 200]


@pytest.mark.usefixtures("advance")
def test_4_receive_and_delete_have_buckets_of_their_own(emulate: Any) -> None:
    """A full bucket of the one leaves the other alone, and another instance, too."""
    client = emulate(rate_limits=True)
    asyncio.run(burst(client, "receiveNotification", 101))
    assert client.delete(1).status_code == 200
    client.instance = client.gateway.add_instance()
    assert client.get("receiveNotification", receiveTimeout=0).status_code == 200
