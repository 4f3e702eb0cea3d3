"""Who pushes, who disturbs as another consumer, and who asks for approvals, each in a thread of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests

from airflow_green_notify.emulator import traffic
from airflow_green_notify.notification import Notification
from tests.benchmarks.many_instances import Instances
from tests.production.airflow import ProductionAirflow


class Pusher:
    """Pushes realistic traffic, to one instance after the other, and notes what.

    The gateway's audit is not asked for that: what it had dropped would be missing on both sides.
    """

    def __init__(self, gateway: Instances, seed: int) -> None:
        self._gateway = gateway
        self._bodies: list[tuple[str, Iterator[dict[str, Any]]]] = [
            (instance, traffic(seed * 1000 + number, id_instance=int(instance)))
            for number, instance in enumerate(gateway.ids)
        ]
        self.keys: list[str] = []

    def push(self) -> None:
        """Push the next one."""
        instance, bodies = self._bodies[len(self.keys) % len(self._bodies)]
        body = next(bodies)
        self._gateway.push(instance, body)
        self.keys.append(Notification(0, body).key)


@dataclass(frozen=True)
class Taken:
    """What the other consumer received and then deleted.

    :param confirmed: Whether the gateway said so.
    :param began: UNIX time at which it sent the delete.
    :param ended: UNIX time at which that was answered, or was cut.
    """

    key: str
    confirmed: bool
    began: float
    ended: float


class OtherConsumer:
    """Takes notifications from queues that are not its own: receives one, and deletes it."""

    def __init__(self, gateway: Instances, seed: int) -> None:
        self._gateway = gateway
        self._chance = random.Random(seed)
        self._session = requests.Session()
        self.taken: list[Taken] = []

    def take(self) -> None:
        """Take the head of some queue, if there is one and the gateway lets it."""
        instance = self._chance.choice(self._gateway.instances)
        base = f"{self._gateway.url}/waInstance{instance['idInstance']}"
        token = instance["apiTokenInstance"]
        try:
            answer = self._session.get(
                f"{base}/receiveNotification/{token}", params={"receiveTimeout": 5}, timeout=60
            )
            received = answer.json() if answer.status_code == 200 else None
        except (requests.RequestException, ValueError):
            return
        if received:
            self._delete(f"{base}/deleteNotification/{token}/{received['receiptId']}", received["body"])

    def _delete(self, url: str, body: Any) -> None:
        began = time.time()
        try:
            answer = self._session.delete(url, timeout=60)
            result = answer.json().get("result") if answer.status_code == 200 else None
        except (requests.RequestException, ValueError):
            result = None
        if result is not False:
            self.taken.append(Taken(Notification(0, body).key, result is True, began, time.time()))


class Asker:
    """Starts one run after the other that asks for an approval.

    :param airflow: If it doesn't answer, it isn't asked again: what it did start is in its database.
    """

    def __init__(self, airflow: ProductionAirflow, seed: int) -> None:
        self._airflow = airflow
        self._chance = random.Random(seed)
        self.runs: list[str] = []

    def ask(self) -> None:
        """Ask by some instance."""
        number = self._chance.randrange(len(self._airflow.gateway.ids))
        with suppress(TimeoutError):
            self.runs.append(self._airflow.trigger("approval", connection=f"green_api_{number}"))
