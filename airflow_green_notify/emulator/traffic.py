"""Notifications to fill a gateway with: the 80 examples, and endless realistic traffic."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
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
FIRST_NUMBER = 5242980000  # of messages on Telegram and MAX
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
    :param type_instance: Its product. Telegram and MAX have numbers as ids, and no calls.
    """
    rng = random.Random(seed)
    bodies = (_body(rng, number, id_instance, type_instance) for number in count())
    if n is None:
        for body in bodies:
            yield {**body, "timestamp": int(time.time())}
        return
    first = time.time() - n / PER_SECOND if start is None else start
    for number, body in enumerate(islice(bodies, n)):
        yield {**body, "timestamp": int(first + number / PER_SECOND)}


def _body(rng: random.Random, number: int, id_instance: int, type_instance: str) -> Body:
    on_whatsapp = type_instance == "whatsapp"
    make = rng.choices([_text, _media, _status, _call], [60, 12, 24, 4 * on_whatsapp])[0]
    phone, name = rng.choice(PEOPLE)
    id_message = f"3EB0{rng.getrandbits(32):08X}{number:08X}"
    body = {
        "typeWebhook": "",
        "instanceData": {"idInstance": id_instance, "wid": OWN_ID, "typeInstance": type_instance},
        "timestamp": 0,
        "idMessage": id_message if on_whatsapp else str(FIRST_NUMBER + number),
        **make(rng, f"{phone}@c.us" if on_whatsapp else phone, name),
    }
    return body if on_whatsapp else _of_other_product(body, int(phone))


def _of_other_product(body: Body, phone: int) -> Body:
    """What Telegram and MAX say beyond it, and without a status that they don't have."""
    if "senderData" in body:
        kinds = {"chatType": "user", "senderType": "user", "senderPhoneNumber": phone}
        body["senderData"] |= kinds
    if body.get("status") == "sent":
        body["status"] = "delivered"
    return body


def _sender(chat_id: str, name: str) -> Body:
    return {
        "chatId": chat_id,
        "chatName": name,
        "sender": chat_id,
        "senderName": name,
        "senderContactName": "",
    }


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 20)))


def _text(rng: random.Random, chat_id: str, name: str) -> Body:
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": _words(rng)}}
    return {
        "typeWebhook": "incomingMessageReceived",
        "senderData": _sender(chat_id, name),
        "messageData": message,
    }


def _media(rng: random.Random, chat_id: str, name: str) -> Body:
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
        "senderData": _sender(chat_id, name),
        "messageData": {"typeMessage": f"{kind}Message", "fileMessageData": file_data},
    }


def _status(rng: random.Random, chat_id: str, name: str) -> Body:
    status = rng.choices(["sent", "delivered", "read", "failed"], [30, 30, 30, 2])[0]
    return {"typeWebhook": "outgoingMessageStatus", "chatId": chat_id, "status": status, "sendByApi": True}


def _call(rng: random.Random, chat_id: str, name: str) -> Body:
    status = rng.choice(["offer", "pickUp", "hangUp", "missed", "declined"])
    return {"typeWebhook": "incomingCall", "from": chat_id, "status": status}
