"""People who write to the demo's instances all the time, and answer what is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count, cycle
from types import TracebackType
from typing import Any, Self

from airflow_green_notify.emulator import GatewayInstance, traffic

EVERY = 2.0  # seconds between two notifications of an instance
QUESTION_EVERY = 10  # of so many notifications of an instance, one is a question
QUESTIONS = ("When do you open?", "My parcel is broken. What now?", "Where do I find the invoice?")
HISTORY, HISTORY_SECONDS = 300, 12 * 3600  # notifications that wait when the demo begins, and since when


class Chats:
    """Fills the queues of instances until the ``with`` block ends."""

    def __init__(self, instances: Iterable[GatewayInstance]) -> None:
        self._instances = list(instances)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="chats", daemon=True)

    def __enter__(self) -> Self:
        for seed, instance in enumerate(self._instances):
            instance.reply("yes or no", "Yes, please", delay=3.0)
            instance.push(*_history(seed, instance))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        writing = [(each, _bodies(100 + seed, each)) for seed, each in enumerate(self._instances)]
        while not self._ended.wait(EVERY):
            for instance, bodies in writing:
                instance.push(next(bodies))


def _bodies(seed: int, instance: GatewayInstance) -> Iterator[dict[str, Any]]:
    questions = cycle(QUESTIONS)
    plain = traffic(seed, id_instance=int(instance.id_instance))
    for number in count(1):
        body = next(plain)
        yield body if number % QUESTION_EVERY else _asking(body, next(questions), number)


def _asking(body: dict[str, Any], question: str, number: int) -> dict[str, Any]:
    """Return a notification of somebody who asks."""
    chat_id, name = ("12025550101@c.us", "Anna") if number % 20 else ("12025550102@c.us", "Boris")
    return {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": body["instanceData"],
        "timestamp": body["timestamp"],
        "idMessage": f"3EB0{body['timestamp']:08X}{number:08X}",
        "senderData": {"chatId": chat_id, "chatName": name, "sender": chat_id, "senderName": name},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": question}},
    }


def _history(seed: int, instance: GatewayInstance) -> Iterator[dict[str, Any]]:
    """Return what came in the last hours, and still waits."""
    start = time.time() - HISTORY_SECONDS
    for number, body in enumerate(traffic(seed, HISTORY, id_instance=int(instance.id_instance))):
        yield body | {"timestamp": int(start + number * HISTORY_SECONDS / HISTORY)}
