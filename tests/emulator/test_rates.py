"""The documented requests per second."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator.rates import Rates

ACCOUNT_AND_QUEUE = [
    "getWaSettings",
    "getAccountSettings",
    "logout",
    "getChatHistory",
    "getStateInstance",
    "getSettings",
    "setSettings",
    "reboot",
    "getWebhooksCount",
    "clearWebhooksQueue",
    "lastIncomingMessages",
    "lastOutgoingMessages",
    "getMessagesCount",
    "showMessagesQueue",
    "clearMessagesQueue",
]


def limits(per_second: int, *methods: str) -> list[tuple[str, str, int]]:
    """Rows for the same figure on every product."""
    return [(method, kind, per_second) for method in methods for kind in ("whatsapp", "telegram", "v3")]


@pytest.mark.parametrize(
    ("method", "type_instance", "per_second"),
    [
        *limits(100, "receiveNotification", "deleteNotification"),
        *limits(50, "sendMessage", "sendFileByUrl", "sendFileByUpload"),
        *limits(50, "sendLocation", "sendContact", "sendPoll", "forwardMessages"),
        *limits(10, "checkWhatsapp", "checkAccount", "readChat", "editMessage", "deleteMessage"),
        *limits(1, *ACCOUNT_AND_QUEUE),
        ("getMessage", "whatsapp", 10),
        ("getMessage", "telegram", 1),
        ("getMessage", "v3", 1),
        ("qr", "whatsapp", 3),
        ("qr", "v3", 1),
        ("setProfilePicture", "v3", 1),
        ("downloadFile", "whatsapp", 5),
        ("downloadFile", "telegram", 5),
        ("downloadFile", "v3", 1),
        ("uploadFile", "v3", 1),
    ],
)
def test_rate_of_a_method_is_the_documented_one(
    monkeypatch: pytest.MonkeyPatch, method: str, type_instance: str, per_second: int
) -> None:
    """So many requests pass within one second and the next doesn't; when the second is over, it does."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates = Rates(type_instance)
    assert [rates.allow(method) for _ in range(per_second + 2)] == [True] * per_second + [False] * 2
    now += 0.999
    assert not rates.allow(method)
    now += 0.001
    assert [rates.allow(method) for _ in range(per_second + 1)] == [True] * per_second + [False]


@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram"])
def test_profile_picture_may_be_set_once_in_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, type_instance: str
) -> None:
    """A tenth of a request per second is documented."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates = Rates(type_instance)
    assert [rates.allow("setProfilePicture") for _ in range(2)] == [True, False]
    now += 9.9
    assert not rates.allow("setProfilePicture")
    now += 0.2
    assert rates.allow("setProfilePicture")


@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram"])
def test_upload_has_no_rate_where_none_is_documented(type_instance: str) -> None:
    """No figure is known for uploads outside MAX, so none is enforced."""
    rates = Rates(type_instance)
    assert all(rates.allow("uploadFile") for _ in range(500))


def test_rates_are_enforced_by_default_and_per_method(emulate: Any) -> None:
    """The second account request within a second is 429; another method isn't touched by it."""
    client = emulate(rate_limits=True)
    statuses = [client.get("getSettings").status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    assert client.get("getStateInstance").status_code == 200


def test_rates_are_per_instance(emulate: Any) -> None:
    """Requests to one instance don't use up the rate of another."""
    client = emulate(rate_limits=True)
    other = client.gateway.add_instance()
    assert client.get("getSettings").status_code == 200
    client.instance = other
    assert client.get("getSettings").status_code == 200


def test_refused_request_has_no_effect(emulate: Any) -> None:
    """What exceeds the rate is not done."""
    client = emulate(rate_limits=True)
    client.post("setSettings", incomingWebhook="no")
    assert client.post("setSettings", incomingWebhook="yes").status_code == 429
    assert client.gateway.settings()["incomingWebhook"] == "no"
