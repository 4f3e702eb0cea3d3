"""The fields of a notification's body, each read from wherever its kind of notification carries it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDECRYPTED = ("{{SWE001}}", "{{SWE003}}")
"""Texts in the place of one that could not be decrypted."""

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
_QUOTED_ID_FIELDS = tuple(
    (payload, "stanzaId")
    for payload in (
        "quotedMessage",
        "extendedTextMessageData",
        "editedMessageData",
        "deletedMessageData",
        "pollMessageData",
        "buttonsResponseMessage",
        "listResponseMessage",
        "templateButtonReplyMessage",
    )
)


class BodyFields:
    """Reads a body leniently: where it lacks a field, or has it in an unexpected form, that is ``None``."""

    body: Any

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
