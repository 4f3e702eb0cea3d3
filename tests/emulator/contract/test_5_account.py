"""Section 5 of the contract: account and control of the queue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.contract.answers import message_of

COMMON = ["notAuthorized", "authorized", "blocked", "starting", "suspended"]
STATES = [
    *(("whatsapp", state) for state in [*COMMON, "sleepMode", "yellowCard"]),
    *(("telegram", state) for state in [*COMMON, "pendingPassword"]),
    *(("v3", state) for state in [*COMMON, "pendingPassword"]),
]
SETTINGS = {
    "webhookUrl",
    "webhookUrlToken",
    "incomingWebhook",
    "outgoingWebhook",
    "outgoingMessageWebhook",
    "outgoingAPIMessageWebhook",
    "stateWebhook",
    "statusInstanceWebhook",
    "deviceWebhook",
    "pollMessageWebhook",
    "incomingCallWebhook",
    "outgoingCallWebhook",
    "incomingBlockWebhook",
    "editedMessageWebhook",
    "deletedMessageWebhook",
    "delaySendMessagesMilliseconds",
    "markIncomingMessagesReaded",
    "markIncomingMessagesReadedOnReply",
    "keepOnlineStatus",
    "linkPreview",
    "autoTyping",
    "enableLidMode",
    "wid",
    "countryInstance",
    "typeAccount",
    "sharedSession",
    "proxyInstance",
    "enableMessagesHistory",
    "typeInstance",
}
SWITCHED = sorted(name for name in SETTINGS if name.endswith("Webhook"))


@pytest.mark.parametrize(("product", "state"), STATES)
def test_5_1_get_state_instance_tells_each_state_of_the_product(
    emulate: Any, product: str, state: str
) -> None:
    """``{"stateInstance": …}`` and nothing else, also while other methods are refused."""
    client = emulate(type_instance=product)
    client.gateway.state(state)
    assert client.get("getStateInstance").json() == {"stateInstance": state}


def test_5_1_get_status_instance_tells_online(client: Any) -> None:
    """Deprecated, and still answered: ``online`` or ``offline``."""
    assert client.get("getStatusInstance").json() == {"statusInstance": "online"}


def test_5_2_get_settings_has_every_documented_key(client: Any) -> None:
    """One flat object with all of them."""
    assert set(client.get("getSettings").json()) >= SETTINGS


@pytest.mark.parametrize("name", SWITCHED)
def test_5_2_a_kind_of_notification_is_switched_by_yes_and_no(client: Any, name: str) -> None:
    """The values are strings; any other is refused and changes nothing."""
    for value in ("no", "yes"):
        assert client.post("setSettings", **{name: value}).json() == {"saveSettings": True}
        assert client.get("getSettings").json()[name] == value
    for value in (True, "maybe", 1, None):
        assert client.post("setSettings", **{name: value}).status_code == 400
        assert client.get("getSettings").json()[name] == "yes"


def test_5_2_set_settings_takes_any_subset_that_is_not_empty(client: Any) -> None:
    """What isn't named stays as it is; naming nothing is refused."""
    before = client.get("getSettings").json()
    changes = {"webhookUrlToken": "Bearer 1", "delaySendMessagesMilliseconds": 1500}
    assert client.post("setSettings", **changes).json() == {"saveSettings": True}
    assert client.get("getSettings").json() == before | changes
    assert client.post("setSettings").status_code == 400


@pytest.mark.parametrize("value", [499, 600001, "abc", 100])
def test_5_2_the_delay_between_messages_has_bounds(client: Any, value: Any) -> None:
    """500 to 600000 milliseconds; anything else is refused."""
    assert client.post("setSettings", delaySendMessagesMilliseconds=value).status_code == 400
    for right in (500, 600000):
        assert client.post("setSettings", delaySendMessagesMilliseconds=right).status_code == 200


def test_5_2_settings_take_effect_when_the_restart_is_over(emulate: Any) -> None:
    """Up to five minutes later; until then the old ones hold and the instance is starting."""
    client = emulate(settings_delay=300)
    assert client.post("setSettings", incomingWebhook="no").json() == {"saveSettings": True}
    assert client.get("getStateInstance").json() == {"stateInstance": "starting"}
    client.gateway.advance(301)
    assert client.get("getStateInstance").json() == {"stateInstance": "authorized"}
    assert client.get("getSettings").json()["incomingWebhook"] == "no"


