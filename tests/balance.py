"""What became of every notification: the gateway's audit beside the stores."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notification import Notification


@dataclass
class Balance:
    """The keys of what was pushed, by what is wrong with them; all empty if nothing is."""

    lost: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)


def balance(gateway: GreenApiEmulator, *stored: Any) -> Balance:
    """Compare the gateway's audit with the keys of what was stored, in any number of stores."""
    counts = Counter(notification.key for batch in stored for notification in batch)
    pushed = {key_of(entry["body"]) for entry in gateway.audit()}
    waiting = {key_of(body) for body in gateway.queue()}
    return Balance(
        lost=pushed - waiting - set(counts),
        waiting=waiting,
        twice={key for key, count in counts.items() if count > 1},
    )


def key_of(body: Any) -> str:
    return Notification(0, body).key
