"""One emulated instance: queue, account, faults and rates behind one id and one token."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Any

from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.faults import FaultScript
from airflow_green_notify.emulator.notification_queue import NotificationQueue
from airflow_green_notify.emulator.rates import Rates
from airflow_green_notify.emulator.switches import Switches

TYPES = ("whatsapp", "telegram", "v3")
REQUESTS_KEPT = 1_000_000


class Instance:
    """What the gateway knows of one instance. All of it belongs to the event loop of the emulator."""

    def __init__(
        self, clock: Clock, switches: Switches, *, id_instance: str, api_token: str | None, type_instance: str
    ) -> None:
        if not id_instance.isdecimal():
            raise ValueError(f"id_instance must be digits, not {id_instance!r}")
        if type_instance not in TYPES:
            raise ValueError(f"type_instance must be one of {', '.join(TYPES)}, not {type_instance!r}")
        self.id_instance = id_instance
        self.api_token = api_token or secrets.token_hex(25)
        self.type_instance = type_instance
        self.clock = clock
        self.switches = switches
        self.queue = NotificationQueue(clock, switches)
        self.account = Account(id_instance, type_instance, clock, switches)
        self.faults = FaultScript()
        self.rates = Rates(type_instance)
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.cleared_at = float("-inf")
        self._count = 0
        self._count_until = float("-inf")

    def note_request(self, method: str, verb: str) -> dict[str, Any]:
        """Write a request into the log; the status follows once it is known."""
        record = {"method": method, "verb": verb, "at": time.time(), "status": None, "fault": None}
        self.requests.append(record)
        return record

    def set_state(self, state: str) -> None:
        """Put the instance into a state."""
        self.account.state = state

    def reported_count(self) -> int:
        """The figure of ``getWebhooksCount``: perhaps an old one, perhaps a wrong zero."""
        if self.switches.count_wrong_zero:
            return 0
        now = self.clock.now()
        if now >= self._count_until:
            self.queue.expire()
            self._count = self.queue.count
            self._count_until = now + self.switches.count_refresh
        return self._count
