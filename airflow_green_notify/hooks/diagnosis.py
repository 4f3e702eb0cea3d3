"""What an instance's state and settings mean for reading its queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
_MEND_STATE = {
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
    """Tell what to mend if the instance can't be used in this state, or ``None`` if it can."""
    if state == "authorized":
        return None
    mend = _MEND_STATE.get(state, "see the instance's page in the console")
    return f"the instance is in the state '{printable(state, NAME)}': {mend}"


def diagnose(state: str, settings: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the queue can be read, and in words what to mend if not."""
    if fault := state_fault(state) or settings_fault(settings):
        return False, fault[0].upper() + fault[1:] + "."
    return True, "The instance is authorized and its queue can be read."
