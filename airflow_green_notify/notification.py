"""One item of the gateway's queue: its key, its fields, its JSON form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from airflow_green_notify import portable_json
from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.json_text import canonical_json as canonical_json
from airflow_green_notify.json_text import to_text
from airflow_green_notify.printable import NAME, printable

MAX_XCOM_BYTES = 256 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDECRYPTED = ("{{SWE001}}", "{{SWE003}}")
"""Texts in the place of one that could not be decrypted."""

_KEY = re.compile("[0-9a-f]{32}")

_TEXT_FIELDS = (
    ("textMessageData", "textMessage"),
    ("extendedTextMessageData", "text"),
    ("fileMessageData", "caption"),
    ("editedMessageData", "textMessage"),
    ("editedMessageData", "caption"),
    ("buttonsResponseMessage", "selectedButtonText"),
    ("listResponseMessage", "title"),
    ("templateButtonReplyMessage", "selectedDisplayText"),
    ("interactiveButtonsReply", "contentText"),
    ("interactiveButtons", "contentText"),
    ("buttonsMessage", "contentText"),
    ("listMessage", "contentText"),
    ("templateMessage", "contentText"),
    ("pollMessageData", "name"),
    ("groupInviteMessageData", "caption"),
)
_QUOTED_ID_FIELDS = (
    ("quotedMessage", "stanzaId"),
    ("extendedTextMessageData", "stanzaId"),
    ("editedMessageData", "stanzaId"),
    ("deletedMessageData", "stanzaId"),
    ("pollMessageData", "stanzaId"),
    ("buttonsResponseMessage", "stanzaId"),
    ("listResponseMessage", "stanzaId"),
    ("templateButtonReplyMessage", "stanzaId"),
)


def _aware(moment: datetime) -> datetime:
    """Return a moment in UTC. One without a zone can't be compared with others."""
    if moment.tzinfo is None:
        raise ValueError("received_at has no time zone")
    return moment.astimezone(UTC)


@dataclass(frozen=True, repr=False)
class Notification:
    """A notification as the gateway handed it out.

    The fields are read leniently: where the body lacks one, or carries it in an unexpected form, the
    property is ``None``. The body itself is always kept whole.

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

    def _text(self, *path: str) -> str | None:
        value = self._at(*path)
        return value if isinstance(value, str) else None

    def _at(self, *path: str) -> Any:
        value = self.body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _first_of(self, fields: Iterable[tuple[str, str]]) -> str | None:
        """Return the first text among fields of the payloads that a message may have."""
        message = self._at("messageData")
        if not isinstance(message, dict):
            return None
        for payload, name in fields:
            if isinstance(inner := message.get(payload), dict) and isinstance(text := inner.get(name), str):
                return text
        return None

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

    @property
    def type_webhook(self) -> str | None:
        """The kind of notification, such as ``incomingMessageReceived``; unknown kinds are normal."""
        return self._text("typeWebhook")

    @property
    def type_message(self) -> str | None:
        """The kind of message, such as ``textMessage``."""
        return self._text("messageData", "typeMessage")

    @property
    def instance_id(self) -> str | None:
        """The instance's id, as digits."""
        value = self._at("instanceData", "idInstance")
        return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None

    @property
    def type_instance(self) -> str | None:
        """The product: ``whatsapp``, ``telegram`` or ``v3`` (MAX)."""
        return self._text("instanceData", "typeInstance")

    @property
    def timestamp(self) -> datetime | None:
        """When the event happened (aware, UTC; the gateway counts in seconds)."""
        value = self._at("timestamp")
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            return _EPOCH + timedelta(seconds=value)
        except (OverflowError, ValueError):
            return None

    @property
    def id_message(self) -> str | None:
        """The message's id; in MAX unique only within its chat."""
        return self._text("idMessage")

    @property
    def chat_id(self) -> str | None:
        """The conversation; for a call, the other side."""
        return self._text("senderData", "chatId") or self._text("chatId") or self._text("from")

    @property
    def sender(self) -> str | None:
        """The author; for a call, the other side."""
        return self._text("senderData", "sender") or self._text("from")

    @property
    def sender_name(self) -> str | None:
        """The author's name as the author set it."""
        return self._text("senderData", "senderName")

    @property
    def text(self) -> str | None:
        """The words a person wrote or chose: text, caption, or the label of a pressed button."""
        return self._first_of(_TEXT_FIELDS)

    @property
    def status(self) -> str | None:
        """The delivery status of a sent message, or the phase of a call."""
        return self._text("status")

    @property
    def state(self) -> str | None:
        """The instance's new state, such as ``notAuthorized``."""
        return self._text("stateInstance") or self._text("statusInstance")

    @property
    def download_url(self) -> str | None:
        """Where the file lies. Anyone who holds the link can read the file, so don't log it."""
        return self._text("messageData", "fileMessageData", "downloadUrl")

    @property
    def file_name(self) -> str | None:
        """The file's name as its sender gave it."""
        return self._text("messageData", "fileMessageData", "fileName")

    @property
    def mime_type(self) -> str | None:
        """The file's MIME type."""
        return self._text("messageData", "fileMessageData", "mimeType")

    @property
    def quoted_id(self) -> str | None:
        """The id of the message that this one answers, edits, deletes or votes on."""
        return self._first_of(_QUOTED_ID_FIELDS)

    @property
    def is_undecrypted(self) -> bool:
        """Whether the text is only a marker; a second notification with the same message id may follow."""
        return self.text in UNDECRYPTED

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
