"""State and settings, and what is refused because of them."""

from __future__ import annotations

from typing import Any

import pytest

STARTING = "instance in starting process try later"
NOT_AUTHORIZED = "instance is starting or not authorized"
EXPIRED = "Instance account is expired. Renew your instance from personal area"
DELETED = "Instance is deleted"


def refusal_of(response: Any) -> str:
    """The text of a 400."""
    assert response.status_code == 400
    return response.text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("starting", STARTING),
        ("notAuthorized", NOT_AUTHORIZED),
        ("pendingPassword", NOT_AUTHORIZED),
        ("expired", EXPIRED),
        ("deleted", DELETED),
    ],
)
def test_state_that_forbids_receiving_is_refused_with_its_text(client: Any, state: str, text: str) -> None:
    """Receiving and deleting answer the documented 400 of the state."""
    client.gateway.state(state)
    assert refusal_of(client.get("receiveNotification")) == text
    assert refusal_of(client.delete(1)) == text


@pytest.mark.parametrize("state", ["authorized", "blocked", "sleepMode", "suspended", "yellowCard"])
def test_state_that_allows_receiving_leaves_the_queue_readable(client: Any, body: Any, state: str) -> None:
    """In these states what waits can still be taken."""
    client.gateway.push(body())
    client.gateway.state(state)
    assert client.drain() == [body()]
    assert client.get("getStateInstance").json() == {"stateInstance": state}


@pytest.mark.parametrize("state", ["starting", "notAuthorized"])
def test_state_is_told_also_while_receiving_is_refused(client: Any, state: str) -> None:
    """A client can always ask why it is refused."""
    client.gateway.state(state)
    assert client.get("getStateInstance").json() == {"stateInstance": state}


@pytest.mark.parametrize("method", ["getSettings", "getWebhooksCount", "clearWebhooksQueue", "reboot"])
def test_account_methods_work_without_authorization_but_not_while_starting(client: Any, method: str) -> None:
    """An instance can be set up before it is authorized; while it starts it refuses."""
    client.gateway.state("notAuthorized")
    assert client.get(method).status_code == 200
    client.gateway.state("starting")
    assert refusal_of(client.get(method)) == STARTING


@pytest.mark.parametrize("condition", ["expired", "deleted"])
def test_account_that_is_gone_refuses_everything(client: Any, condition: str) -> None:
    """An unpaid or deleted instance answers nothing else on any method."""
    client.gateway.state(condition)
    text = EXPIRED if condition == "expired" else DELETED
    for method in ("getStateInstance", "getSettings", "receiveNotification", "lastIncomingMessages"):
        assert refusal_of(client.get(method)) == text


def test_settings_have_all_working_notifications_on_but_those_about_sending(client: Any) -> None:
    """A fresh emulator is ready for polling, and sending doesn't fill its queue."""
    settings = client.get("getSettings").json()
    assert settings["webhookUrl"] == ""
    assert settings["typeInstance"] == "whatsapp"
    on = {name for name, value in settings.items() if name.endswith("Webhook") and value == "yes"}
    assert on == {
        "incomingWebhook",
        "outgoingMessageWebhook",
        "stateWebhook",
        "pollMessageWebhook",
        "incomingCallWebhook",
        "outgoingCallWebhook",
        "editedMessageWebhook",
        "deletedMessageWebhook",
    }


def test_set_settings_changes_what_it_names(client: Any) -> None:
    """A subset of the settings is changed, the rest stays."""
    before = client.get("getSettings").json()
    assert client.post("setSettings", incomingWebhook="no").json() == {"saveSettings": True}
    assert client.get("getSettings").json() == {**before, "incomingWebhook": "no"}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"{}", "bad request data"),
        (b"[1]", "bad request data"),
        (b'{"incomingWebhook": "yes"', "Unexpected end of JSON input"),
        (b'{"nope": "yes"}', "Validation failed. Details: 'nope' is not allowed"),
        (
            b'{"incomingWebhook": true}',
            "Validation failed. Details: 'incomingWebhook' must be one of [yes, no]",
        ),
    ],
)
def test_set_settings_with_a_wrong_body_changes_nothing(client: Any, payload: bytes, text: str) -> None:
    """What isn't a non-empty object of known settings is refused as a whole."""
    before = client.gateway.settings()
    answer = client.session.post(client.url("setSettings"), data=payload)
    assert (answer.status_code, answer.json()["message"]) == (400, text)
    assert client.gateway.settings() == before


def test_set_settings_with_delay_restarts_the_instance(emulate: Any) -> None:
    """Until the delay is over, the instance is starting and the settings are the old ones."""
    client = emulate(settings_delay=300)
    client.post("setSettings", incomingWebhook="no")
    assert client.get("getStateInstance").json() == {"stateInstance": "starting"}
    assert refusal_of(client.get("receiveNotification")) == STARTING
    assert refusal_of(client.get("getSettings")) == STARTING
    assert refusal_of(client.post("setSettings", incomingWebhook="yes")) == STARTING
    assert client.gateway.settings()["incomingWebhook"] == "yes"
    client.gateway.advance(300)
    assert client.get("getStateInstance").json() == {"stateInstance": "authorized"}
    assert client.get("getSettings").json()["incomingWebhook"] == "no"


def test_reboot_restarts_the_instance(emulate: Any) -> None:
    """A reboot is over after the same delay."""
    client = emulate(settings_delay=300)
    assert client.get("reboot").json() == {"isReboot": True}
    assert refusal_of(client.get("receiveNotification")) == STARTING
    client.gateway.advance(300)
    assert client.receive() is None


def test_settings_from_python_are_effective_at_once(emulate: Any) -> None:
    """A test needs no waiting: neither the delay nor the grace period apply to it."""
    client = emulate(settings_delay=300, webhook_grace=60)
    client.gateway.settings(webhookUrl="https://example.org/hook")
    assert client.gateway.settings(webhookUrl="")["webhookUrl"] == ""
    assert client.receive() is None
    with pytest.raises(ValueError, match="nope"):
        client.gateway.settings(nope="yes")
