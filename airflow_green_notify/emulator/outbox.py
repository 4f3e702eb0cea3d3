"""What an instance sends: its send queue, what becomes of each message, and who replies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from airflow_green_notify.emulator import bodies
from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.switches import Switches

RETENTION = 24 * 3600  # seconds for which the send queue keeps a message
DELIVERING_STATES = ("authorized", "yellowCard", "starting", "sleepMode")
STATUSES = {"whatsapp": ("sent", "delivered", "read")}
OTHER_STATUSES = ("delivered", "read")  # Telegram and MAX have no "sent"
ALWAYS_NOTIFIED = ("noAccount", "failed")
FIRST_NUMBER = {"telegram": 5242880000, "v3": 115000000000000000}
OWN_CHAT = "10000042"  # on Telegram and MAX


@dataclass
class SentMessage:
    """A message that a send method accepted."""

    id_message: str
    chat_id: str
    method: str
    content: dict[str, Any]
    quoted_id: str | None
    at: float
    due: float
    delivered_at: float | None = None
    cleared_at: float | None = None
    status: str = "pending"

    @property
    def text(self) -> str:
        """What it says: the message or the caption of the file."""
        return str(self.content.get("message") or self.content.get("caption") or "")

    def as_dict(self) -> dict[str, Any]:
        """The record of it that tests read."""
        return {
            "idMessage": self.id_message,
            "chatId": self.chat_id,
            "method": self.method,
            **self.content,
            "quotedMessageId": self.quoted_id,
            "at": self.at,
            "delivered_at": self.delivered_at,
            "cleared_at": self.cleared_at,
            "status": self.status,
        }


@dataclass
class ReplyRule:
    """Who is answered to what, and with what."""

    pattern: re.Pattern[str]
    text: str
    delay: float
    chat_id: str | None
    quoted: bool

    def matches(self, message: SentMessage) -> bool:
        """Whether this message gets the reply."""
        return self.chat_id in (None, message.chat_id) and bool(self.pattern.search(message.text))


class Outbox:
    """Takes messages, delivers them one after the other, and notifies of it as the settings say."""

    def __init__(
        self, account: Account, clock: Clock, switches: Switches, push: Callable[[Iterable[Any]], int]
    ) -> None:
        self._account = account
        self._clock = clock
        self._switches = switches
        self._push = push
        self._numbers = count(FIRST_NUMBER.get(account.type_instance, 0))
        self._last_due = 0.0
        self.messages: list[SentMessage] = []
        self.waiting: dict[str, SentMessage] = {}
        self.chats: set[str] = set()
        self.replies: list[ReplyRule] = []
        self.statuses: dict[str | None, tuple[str, ...]] = {
            None: STATUSES.get(account.type_instance, OTHER_STATUSES)
        }

    def send(self, method: str, chat_id: str, content: dict[str, Any], quoted_id: str | None) -> str:
        """Take a message into the send queue and return its ``idMessage``."""
        now = self._clock.now()
        self._last_due = max(now, self._last_due) + self._switches.send_delay
        message = SentMessage(self.new_id(), chat_id, method, content, quoted_id, now, self._last_due)
        self.chats.add(chat_id)
        self.messages.append(message)
        self.waiting[message.id_message] = message
        self._clock.later(message.due - now, self.deliver_due)
        return message.id_message

    def deliver_due(self) -> None:
        """Deliver what has been in the send queue for long enough, if the state allows."""
        if self._account.state not in DELIVERING_STATES:
            return
        now = self._clock.now()
        for message in list(self.waiting.values()):
            if message.due > now:
                return
            del self.waiting[message.id_message]
            if message.at > now - RETENTION:
                self._deliver(message)

    def clear(self) -> None:
        """Empty the send queue."""
        for message in self.waiting.values():
            message.cleared_at = self._clock.now()
        self.waiting.clear()

    def new_id(self) -> str:
        """An ``idMessage`` of the product's form that no other message has."""
        if self._account.type_instance == "whatsapp":
            return f"3EB0{secrets.token_hex(8).upper()}"
        return str(next(self._numbers))

    def chat_id(self, message: SentMessage) -> str:
        """The chat as notifications name it: on Telegram and MAX never by phone number and ``@c.us``."""
        on_whatsapp = self._account.type_instance == "whatsapp"
        return message.chat_id if on_whatsapp else message.chat_id.removesuffix("@c.us")

    def message_data(self, message: SentMessage) -> dict[str, Any]:
        """The ``messageData`` in which notifications and journals show a message."""
        if message.method != "sendMessage":
            content = message.content
            return bodies.file_data(
                content["urlFile"], content["fileName"], content["mimeType"], content["caption"]
            )
        if message.quoted_id:
            return bodies.quoting_data(message.text, message.quoted_id, self._own_id)
        return bodies.api_text_data(message.text)

    def _deliver(self, message: SentMessage) -> None:
        message.delivered_at = self._clock.now()
        statuses = self.statuses.get(message.chat_id) or self.statuses[None]
        if self._account.state == "yellowCard":
            statuses = ("yellowCard",)
        message.status = statuses[-1] if statuses else "pending"
        notifications = [self._status(message, status) for status in statuses if self._notifies(status)]
        if self._account.enabled("outgoingAPIMessageWebhook"):
            notifications.insert(0, self._echo(message))
        self._push(notifications)
        for rule in self.replies:
            if rule.matches(message):
                self._clock.later(rule.delay, partial(self._reply, rule, message))

    def _notifies(self, status: str) -> bool:
        return status in ALWAYS_NOTIFIED or self._account.enabled("outgoingWebhook")

    def _reply(self, rule: ReplyRule, message: SentMessage) -> None:
        if not self._account.enabled("incomingWebhook"):
            return
        chat_id = self.chat_id(message)
        sender = bodies.GROUP_MEMBER if bodies.is_group(chat_id) else chat_id
        data = bodies.text_data(rule.text)
        if rule.quoted:
            data = bodies.quoting_data(rule.text, message.id_message, self._own_id, message.text)
        self._push([self._message_body("incomingMessageReceived", self.new_id(), chat_id, sender, data)])

    def _echo(self, message: SentMessage) -> dict[str, Any]:
        data = self.message_data(message)
        kind, chat_id = "outgoingAPIMessageReceived", self.chat_id(message)
        return self._message_body(kind, message.id_message, chat_id, self._own_id, data)

    def _message_body(
        self, kind: str, id_message: str, chat_id: str, sender: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            **bodies.envelope(kind, self._account.instance_data, self._account.told_time(), id_message),
            "senderData": bodies.sender_data(chat_id, sender, self._account.type_instance),
            "messageData": data,
        }

    def _status(self, message: SentMessage, status: str) -> dict[str, Any]:
        return {
            **bodies.envelope(
                "outgoingMessageStatus",
                self._account.instance_data,
                self._account.told_time(),
                message.id_message,
            ),
            "chatId": self.chat_id(message),
            "status": status,
            "sendByApi": True,
        }

    @property
    def _own_id(self) -> str:
        return str(self._account.settings["wid"]) if self._account.type_instance == "whatsapp" else OWN_CHAT
