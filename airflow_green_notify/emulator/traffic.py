"""Notifications to fill a gateway with: the 80 examples, and endless realistic traffic."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count, islice
from typing import Any

PEOPLE = [
    (f"120255501{n:02d}", name) for n, name in enumerate(["Anna", "Boris", "Vera", "Gleb", "Dina", "Egor"], 1)
]
WORDS = (
    "order",
    "invoice",
    "parcel",
    "late",
    "thanks",
    "when",
    "where",
    "again",
    "broken",
    "blue",
    "ok",
)
OWN_ID = "12025550100@c.us"
PER_SECOND = 20  # how dense the timestamps of finite traffic lie

Body = dict[str, Any]


@cache
def _examples_text() -> str:
    return (files(__package__) / "notifications.ndjson").read_text(encoding="utf-8")


def example_notifications(*, recent: bool = False) -> list[Body]:
    """The 80 examples, every known kind of notification, each in its ``receiptId``/``body`` envelope.

    :param recent: Whether they happened in the last minutes, the last one now; order and gaps stay.
    """
    examples: list[Body] = [json.loads(line) for line in _examples_text().splitlines()]
    if recent:
        stamped = [example["body"] for example in examples if "timestamp" in example["body"]]
        shift = int(time.time()) - max(body["timestamp"] for body in stamped)
        for body in stamped:
            body["timestamp"] += shift
    return examples


def traffic(
    seed: int = 0,
    n: int | None = None,
    *,
    start: float | None = None,
    id_instance: int = 1101000001,
    type_instance: str = "whatsapp",
) -> Iterator[Body]:
    """Make realistic notification bodies: mostly texts and statuses, some media and calls.

    Each has an ``idMessage`` of its own, and the timestamps rise. The same seed gives the same bodies,
    timestamps aside.

    :param seed: Which traffic.
    :param n: How many; ``None``: endlessly, each stamped with the time at which it is taken.
    :param start: UNIX time of the first one. By default such that the last one is of now.
    :param id_instance: The instance the bodies name as their receiver.
    :param type_instance: Its product, ``whatsapp``, ``telegram`` or ``v3`` (MAX): each has chat ids, message
        ids, senders and statuses of its own.
    """
    rng = random.Random(seed)
    product = PRODUCTS[type_instance]
    bodies = (_body(rng, number, id_instance, product) for number in count())
    if n is None:
        for body in bodies:
            yield {**body, "timestamp": int(time.time())}
        return
    first = time.time() - n / PER_SECOND if start is None else start
    for number, body in enumerate(islice(bodies, n)):
        yield {**body, "timestamp": int(first + number / PER_SECOND)}


@dataclass(frozen=True)
class Product:
    """How the bodies of a product differ from those of the others."""

    name: str
    first_message: int
    kinds: tuple[int, ...]
    statuses: dict[str, int]

    def id_message(self, rng: random.Random, number: int) -> str:
        """The id of the message of this number."""
        noise = rng.getrandbits(32)
        return str(self.first_message + number) if self.first_message else f"3EB0{noise:08X}{number:08X}"

    def chat_id(self, phone: str) -> str:
        """The chat with a person: by phone number, or a number of the product's own."""
        return str(10_000_000 + int(phone[-2:])) if self.first_message else f"{phone}@c.us"

    def sender(self, phone: str, name: str) -> Body:
        """Who wrote."""
        chat_id = self.chat_id(phone)
        sender = {"chatId": chat_id, "chatName": name, "sender": chat_id, "senderName": name}
        more = {"chatType": "user", "senderType": "user", "senderPhoneNumber": int(phone)}
        return sender | {"senderContactName": ""} | (more if self.first_message else {})


SEEN = {"delivered": 30, "read": 30, "failed": 2}
PRODUCTS = {
    product.name: product
    for product in (
        Product("whatsapp", 0, (60, 12, 24, 4), {"sent": 30} | SEEN),
        Product("telegram", 5_242_880_000, (60, 12, 24, 0), SEEN),
        Product("v3", 115_000_000_000_000_000, (60, 12, 24, 0), SEEN),
    )
}


def _body(rng: random.Random, number: int, id_instance: int, product: Product) -> Body:
    make = rng.choices([_text, _media, _status, _call], product.kinds)[0]
    phone, name = rng.choice(PEOPLE)
    return {
        "typeWebhook": "",
        "instanceData": {"idInstance": id_instance, "wid": OWN_ID, "typeInstance": product.name},
        "timestamp": 0,
        "idMessage": product.id_message(rng, number),
        **make(rng, product, phone, name),
    }


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 20)))


def _text(rng: random.Random, product: Product, phone: str, name: str) -> Body:
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": _words(rng)}}
    return {
        "typeWebhook": "incomingMessageReceived",
        "senderData": product.sender(phone, name),
        "messageData": message,
    }


def _media(rng: random.Random, product: Product, phone: str, name: str) -> Body:
    kind, suffix, mime_type = rng.choice(
        [
            ("image", "jpg", "image/jpeg"),
            ("document", "pdf", "application/pdf"),
            ("audio", "oga", "audio/ogg"),
        ]
    )
    file_name = f"{rng.getrandbits(64):016x}.{suffix}"
    file_data = {
        "downloadUrl": f"https://media.example.org/{file_name}",
        "caption": _words(rng) if rng.random() < 0.5 else "",
        "fileName": file_name,
        "jpegThumbnail": "/9j/4AAQSkZJRgABAQ==" if kind == "image" else "",
        "isAnimated": False,
        "mimeType": mime_type,
        "forwardingScore": 0,
        "isForwarded": False,
    }
    return {
        "typeWebhook": "incomingMessageReceived",
        "senderData": product.sender(phone, name),
        "messageData": {"typeMessage": f"{kind}Message", "fileMessageData": file_data},
    }


def _status(rng: random.Random, product: Product, phone: str, name: str) -> Body:
    status = rng.choices(list(product.statuses), list(product.statuses.values()))[0]
    chat_id = product.chat_id(phone)
    return {"typeWebhook": "outgoingMessageStatus", "chatId": chat_id, "status": status, "sendByApi": True}


def _call(rng: random.Random, product: Product, phone: str, name: str) -> Body:
    status = rng.choice(["offer", "pickUp", "hangUp", "missed", "declined"])
    return {"typeWebhook": "incomingCall", "from": product.chat_id(phone), "status": status}
