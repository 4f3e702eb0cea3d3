"""One item of the gateway's queue: its key, its fields, its JSON form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from airflow_green_notify import portable_json
from airflow_green_notify.body import BodyFields
from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.json_text import canonical_json, to_text
from airflow_green_notify.printable import NAME, printable

MAX_XCOM_BYTES = 256 * 1024

_KEY = re.compile("[0-9a-f]{32}")


def _aware(moment: datetime) -> datetime:
    """Return a moment in UTC. One without a zone can't be compared with others."""
    if moment.tzinfo is None:
        raise ValueError("received_at has no time zone")
    return moment.astimezone(UTC)


@dataclass(frozen=True, repr=False)
class Notification(BodyFields):
    """A notification as the gateway handed it out.

    Its fields are read leniently, and the body itself is always kept whole.

    :param receipt_id: The gateway's handle for deleting what it just handed out. A small counter that
        restarts: good for one delete, never an identity.
    :param body: The gateway's JSON, unchanged.
    :param received_at: When it was received (aware, UTC).
    :param key: Identity from the content: the first 32 hex digits of the SHA-256 of the body's canonical
        JSON. Computed when left out.
    :param key_is_checked: ``False`` for a notification from outside whose key is not that of its body, be it
        that a thumbnail was left out on the way, be it that somebody made it up. No store takes it.
    """

    receipt_id: int
    body: Any
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    key: str = ""
    key_is_checked: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.content_key)
        elif not _KEY.fullmatch(self.key):
            raise ValueError(f"key is '{printable(self.key, NAME)}'; it must be 32 hex digits, 0-9 and a-f.")

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        kind = self.type_webhook
        shown = None if kind is None else f"'{printable(kind, NAME)}'"
        return f"Notification(key={self.key!r}, receipt_id={self.receipt_id}, type_webhook={shown})"

    @property
    def content_key(self) -> str:
        """The key of the body as it is here."""
        return hashlib.sha256(canonical_json(self.body).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def is_meant_by(self, other: Notification) -> bool:
        """Tell whether another one is this notification, whole or as it came through XCom.

        A key that could not be checked does not suffice: but for thumbnails, the bodies must be equal too.
        """
        if other.key != self.key:
            return False
        return other.key_is_checked or self._without_thumbnails().content_key == other.content_key

    def as_row(self) -> dict[str, Any]:
        """Return the flat row of a table: one value per column, the whole body as JSON text.

        ``status`` holds the state for notifications about the instance itself. NUL and lone surrogates, which
        databases refuse in text, become U+FFFD in the columns; in ``body`` they alone are JSON escapes, so
        nothing is lost, whatever it holds and however deeply it is nested.
        """
        row = {
            "key": self.key,
            "instance_id": self.instance_id,
            "type_webhook": self.type_webhook,
            "type_message": self.type_message,
            "notified_at": self.timestamp,
            "received_at": self.received_at,
            "chat_id": self.chat_id,
            "sender": self.sender,
            "sender_name": self.sender_name,
            "id_message": self.id_message,
            "text": self.text,
            "status": self.status or self.state,
            "download_url": self.download_url,
            "file_name": self.file_name,
            "mime_type": self.mime_type,
            "quoted_id": self.quoted_id,
        }
        portable = {
            name: portable_json.storable(value) if isinstance(value, str) else value
            for name, value in row.items()
        }
        return portable | {"body": to_text(self.body)}

    def as_dict(self, *, thumbnails: bool = True) -> dict[str, Any]:
        """Return the one JSON form, of XCom and of files: ``{"key", "receipt_id", "received_at", "body"}``.

        ``body`` is always the gateway's object, or ``None``, so that it has one type for JSON columns and
        query engines (DuckDB, Spark, jq). Where it holds what some refuse or change, it is the nearest that
        all take, and ``body_text`` beside it is the exact body as JSON text. In ``body``, NUL and lone
        surrogates are U+FFFD then. ``None`` stands for NaN, Infinity (from the gateway they come as text)
        and integers beyond 64 bits, since a text would change a column's type; for objects with
        ``__reserved__`` names, what lies below thirty levels, and a body that is no object. Floats written
        with an exponent, and ``-0.0``, stay, though JSONB changes them.

        :meth:`from_dict` reads both.

        :param thumbnails: Whether ``jpegThumbnail`` stays in; the key is that of the whole either way.
        """
        body = self.body if thumbnails else self._without_thumbnails().body
        return {
            "key": self.key,
            "receipt_id": self.receipt_id,
            "received_at": self.received_at.isoformat(),
            **portable_json.to_members("body", body),
        }

    def _without_thumbnails(self) -> Notification:
        """Return it without thumbnails; they are looked for where messages have them, not at any depth."""
        return replace(self, body=portable_json.without_members("jpegThumbnail", self.body))

    def as_xcom(self, max_bytes: int = MAX_XCOM_BYTES) -> dict[str, Any]:
        """Return :meth:`as_dict` without thumbnails, for XCom and events.

        :param max_bytes: Hard limit of its size as JSON.
        :raises GreenApiPayloadError: It is larger.
        """
        value = self.as_dict(thumbnails=False)
        size = len(json.dumps(value))
        if size > max_bytes:
            raise GreenApiPayloadError(
                f"Notification {self.key} has {size} bytes, more than max_xcom_bytes={max_bytes}; it stays "
                "in the queue. Use GreenApiDrainNotificationsOperator, whose stores take any size."
            )
        return value

    def serialize(self) -> NoReturn:
        """Refuse to become an XCom, which Airflow would write, and the next task could not read.

        :raises TypeError: Always.
        """
        raise TypeError(
            "A Notification can't be handed from task to task. Return notification.as_xcom(), which "
            "Notification.from_dict() reads in the next task; for many, hand on the batch."
        )

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, trusted: bool = False) -> Notification:
        """Return the notification that :meth:`as_dict` wrote.

        Whoever may write an XCom, an asset event or a run's conf may write this, so the key is computed
        anew. Where it is another, as without a thumbnail, ``key_is_checked`` is ``False``.

        :param trusted: Whether it comes from a store of ours, whose keys were checked before.
        :raises ValueError: ``value`` is not of that form.
        """
        try:
            found = cls(
                receipt_id=int(value["receipt_id"]),
                body=portable_json.from_members(value, "body"),
                received_at=_aware(datetime.fromisoformat(value["received_at"])),
                key=value["key"] or "missing",
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                'Not a notification: expected {"key", "receipt_id", "received_at", "body"}, '
                "the result of GreenApiReceiveNotificationOperator or Notification.as_dict() "
                f"({printable(repr(error))})."
            ) from None
        return found if trusted else replace(found, key_is_checked=found.key == found.content_key)
