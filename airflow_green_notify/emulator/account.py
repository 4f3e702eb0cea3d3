"""The account side of an instance: its settings, its state, and what it refuses because of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.switches import Switches

STARTING = "instance in starting process try later"
NOT_AUTHORIZED = "instance is starting or not authorized"
EXPIRED = "Instance account is expired. Renew your instance from personal area"
DELETED = "Instance is deleted"
WEBHOOK_URL_SET = (
    "Message cannot be received because custom webhook url is set. Go to cabinet, clear webhook url "
    "for instance: {} and wait for about 1 minute for another attempt"
)
UNAUTHORIZED_STATES = ("notAuthorized", "pendingCode", "pendingPassword")

DEFAULT_SETTINGS: dict[str, Any] = {
    "wid": "12025550100@c.us",
    "countryInstance": "",
    "typeAccount": "",
    "webhookUrl": "",
    "webhookUrlToken": "",
    "delaySendMessagesMilliseconds": 500,
    "markIncomingMessagesReaded": "no",
    "markIncomingMessagesReadedOnReply": "no",
    "sharedSession": "no",
    "proxyInstance": "no",
    "outgoingWebhook": "no",
    "outgoingMessageWebhook": "yes",
    "outgoingAPIMessageWebhook": "no",
    "incomingWebhook": "yes",
    "deviceWebhook": "no",
    "statusInstanceWebhook": "no",
    "stateWebhook": "yes",
    "enableMessagesHistory": "no",
    "keepOnlineStatus": "no",
    "pollMessageWebhook": "yes",
    "incomingBlockWebhook": "no",
    "incomingCallWebhook": "yes",
    "outgoingCallWebhook": "yes",
    "editedMessageWebhook": "yes",
    "deletedMessageWebhook": "yes",
    "linkPreview": "yes",
    "autoTyping": 0,
    "enableLidMode": "no",
}
YES_NO = ("yes", "no")
BOUNDS = {"delaySendMessagesMilliseconds": (500, 600_000), "autoTyping": (0, 600_000)}
STATES = (
    "authorized",
    "notAuthorized",
    "starting",
    "blocked",
    "sleepMode",
    "yellowCard",
    "suspended",
    "pendingCode",
    "pendingPassword",
)
CONDITIONS = {"expired": EXPIRED, "deleted": DELETED}  # of the account, whatever the state
REPORTED_ONLY = {"wid", "countryInstance", "typeAccount", "sharedSession", "proxyInstance", "typeInstance"}
NOTIFICATION_SETTINGS = tuple(name for name in DEFAULT_SETTINGS if name.endswith("Webhook"))


class Needs(Enum):
    """What a method needs the instance to be."""

    NOTHING = 0
    STARTED = 1
    NO_WEBHOOK_URL = 2
    AUTHORIZED = 3
    POLLING = 4


class Account:
    """Settings and state of one instance.

    A new one is authorized. All working notification types are on, except those about what the user
    sends: sending shouldn't fill the queue unasked.

    :param changed: Called after each change, so that open calls look again.
    """

    def __init__(
        self,
        id_instance: str,
        type_instance: str,
        clock: Clock,
        switches: Switches,
        changed: Callable[[], None],
    ) -> None:
        self.id_instance = id_instance
        self.type_instance = type_instance
        self._clock = clock
        self._switches = switches
        self._changed = changed
        self._state = "authorized"
        self._starting_until = 0.0
        self._webhook_until = 0.0
        self.settings = DEFAULT_SETTINGS | {"typeInstance": type_instance}

    @property
    def state(self) -> str:
        """The instance's state: ``starting`` while it restarts."""
        return "starting" if self._clock.now() < self._starting_until else self._state

    @state.setter
    def state(self, value: str) -> None:
        self._state = value
        self._starting_until = 0.0
        self._changed()

    @property
    def instance_data(self) -> dict[str, Any]:
        """The ``instanceData`` of notifications."""
        return {
            "idInstance": int(self.id_instance),
            "wid": self.settings["wid"],
            "typeInstance": self.type_instance,
        }

    @property
    def silent(self) -> bool:
        """Whether every kind of notification is switched off."""
        return all(self.settings[name] == "no" for name in NOTIFICATION_SETTINGS)

    def told_time(self) -> float:
        """UNIX time in seconds as the gateway tells it."""
        return self._clock.now() + self._switches.clock_offset

    def enabled(self, setting: str) -> bool:
        """Whether a setting that is ``"yes"`` or ``"no"`` is ``"yes"``."""
        return bool(self.settings[setting] == "yes")

    @staticmethod
    def problem_with(changes: dict[str, Any]) -> str | None:
        """What ``setSettings`` has against these changes, or ``None``."""
        for name, value in changes.items():
            if name not in DEFAULT_SETTINGS and name not in REPORTED_ONLY:
                return f"'{name}' is not allowed"
            problem = _problem_with(name, value)
            if problem:
                return f"'{name}' must be {problem}"
        return None

    def change(self, changes: dict[str, Any]) -> None:
        """Make settings effective at once.

        :raises ValueError: One of them is unknown or has a value that it can't have; none was changed.
        """
        problem = self.problem_with(changes)
        if problem:
            raise ValueError(problem)
        self.settings.update(changes)
        self._webhook_until = 0.0
        self._changed()

    def change_by_api(self, changes: dict[str, Any]) -> None:
        """Restart the instance and make settings effective when it is back, as ``setSettings`` does."""
        self.restart()
        wanted = {name: value for name, value in changes.items() if name not in REPORTED_ONLY}
        self._clock.later(self._switches.settings_delay, partial(self._apply, wanted))

    def restart(self) -> None:
        """Be ``starting`` for ``settings_delay`` seconds."""
        self._starting_until = self._clock.now() + self._switches.settings_delay
        self._changed()
        if self._switches.settings_delay:
            self._clock.later(self._switches.settings_delay, self._changed)

    def refusal(self, needs: Needs) -> str | None:
        """The text of the 400 that a method which needs this gets now, or ``None``."""
        condition = CONDITIONS.get(self._state)
        if condition or needs is Needs.NOTHING:
            return condition
        if self.state == "starting":
            return STARTING
        if needs in (Needs.AUTHORIZED, Needs.POLLING) and self._state in UNAUTHORIZED_STATES:
            return NOT_AUTHORIZED
        return self._webhook_refusal() if needs in (Needs.NO_WEBHOOK_URL, Needs.POLLING) else None

    def _webhook_refusal(self) -> str | None:
        if self.settings["webhookUrl"] or self._clock.now() < self._webhook_until:
            return WEBHOOK_URL_SET.format(self.id_instance)
        return None

    def _apply(self, changes: dict[str, Any]) -> None:
        if self.settings["webhookUrl"] and changes.get("webhookUrl") == "":
            self._webhook_until = self._clock.now() + self._switches.webhook_grace
        self.settings.update(changes)
        self._changed()


def _problem_with(name: str, value: Any) -> str | None:
    """What a setting must be, if this value isn't."""
    default = DEFAULT_SETTINGS.get(name, "")
    if default in YES_NO:
        return None if value in YES_NO else "one of [yes, no]"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a string"
    if isinstance(value, bool) or not isinstance(value, int):
        return "an integer" if isinstance(value, float) else "a number"
    low, high = BOUNDS[name]
    if value < low:
        return f"greater than or equal to {low}"
    return f"less than or equal to {high}" if value > high else None