def test_5_2_after_the_webhook_url_was_cleared_polling_waits_a_minute(emulate: Any) -> None:
    """The refusal goes on for about a minute."""
    client = emulate(webhook_grace=60)
    client.post("setSettings", webhookUrl="http://127.0.0.1:9/")
    client.post("setSettings", webhookUrl="")
    assert "custom webhook url" in message_of(client.get("receiveNotification"))
    client.gateway.advance(61)
    assert client.get("receiveNotification", receiveTimeout=0).status_code == 200


@pytest.mark.parametrize("name", ["wid", "typeInstance", "countryInstance"])
def test_5_2_what_is_only_reported_is_not_changed(client: Any, name: str) -> None:
    """Inferred: naming such a key is no error and has no effect."""
    before = client.get("getSettings").json()
    assert client.post("setSettings", **{name: "other"}).status_code == 200
    assert client.get("getSettings").json() == before


def test_5_2_get_settings_can_answer_an_empty_body(client: Any) -> None:
    """Recorded once in a while; can be scripted."""
    client.gateway.fault("status", status=200, body="", method="getSettings")
    response = client.get("getSettings")
    assert (response.status_code, response.content) == (200, b"")


def test_5_3_get_wa_settings_tells_of_the_account(client: Any) -> None:
    """WhatsApp: picture, phone, state and device."""
    answer = client.get("getWaSettings").json()
    assert {"avatar", "phone", "stateInstance", "deviceId"} <= set(answer)
    assert answer["stateInstance"] == "authorized"


@pytest.mark.parametrize("product", ["telegram", "v3"])
def test_5_3_get_account_settings_tells_of_the_account(emulate: Any, product: str) -> None:
    """Telegram and MAX: the same under another name."""
    answer = emulate(type_instance=product).get("getAccountSettings").json()
    assert answer["stateInstance"] == "authorized"


def test_5_4_reboot_restarts_the_instance(client: Any) -> None:
    """``{"isReboot": true}``."""
    assert client.get("reboot").json() == {"isReboot": True}


def test_5_4_logout_ends_the_authorization(client: Any) -> None:
    """``{"isLogout": true}``, and the state says so."""
    assert client.get("logout").json() == {"isLogout": True}
    assert client.get("getStateInstance").json() == {"stateInstance": "notAuthorized"}


def test_5_5_get_webhooks_count_counts_what_waits(client: Any, body: Any) -> None:
    """``{"count": N}``."""
    client.gateway.push(body(1), body(2), body(3))
    client.delete(client.receive()["receiptId"])
    assert client.get("getWebhooksCount").json() == {"count": 2}


def test_5_5_the_count_is_refreshed_every_10_seconds(emulate: Any, body: Any) -> None:
    """In between it is the old figure."""
    client = emulate(count_refresh=10)
    client.get("getWebhooksCount")
    client.gateway.push(body())
    assert client.get("getWebhooksCount").json() == {"count": 0}
    client.gateway.advance(10)
    assert client.get("getWebhooksCount").json() == {"count": 1}


def test_5_5_the_count_can_be_wrongly_zero(emulate: Any, body: Any) -> None:
    """Reported twice."""
    client = emulate(count_wrong_zero=True)
    client.gateway.push(body())
    assert client.get("getWebhooksCount").json() == {"count": 0}


@pytest.mark.parametrize("verb", ["DELETE", "GET"])
def test_5_5_clear_webhooks_queue_removes_all_that_waits(client: Any, body: Any, verb: str) -> None:
    """The documented verb is DELETE, two vendor's clients use GET."""
    client.gateway.push(body(1), body(2))
    response = client.session.request(verb, client.url("clearWebhooksQueue"))
    assert response.json() == {"isCleared": True, "reason": ""}
    assert client.receive() is None


def test_5_5_a_second_clear_within_a_minute_says_how_long_to_wait(client: Any, body: Any) -> None:
    """Still HTTP 200; ``leftTime`` in seconds is there only then."""
    client.session.delete(client.url("clearWebhooksQueue"))
    client.gateway.push(body())
    client.gateway.advance(14)
    response = client.session.delete(client.url("clearWebhooksQueue"))
    assert response.status_code == 200
    assert response.json() == {"isCleared": False, "reason": "Too many requests", "leftTime": 46}
    assert client.gateway.queue() == [body()]
    client.gateway.advance(46)
    assert client.session.delete(client.url("clearWebhooksQueue")).json()["isCleared"] is True


def test_5_5_clearing_is_refused_while_a_webhook_url_is_set(client: Any) -> None:
    """Reported: an error, as receiving is."""
    client.gateway.settings(webhookUrl="http://127.0.0.1:9/")
    assert client.session.delete(client.url("clearWebhooksQueue")).status_code == 400
