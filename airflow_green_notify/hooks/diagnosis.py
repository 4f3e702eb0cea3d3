"""What an instance's state and settings, and the way to it, mean for reading its queue."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from airflow_green_notify.printable import NAME, printable

# The switches that let notifications into the queue; the gateway has further ones that it no longer serves.
NOTIFICATION_SWITCHES = (
    "incomingWebhook",
    "outgoingWebhook",
    "outgoingMessageWebhook",
    "outgoingAPIMessageWebhook",
    "stateWebhook",
    "pollMessageWebhook",
    "incomingCallWebhook",
    "outgoingCallWebhook",
    "editedMessageWebhook",
    "deletedMessageWebhook",
)
_STATE_REMEDIES = {
    "notAuthorized": "authorize it in the console (scan the QR code or enter the code)",
    "starting": "wait up to 5 minutes",
    "blocked": "the messenger blocked the account: see the instance's page in the console",
    "suspended": "the messenger suspended the account for a while: see the instance's page in the console",
    "yellowCard": "the messenger restricted sending for a while: see the instance's page in the console",
    "sleepMode": "switch the phone on and connect it to the Internet",
    "pendingPassword": "enter the two-step password in the console",
}


def settings_fault(settings: Mapping[str, Any]) -> str | None:
    """Tell why these settings keep the queue empty or unreadable, or ``None`` if they don't."""
    if settings.get("webhookUrl"):
        return (
            "webhookUrl is set, so the gateway pushes notifications there and refuses to let the queue be "
            "read: clear webhookUrl in the console or with GreenApiConfigureInstanceOperator; wait a minute"
        )
    if all(settings.get(name) in (None, "no") for name in NOTIFICATION_SWITCHES):
        return (
            "every notification type is switched off, so nothing enters the queue: switch on what you need "
            "in the console or with GreenApiConfigureInstanceOperator"
        )
    return None


def state_fault(state: str) -> str | None:
    """Tell what to fix if the instance can't be used in this state, or ``None`` if it can."""
    if state == "authorized":
        return None
    fix = _STATE_REMEDIES.get(state, "see the instance's page in the console")
    return f"the instance is in the state '{printable(state, NAME)}': {fix}"


def diagnose(state: str, settings: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the queue can be read, and in words what to fix if not."""
    if fault := state_fault(state) or settings_fault(settings):
        return False, fault[0].upper() + fault[1:] + "."
    return True, "The instance is authorized and its queue can be read."


class Risk(NamedTuple):
    """What others can do, and what to do about it."""

    found: str
    remedy: str


def way_risks(base_url: str, media_url: str, verify: bool | str) -> list[Risk]:
    """Tell who else may read the token and every message on the way to the gateway.

    What stays on this machine is nobody else's business.
    """
    fields = {media_url: "media_url", base_url: "host"}
    abroad = {url: field for url, field in fields.items() if not _is_loopback(urlsplit(url).hostname or "")}
    schemes = {field: urlsplit(url).scheme.lower() for url, field in abroad.items()}
    risks = [
        Risk(
            f"the token and every message travel unencrypted, since {field} begins with http://",
            "put https:// there",
        )
        for field, scheme in schemes.items()
        if scheme == "http"
    ]
    if verify is False and "https" in schemes.values():
        risks.append(
            Risk(
                "the gateway's certificate is not checked, so anybody on the way can pass for the gateway "
                "and read the token",
                "set verify to true, or to the file of your own certificate authority",
            )
        )
    return risks


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
