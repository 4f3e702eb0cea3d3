"""What ``test_connection`` says about each fault, and where to fix it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from airflow_green_notify.hooks import GreenApiHook, rate_limit
from airflow_green_notify.hooks.diagnosis import NOTIFICATION_SWITCHES, diagnose, settings_fault, way_risks

EVERYTHING_OFF = dict.fromkeys(NOTIFICATION_SWITCHES, "no")


@pytest.fixture
def green_api_switches(green_api_switches: dict[str, Any]) -> dict[str, Any]:
    return {**green_api_switches, "rate_limits": False}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit.RateLimit, "take", lambda limit: 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def verdict() -> tuple[bool, str]:
    return GreenApiHook().test_connection()


def test_connection_of_a_healthy_instance_is_good(gateway: Any) -> None:
    """What works is said to work."""
    assert verdict() == (True, "The instance is authorized and its queue can be read.")


@pytest.mark.parametrize(
    ("host", "media_url", "verify", "words"),
    [
        ("https://api.green-api.com", "https://media.green-api.com", True, []),
        ("https://api.green-api.com", "https://media.green-api.com", "/etc/ca.pem", []),
        ("http://127.0.0.1:18090", "http://localhost:18090", False, []),
        ("http://[::1]:18090", "http://127.1.2.3", True, []),
        ("http://gateway.example.org", "http://gateway.example.org", True, ["host"]),
        ("HTTP://10.0.0.1", "https://127.0.0.1", True, ["host"]),
        ("https://gateway.example.org", "http://media.example.org", True, ["media_url"]),
        ("https://gateway.example.org", "https://media.example.org", False, ["verify"]),
        ("http://gateway.example.org", "https://media.example.org", False, ["host", "verify"]),
    ],
)
def test_way_to_the_gateway_that_others_can_listen_in_on_is_a_risk(
    host: str, media_url: str, verify: bool | str, words: list[str]
) -> None:
    """Only what leaves this machine counts; each risk names the field to fix."""
    risks = way_risks(host, media_url, verify)
    assert len(risks) == len(words)
    assert all(word in f"{risk.found}: {risk.remedy}" for word, risk in zip(words, risks, strict=True))


def test_connection_test_warns_of_an_unencrypted_way(listen: Any, connect: Any, monkeypatch: Any) -> None:
    """It works, and the button says so; whoever reads on learns what it costs."""
    bodies = (b'{"stateInstance":"authorized"}', b'{"incomingWebhook":"yes"}')
    monkeypatch.setenv("http_proxy", listen(*map(listen.answer, bodies)).url)
    connect("http://gateway.invalid")
    good, text = verdict()
    assert good is True
    assert text.startswith("The instance is authorized and its queue can be read. Warning: the token and ")


def test_fault_in_a_form_names_no_id_that_nobody_gave(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow tests a form under a random id."""
    form = {"conn_type": "http", "login": "abc", "password": "tokenoftheform"}
    monkeypatch.setenv("AIRFLOW_CONN_B9GYA64J", json.dumps(form))
    good, words = GreenApiHook("B9GYA64J").test_connection()
    assert not good
    assert words == "login must be the idInstance, digits only; see the console."


def test_connection_is_tested_without_touching_the_queue(gateway: Any) -> None:
    """Pressing the button receives and deletes nothing."""
    gateway.push({"typeWebhook": "incomingMessageReceived"})
    verdict()
    assert [request["method"] for request in gateway.requests()] == ["getStateInstance", "getSettings"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("notAuthorized", "authorize it in the console"),
        ("blocked", "blocked the account"),
        ("sleepMode", "phone"),
        ("suspended", "suspended the account"),
        ("yellowCard", "restricted"),
        ("pendingPassword", "two-step password"),
        ("starting", "5 minutes"),
        ("expired", "renew"),
        ("deleted", "existing instance"),
    ],
)
def test_connection_of_an_unusable_instance_says_what_to_do(gateway: Any, state: str, words: str) -> None:
    """Each state of the instance comes with its remedy."""
    gateway.state(state)
    good, text = verdict()
    assert good is False
    assert words in text


def test_connection_of_an_instance_in_an_unknown_state_says_what_to_do(gateway: Any) -> None:
    """So does a state that nobody has seen before."""
    gateway.fault(
        "status", method="getStateInstance", status=200, body='{"stateInstance": "neverSeenBefore"}'
    )
    good, text = verdict()
    assert good is False
    assert "neverSeenBefore" in text
    assert "console" in text


