"""The fields of a notification's body, each read from wherever its kind of notification carries it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_green_notify.contacts import as_contact, chat_kind, lid_of, phone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDECRYPTED = ("{{SWE001}}", "{{SWE003}}", "{{SWE999}}")
"""Texts in the place of one that could not be decrypted."""

DIRECTIONS = {
    "incomingMessageReceived": "incoming",
    "incomingCall": "incoming",
    "outgoingMessageReceived": "outgoing",
    "outgoingAPIMessageReceived": "outgoing",
    "outgoingMessageStatus": "outgoing",
    "outgoingCall": "outgoing",
}
_CHAT_TYPES = {
    "user": "private",
    "bot": "private",
    "group": "group",
    "supergroup": "group",
    "channel": "channel",
}
"""What Telegram and MAX say of a chat, whose ids alone don't tell channels from groups."""

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


def moment_of(timestamp: Any) -> datetime | None:
    """Return the moment that a timestamp in seconds stands for (aware, UTC), if it stands for any."""
    if not isinstance(timestamp, int | float) or isinstance(timestamp, bool):
        return None
    try:
        return _EPOCH + timedelta(seconds=timestamp)
    except (OverflowError, ValueError):
        return None


def texts_at(body: Any, path: str) -> set[str]:
    """Return the texts at a path of names with dots between them, which leads through every item of a list.

    Numbers, ``true`` and ``false`` are there as the text that JSON has for them.
    """
    values = [body]
    for name in path.split("."):
        values = [each[name] for each in _items(values) if isinstance(each, dict) and name in each]
    return {text for each in _items(values) if (text := _scalar_text(each)) is not None}


def _items(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list) else (value,)


def _scalar_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None


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
        return moment_of(self._at("timestamp"))

    @property
    def id_message(self) -> str | None:
        """The message's id; in MAX unique only within its chat."""
        return self._text("idMessage")

    @property
    def chat_id(self) -> str | None:
        """The conversation; for a call, the other side."""
        return self._text("senderData", "chatId") or self._text("chatId") or self._text("from")

    @property
    def chat_kind(self) -> str | None:
        """``private``, ``group``, ``channel``, ``status`` (a story) or ``broadcast`` (a list of receivers).

        ``None`` where the chat's id doesn't tell, as with ``null@c.us``.
        """
        told = _CHAT_TYPES.get(self._text("senderData", "chatType") or "")
        return told or (chat_kind(self.chat_id) if self.chat_id else None)

    @property
    def direction(self) -> str | None:
        """``incoming`` or ``outgoing``, of a message, a call, or the message whose status it is."""
        return DIRECTIONS.get(self.type_webhook or "")

    @property
    def sent_from(self) -> str | None:
        """What sent an outgoing message: ``phone`` (any device of the account) or ``api``."""
        by_api = self._at("sendByApi")
        if self.type_webhook == "outgoingMessageStatus" and isinstance(by_api, bool):
            return "api" if by_api else "phone"
        return {"outgoingMessageReceived": "phone", "outgoingAPIMessageReceived": "api"}.get(
            self.type_webhook or ""
        )

    @property
    def contact_ids(self) -> tuple[str, ...]:
        """The ids of the person at the other end: who wrote or called, or to whom it went.

        That may be two of one person, such as a phone number and a LID. Nobody is at the other end of what
        went to a group.
        """
        incoming = self.direction == "incoming"
        number = self._at("senderData", "senderPhoneNumber")
        ids = (
            self.sender if incoming else None,
            self.chat_id if self.chat_kind == "private" else None,
            as_contact(number) if incoming else None,
        )
        own = self._text("instanceData", "wid")
        return tuple(dict.fromkeys(each for each in ids if each and each != own))

    @property
    def phone(self) -> str | None:
        """The phone number, in digits, of the person at the other end; ``None`` where only a LID is shown."""
        return next(filter(None, map(phone_of, self.contact_ids)), None)

    @property
    def lid(self) -> str | None:
        """The LID of the person at the other end, such as ``200000000000042@lid``."""
        return next(filter(None, map(lid_of, self.contact_ids)), None)

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
