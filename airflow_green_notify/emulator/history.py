"""What an instance knows of its messages, received and sent: the form in which journals show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.notification_queue import NotificationQueue, QueuedNotification
from airflow_green_notify.emulator.outbox import Outbox
from airflow_green_notify.emulator.people import People
from airflow_green_notify.emulator.sent_message import SentMessage

INCOMING = "incomingMessageReceived"
FROM_PHONE = "outgoingMessageReceived"
BY_API = "outgoingAPIMessageReceived"
SETTINGS = {  # what is sent by API is always kept
    INCOMING: ("incomingWebhook",),
    FROM_PHONE: ("outgoingMessageWebhook",),
    "incomingCall": ("incomingWebhook", "incomingCallWebhook"),
    "outgoingCall": ("outgoingCallWebhook",),
}
PLAIN_FIELDS = {"locationMessageData": "location", "contactMessageData": "contact"}

Entry = dict[str, Any]


@dataclass
class Change:
    """What became of a message later: an edit, a deletion, each a message of its own."""

    edited_id: str = ""
    field: str = "textMessage"
    text: str = ""
    deleted_id: str = ""


class History:
    """The messages of one instance; what came while its setting was off isn't among them."""

    def __init__(self, account: Account, queue: NotificationQueue, outbox: Outbox, people: People) -> None:
        self._account = account
        self._queue = queue
        self._outbox = outbox
        self._people = people
        self._unkept: set[str] = set()
        self._changes: dict[str, Change] = {}

    def note(self, body: Any) -> None:
        """Take a notification into account that is pushed now."""
        if not isinstance(body, dict) or not isinstance(body.get("typeWebhook"), str):
            return
        settings = SETTINGS.get(body["typeWebhook"], ())
        id_message = body.get("idMessage")
        if isinstance(id_message, str) and not all(map(self._account.enabled, settings)):
            self._unkept.add(id_message)
        data = _object(body, "messageData")
        self.edit(str(id_message), _object(data, "editedMessageData"))
        self.delete(str(id_message), _object(data, "deletedMessageData"))

    def edit(self, id_message: str, data: Entry) -> None:
        """Let a message say something else from now on."""
        stanza_id = data.get("stanzaId")
        for name in ("textMessage", "caption"):
            if isinstance(stanza_id, str) and isinstance(data.get(name), str):
                change = self._changes.setdefault(stanza_id, Change())
                change.edited_id, change.field, change.text = id_message, name, data[name]

    def delete(self, id_message: str, data: Entry) -> None:
        """Mark a message as deleted."""
        stanza_id = data.get("stanzaId")
        if isinstance(stanza_id, str):
            self._changes.setdefault(stanza_id, Change()).deleted_id = id_message

    def find(self, chat_id: str, id_message: str) -> Entry | None:
        """The ``messageData`` of a message of a chat; ``None`` if there is none."""
        key, sent = self._people.key(chat_id), self._outbox.by_id.get(id_message)
        if sent is not None:
            return sent.data if self._people.key(sent.chat_id) == key else None
        for body in self._bodies((INCOMING, FROM_PHONE, BY_API), float("-inf"), float("inf"), id_message):
            chat = _object(body, "senderData").get("chatId")
            if (
                body.get("idMessage") == id_message
                and isinstance(chat, str)
                and self._people.key(chat) == key
            ):
                return _object(body, "messageData")
        return None

    def messages(self, latest: float, part: str) -> Iterator[Entry]:
        """Bodies of all messages that no send method took, newest first."""
        for body in self._bodies((INCOMING, FROM_PHONE, BY_API), float("-inf"), latest, part):
            if body["typeWebhook"] == INCOMING or not self._was_sent(body):
                yield body

    def entry(self, body: Entry, statuses: dict[Any, Any]) -> Entry:
        """The journals' form of a message that no send method took."""
        is_incoming = body["typeWebhook"] == INCOMING
        return self.incoming_entry(body) if is_incoming else self.outgoing_entry(body, statuses)

    def received(self, earliest: float, latest: float, part: str = "") -> Iterator[Entry]:
        """Bodies of messages that came in, newest first; of those alone in which the part stands."""
        return self._bodies((INCOMING,), earliest, latest, part)

    def sent_elsewhere(self, earliest: float, latest: float, part: str = "") -> Iterator[Entry]:
        """Bodies of messages that went out and that no send method took, newest first."""
        for body in self._bodies((FROM_PHONE, BY_API), earliest, latest, part):
            id_message = body.get("idMessage")
            if not (isinstance(id_message, str) and id_message in self._outbox.by_id):
                yield body

    def sent(self, earliest: float, latest: float) -> Iterator[SentMessage]:
        """What send methods took, and what has left the send queue, newest first."""
        for message in reversed(self._outbox.messages):
            if message.delivered_at is not None and earliest <= message.delivered_at <= latest:
                yield message

    def calls(self, kind: str, earliest: float, latest: float) -> Iterator[Entry]:
        """Bodies of notifications of calls, newest first."""
        return self._bodies((kind,), earliest, latest, "")

    def statuses(self, earliest: float, latest: float, part: str = "") -> dict[Any, Any]:
        """The newest status of each message that notifications tell of."""
        statuses: dict[Any, Any] = {}
        for body in self._bodies(("outgoingMessageStatus",), earliest, latest, part):
            if isinstance(body.get("idMessage"), str):
                statuses.setdefault(body["idMessage"], body.get("status"))
        return statuses

    def incoming_entry(self, body: Entry) -> Entry:
        """The journals' form of a message that came in."""
        return self._entry("incoming", body)

    def outgoing_entry(self, body: Entry, statuses: dict[Any, Any]) -> Entry:
        """The journals' form of a message that went out without a send method."""
        id_message = body.get("idMessage")
        status = statuses.get(id_message, "sent") if isinstance(id_message, str) else "sent"
        return self._entry("outgoing", body) | {
            "statusMessage": status,
            "sendByApi": body["typeWebhook"] == BY_API,
        }

    def sent_entry(self, message: SentMessage) -> Entry:
        """The journals' form of a message that a send method took.

        That it gives the reason of a ``failed`` is inferred: the vendor shows it in the notification only.
        """
        entry = {
            "type": "outgoing",
            "idMessage": message.id_message,
            "timestamp": int(message.delivered_at or message.at),
            "typeMessage": message.data["typeMessage"],
            "chatId": self._people.shown(message.chat_id),
            **self.payload(message.data),
            "statusMessage": message.known_status or "pending",
            "sendByApi": True,
        }
        if message.description and message.known_status == message.status:
            entry["description"] = message.description
        return entry | self._marks(message.id_message, message.data)

    def _bodies(self, kinds: tuple[str, ...], earliest: float, latest: float, part: str) -> Iterator[Entry]:
        needle = json.dumps(part)[1:-1].encode("ascii")
        for item in self._queue.newest_first():
            if item.pushed_at < earliest:
                return
            if item.pushed_at <= latest and needle in item.raw:
                yield from self._kept(item, kinds)

    def _was_sent(self, body: Entry) -> bool:
        id_message = body.get("idMessage")
        return isinstance(id_message, str) and id_message in self._outbox.by_id

    def _kept(self, item: QueuedNotification, kinds: tuple[str, ...]) -> Iterator[Entry]:
        body = json.loads(item.raw)
        if isinstance(body, dict) and body.get("typeWebhook") in kinds:
            id_message = body.get("idMessage")
            if not (isinstance(id_message, str) and id_message in self._unkept):
                yield body

    def _entry(self, direction: str, body: Entry) -> Entry:
        sender, message = _object(body, "senderData"), _object(body, "messageData")
        entry = {
            "type": direction,
            "idMessage": body.get("idMessage", ""),
            "timestamp": body.get("timestamp", 0),
            "typeMessage": message.get("typeMessage", ""),
            "chatId": self._shown(sender.get("chatId", "")),
            "senderId": self._shown(sender.get("sender", "")),
            "senderName": sender.get("senderName", ""),
            "senderContactName": sender.get("senderContactName", ""),
            **self.payload(message),
        }
        return entry | self._marks(body.get("idMessage"), message)

    def payload(self, message: Entry) -> Entry:
        """The payload in the journals' form: what ``…MessageData`` holds lies one level higher."""
        flat: Entry = {}
        for name, value in message.items():
            if name in ("textMessageData", "fileMessageData"):
                flat |= value if isinstance(value, dict) else {}
            elif name == "extendedTextMessageData":
                flat |= {"textMessage": _object(message, name).get("text", ""), "extendedTextMessage": value}
            elif name == "quotedMessage" and isinstance(value, dict) and "participant" in value:
                flat[name] = value | {"participant": self._shown(value["participant"])}
            elif name != "typeMessage":
                flat[PLAIN_FIELDS.get(name, name)] = value
        return flat

    def _marks(self, id_message: Any, data: Entry) -> Entry:
        """What journals say of edits and deletions, and the text as it is now."""
        if data.get("typeMessage") in ("editedMessage", "deletedMessage"):
            return {}
        change = self._changes.get(id_message, Change()) if isinstance(id_message, str) else Change()
        marks: Entry = {"deletedMessageId": change.deleted_id, "editedMessageId": change.edited_id}
        marks |= {"isEdited": bool(change.edited_id), "isDeleted": bool(change.deleted_id)}
        if change.edited_id:
            marks[change.field] = change.text
            if "extendedTextMessageData" in data:
                extended = _object(data, "extendedTextMessageData")
                marks["extendedTextMessage"] = extended | {"text": change.text}
        return marks

    def _shown(self, chat_id: Any) -> Any:
        return self._people.shown(chat_id) if isinstance(chat_id, str) else chat_id


def _object(holder: Entry, name: str) -> Entry:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