def test_connection_with_webhook_url_set_says_where_to_clear_it(gateway: Any) -> None:
    """A forgotten webhookUrl is the commonest reason for a queue that can't be read."""
    gateway.settings(webhookUrl="https://example.org/hook")
    good, text = verdict()
    assert good is False
    assert "clear webhookUrl in the console" in text
    assert "example.org" not in text


def test_connection_with_every_notification_off_says_so(gateway: Any) -> None:
    """A new instance notifies of nothing; a queue that stays empty is explained."""
    gateway.settings(**EVERYTHING_OFF)
    good, text = verdict()
    assert good is False
    assert "every notification type is switched off" in text.lower()


def test_connection_with_a_wrong_token_says_so(gateway: Any, connect: Any) -> None:
    """A wrong token is told from a wrong instance."""
    connect(gateway.url, password="wrong")
    good, text = verdict()
    assert good is False
    assert "the token is wrong" in text
    assert len(gateway.requests()) == 1


def test_connection_with_a_wrong_instance_says_so(gateway: Any, connect: Any) -> None:
    """An unknown instance, or the host of another pool, is named."""
    connect(gateway.url, login="999")
    good, text = verdict()
    assert good is False
    assert "the instance id or the host is wrong" in text


@pytest.mark.parametrize(
    "fields", [{"login": "abc"}, {"password": ""}, {"extra": {"requests_per_second": 0}}]
)
def test_connection_that_is_incomplete_says_which_field(gateway: Any, connect: Any, fields: Any) -> None:
    """An incomplete form is told by the field's name, before any request."""
    connect(gateway.url, **fields)
    good, text = verdict()
    assert good is False
    assert next(iter(fields.get("extra", fields))) in text
    assert gateway.requests() == []


def test_connection_to_a_host_that_is_no_gateway_says_so(connect: Any, listen: Any) -> None:
    """A web server that isn't the gateway is told from an outage."""
    connect(listen(listen.answer(b"<html>It works!</html>")).url)
    good, text = verdict()
    assert good is False
    assert "host" in text


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://gateway.invalid"])
def test_connection_to_nobody_says_so(connect: Any, host: str) -> None:
    """An unreachable host is told, with what lies on the way to it."""
    connect(host)
    good, text = verdict()
    assert good is False
    assert "DNS, proxy, firewall" in text


def test_connection_test_ends_soon_in_an_outage(gateway: Any) -> None:
    """Who presses a button doesn't want the patience of a task."""
    gateway.fault("502", times=None)
    good, text = verdict()
    assert good is False
    assert "later" in text
    assert len(gateway.requests()) <= 2


def test_connection_test_overcomes_one_empty_answer(gateway: Any) -> None:
    """The gateway gives empty settings now and then: that is no verdict."""
    gateway.fault("status", status=200, body="", method="getSettings")
    assert verdict()[0] is True


@pytest.mark.parametrize("name", NOTIFICATION_SWITCHES)
def test_settings_with_one_notification_on_are_good(name: str) -> None:
    """Any one type that still works is enough for the queue to fill."""
    assert settings_fault({**EVERYTHING_OFF, name: "yes"}) is None


@pytest.mark.parametrize("name", ["deviceWebhook", "statusInstanceWebhook", "incomingBlockWebhook"])
def test_settings_with_only_a_dead_notification_on_are_not(name: str) -> None:
    """Types that the gateway no longer serves fill no queue."""
    assert settings_fault({**EVERYTHING_OFF, name: "yes"})


def test_settings_that_lack_a_type_count_it_as_off() -> None:
    """A product without calls or polls is silent when the types it has are off."""
    assert settings_fault({"webhookUrl": "", "incomingWebhook": "no", "outgoingWebhook": "no"})


def test_settings_without_webhook_url_are_no_fault() -> None:
    """A setting that a product doesn't have is not a fault."""
    assert settings_fault({"incomingWebhook": "yes"}) is None


def test_state_is_judged_before_settings() -> None:
    """What must be fixed first is said first."""
    assert "notAuthorized" in diagnose("notAuthorized", {**EVERYTHING_OFF, "webhookUrl": "https://x"})[1]
