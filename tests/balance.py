"""What became of every notification: the gateway's audit beside the stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_green_notify.emulator import GatewayInstance
from airflow_green_notify.notification import Notification


@dataclass
class Balance:
    """The keys of what was pushed, by what is wrong with them; all empty if nothing is."""

    lost: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)


def balance(gateway: GatewayInstance, *stored: Any) -> Balance:
    """Compare the gateway's audit with the keys of what was stored, in any number of stores."""
    counts = _counts(stored)
    outcome = _balance(gateway, counts)
    return replace(outcome, twice={key for key, count in counts.items() if count > 1})


def balances(fleet: Iterable[GatewayInstance], *stored: Any) -> dict[str, Balance]:
    """Do so for each instance; return those that something is wrong with, by the instance's id."""
    counts = _counts(stored)
    outcomes = {instance.id_instance: _balance(instance, counts) for instance in fleet}
    return {id_instance: outcome for id_instance, outcome in outcomes.items() if outcome != Balance()}


def _counts(stored: Iterable[Any]) -> Counter[str]:
    return Counter(notification.key for batch in stored for notification in batch)


def _balance(instance: GatewayInstance, counts: Counter[str]) -> Balance:
    pushed = {key_of(entry["body"]) for entry in instance.audit()}
    waiting = {key_of(body) for body in instance.queue()}
    return Balance(
        lost=pushed - waiting - set(counts),
        waiting=waiting,
        twice={key for key in pushed if counts[key] > 1},
    )


def key_of(body: Any) -> str:
    return Notification(0, body).key
