"""What an instance sends: its send queue, what becomes of each message, and the notifications of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from airflow_green_notify.emulator import bodies
from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.people import People
from airflow_green_notify.emulator.replies import Replies, ReplyRule
from airflow_green_notify.emulator.sent_message import SentMessage
from airflow_green_notify.emulator.switches import Switches

RETENTION = 24 * 3600  # seconds for which the send queue keeps a message
DELIVERING_STATES = ("authorized", "yellowCard", "starting", "sleepMode")
STATUSES = {"whatsapp": ("sent", "delivered", "read")}
OTHER_STATUSES = ("delivered", "read")  # Telegram and MAX have no "sent"
ALWAYS_NOTIFIED = ("noAccount", "failed")
FIRST_NUMBER = {"telegram": 5242880000, "v3": 115000000000000000}
ECHO_SETTINGS = {
    "pollMessage": "pollMessageWebhook",
    "editedMessage": "editedMessageWebhook",
    "deletedMessage": "deletedMessageWebhook",
}


class Course(NamedTuple):
    """The statuses that messages go through, and what the last one gives as its reason."""

    statuses: tuple[str, ...]
    description: str = ""


class Outbox:
    """Takes messages, delivers them one after the other, and notifies of it as the settings say."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        switches: Switches,
        people: People,
        push: Callable[[Iterable[Any]], int],
    ) -> None:
        self._account = account
        self._clock = clock
        self._switches = switches
        self._people = people
        self._push = push
        self._numbers = count(FIRST_NUMBER.get(account.type_instance, 0))
        self._last_due = 0.0
        self.messages: list[SentMessage] = []
        self.by_id: dict[str, SentMessage] = {}
        self.waiting: dict[str, SentMessage] = {}
        self.chats: set[str] = set()
        self.replies = Replies(people)
        self.courses: dict[str | None, Course] = {
            None: Course(STATUSES.get(account.type_instance, OTHER_STATUSES))
        }

    def send(
        self,
        method: str,
        chat_id: str,
        content: dict[str, Any],
        data: dict[str, Any],
        quoted_id: str | None = None,
    ) -> str:
        """Take a message into the send queue and return its ``idMessage``."""
        now = self._clock.now()
        self._last_due = max(now, self._last_due) + self._switches.send_delay
        if quoted_id:
            data = bodies.with_quote(data, quoted_id, self._people.own_id)
        message = self._keep(method, chat_id, content, data, quoted_id, self._last_due)
        self.waiting[message.id_message] = message
        self._clock.later(message.due - now, self.deliver_due)
        return message.id_message

    def change(self, method: str, chat_id: str, content: dict[str, Any], data: dict[str, Any]) -> str:
        """Send the edit or deletion of a message past the send queue; it has no statuses of its own."""
        message = self._keep(method, chat_id, content, data, None, self._clock.now())
        message.delivered_at = self._clock.now()
        message.status = message.known_status = self._first_status
        self._push(self._echo(message))
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

    def course(self, chat_id: str) -> Course:
        """What becomes of messages to a chat."""
        return self.courses.get(self._people.key(chat_id)) or self.courses[None]

    @property
    def _first_status(self) -> str:
        return STATUSES.get(self._account.type_instance, OTHER_STATUSES)[0]

    def _keep(
        self,
        method: str,
        chat_id: str,
        content: dict[str, Any],
        data: dict[str, Any],
        quoted_id: str | None,
        due: float,
    ) -> SentMessage:
        now = self._clock.now()
        message = SentMessage(self.new_id(), chat_id, method, content, data, quoted_id, now, due)
        self._people.add(chat_id)
        self.chats.add(self._people.key(chat_id))
        self.messages.append(message)
        self.by_id[message.id_message] = message
        return message

    def _deliver(self, message: SentMessage) -> None:
        message.delivered_at = self._clock.now()
        course = self.course(message.chat_id)
        if self._account.state == "yellowCard":
            course = Course(("yellowCard",))
        message.known_status = self._first_status
        echo = self._echo(message)
        statuses = self._go_through(message, course)
        self._people.messages += not echo  # an echo is counted where it is pushed
        self._push(echo + statuses)
        for rule in self.replies.to(message):
            self._clock.later(rule.delay, partial(self._reply, rule, message))

    def _go_through(self, message: SentMessage, course: Course) -> list[dict[str, Any]]:
        """Give a message its statuses, the later ones later; the notifications of those that it has now."""
        notifications = []
        for step, status in enumerate(course.statuses):
            is_last = step == len(course.statuses) - 1
            become = partial(self._become, message, status, course.description if is_last else "")
            delay = step * self._switches.status_delay
            if delay:
                self._clock.later(delay, partial(self._push_later, become))
            else:
                notifications += become()
        return notifications

    def _push_later(self, become: Callable[[], list[dict[str, Any]]]) -> None:
        self._push(become())

    def _become(self, message: SentMessage, status: str, description: str) -> list[dict[str, Any]]:
        """Give a message its next status; the notification of it, if the settings have it."""
        message.status, message.description = status, description
        if status not in ALWAYS_NOTIFIED and not self._account.enabled("outgoingWebhook"):
            return []
        message.known_status = status
        return [self._status(message, status, description)]

    def _reply(self, rule: ReplyRule, message: SentMessage) -> None:
        sender = self.replies.sender(rule, message)
        data = self.replies.data(rule, message, self._people.own_id)
        setting = "pollMessageWebhook" if data["typeMessage"] == "pollUpdateMessage" else "incomingWebhook"
        if self._account.enabled("incomingWebhook") and self._account.enabled(setting):
            kind = "incomingMessageReceived"
            self._push([self._message_body(kind, self.new_id(), message.chat_id, sender, data)])

    def _echo(self, message: SentMessage) -> list[dict[str, Any]]:
        kind = "outgoingAPIMessageReceived"
        setting = ECHO_SETTINGS.get(message.data["typeMessage"], "outgoingAPIMessageWebhook")
        if not (self._account.enabled("outgoingAPIMessageWebhook") and self._account.enabled(setting)):
            return []
        return [
            self._message_body(kind, message.id_message, message.chat_id, self._people.own_id, message.data)
        ]

    def _message_body(
        self, kind: str, id_message: str, chat_id: str, sender: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        chat_id, sender = self._people.shown(chat_id), self._people.shown(sender)
        return {
            **bodies.envelope(kind, self._account.instance_data, self._account.told_time(), id_message),
            "senderData": bodies.sender_data(chat_id, sender, self._account.type_instance),
            "messageData": data,
        }

    def _status(self, message: SentMessage, status: str, description: str) -> dict[str, Any]:
        instance_data, now = self._account.instance_data, self._account.told_time()
        body = bodies.envelope("outgoingMessageStatus", instance_data, now, message.id_message)
        body |= {"chatId": self._people.shown(message.chat_id), "status": status}
        return body | ({"description": description} if description else {}) | {"sendByApi": True}
