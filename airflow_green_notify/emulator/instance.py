"""One emulated instance: its queue, account, outbox, files, faults and rates behind one id and one token."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any

from airflow_green_notify.emulator import bodies, checks
from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.chats import Chats
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.faults import FaultScript
from airflow_green_notify.emulator.groups import Groups
from airflow_green_notify.emulator.history import History
from airflow_green_notify.emulator.media import (
    INVENTED_SIZE,
    TOO_LARGE_MARKER,
    MediaFile,
    MediaStore,
    name_in,
)
from airflow_green_notify.emulator.notification_queue import NotificationQueue
from airflow_green_notify.emulator.outbox import Course, Outbox
from airflow_green_notify.emulator.people import People, is_group
from airflow_green_notify.emulator.rates import Rates
from airflow_green_notify.emulator.story import Story
from airflow_green_notify.emulator.switches import Switches
from airflow_green_notify.emulator.voice_calls import VoiceCalls
from airflow_green_notify.emulator.webhook import WebhookPush

TYPES = ("whatsapp", "telegram", "v3")
REQUESTS_KEPT = 200_000
LINK_SECONDS = {"telegram": 24 * 3600.0}
OTHER_LINK_SECONDS = 15 * 24 * 3600.0  # documented for WhatsApp's uploads and for MAX


class Instance:
    """What the gateway knows of one instance. All of it belongs to the event loop of the emulator."""

    def __init__(
        self,
        clock: Clock,
        media: MediaStore,
        switches: Switches,
        *,
        id_instance: str,
        api_token: str | None,
        type_instance: str,
    ) -> None:
        self.id_instance = checks.id_instance(id_instance)
        self.api_token = checks.token(api_token) or secrets.token_hex(25)
        self.type_instance = checks.one_of("type_instance", type_instance, TYPES)
        self.link_seconds = LINK_SECONDS.get(self.type_instance, OTHER_LINK_SECONDS)
        self.clock = clock
        self.media = media
        self.switches = switches
        self.queue = NotificationQueue(clock, switches)
        self.account = Account(id_instance, type_instance, clock, switches, self._changed)
        self.webhook = WebhookPush(self.account, self.queue, clock)
        self.people = People(self.account, switches)
        self.outbox = Outbox(self.account, clock, switches, self.people, self.push)
        self.history = History(self.account, self.queue, self.outbox, self.people)
        self.chats = Chats(self.people)
        self.groups = Groups(self.account, self.people)
        self.stories: dict[str, Story] = {}
        self.voice_calls = VoiceCalls(self.account, self.people, self.push)
        self.created_at = self.account.told_time()
        self.deleted_at = 0.0
        self.partner_name = ""
        self.states = [(self.account.state, self.created_at)]
        self.faults = FaultScript()
        self.rates = Rates(type_instance)
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.cleared_at = float("-inf")
        self.checks = 0  # how many numbers were checked
        self._files: dict[tuple[str, str], str] = {}  # (chat id, message id) -> link to the file
        self._count = 0
        self._count_until = float("-inf")

    def note_request(self, method: str, verb: str) -> dict[str, Any]:
        """Write a request into the log; the status follows once it is known."""
        record = {"method": method, "verb": verb, "at": time.time(), "status": None, "fault": None}
        self.requests.append(record)
        return record

    def push(self, notifications: Iterable[Any]) -> int:
        """Append notifications to the queue, and remember the files they tell of."""
        notifications = list(notifications)
        return self.push_raw(notifications, [checks.as_json(body) for body in notifications])

    def push_raw(self, notifications: Iterable[Any], raws: Collection[bytes]) -> int:
        """Append notifications of which the JSON is made already."""
        for body in notifications:
            self._note_file(body)
            self.people.note(body)
            self.groups.note(body)
            self.voice_calls.note(body)
            self.history.note(body)
        count = self.queue.push_raw(raws)
        self.webhook.wake()
        return count

    def set_state(self, state: str) -> None:
        """Put the instance into a state; what was kept in the send queue for it goes out."""
        self.account.state = state
        self.states.append((state, self.account.told_time()))
        self.outbox.deliver_due()

    def change_state(self, state: str) -> None:
        """Put the instance into a state, and notify of it if the settings have it."""
        told = self.account.enabled("stateWebhook") and self.account.state != state
        self.set_state(state)
        if told:
            self.push(
                [
                    {
                        "typeWebhook": "stateInstanceChanged",
                        "instanceData": self.account.instance_data,
                        "timestamp": int(self.account.told_time()),
                        "stateInstance": state,
                    }
                ]
            )

    def deliver_as(self, statuses: tuple[str, ...], chat_id: str | None, description: str) -> None:
        """Let messages go through these statuses from now on."""
        chat_id = None if chat_id is None else self.people.key(chat_id)
        self.outbox.courses[chat_id] = Course(statuses, description)

    def file_message(
        self, file: MediaFile, url: str, chat_id: str | None, caption: str, mime_type: str
    ) -> dict[str, Any]:
        """Push the notification of a file that came in, and return its body."""
        chat_id = chat_id or self.people.somebody
        sender = self.people.somebody if is_group(chat_id) else chat_id
        body = {
            **bodies.envelope(
                "incomingMessageReceived",
                self.account.instance_data,
                self.account.told_time(),
                self.outbox.new_id(),
            ),
            "senderData": bodies.sender_data(
                self.people.shown(chat_id), self.people.shown(sender), self.type_instance
            ),
            "messageData": bodies.file_data(url, file.name, mime_type, caption),
        }
        self.push([body])
        return body

    def fresh_link(self, chat_id: str, id_message: str) -> str | None:
        """A new link to the file of a message; ``None`` if there is none."""
        url = self._files.get((self.people.key(chat_id), id_message)) or self._sent_file(chat_id, id_message)
        if url is None or url == TOO_LARGE_MARKER:
            return None
        file = self.media.find(url) or MediaFile(name_in(url), INVENTED_SIZE)
        return self.media.link(self, file, None)

    def _sent_file(self, chat_id: str, id_message: str) -> str | None:
        data = self.history.find(chat_id, id_message) if id_message in self.outbox.by_id else None
        return str(data["fileMessageData"]["downloadUrl"]) if data and "fileMessageData" in data else None

    def reported_count(self) -> int:
        """The figure of ``getWebhooksCount``: perhaps an old one, perhaps a wrong zero."""
        if self.switches.count_wrong_zero:
            return 0
        now = self.clock.now()
        if now >= self._count_until:
            self.queue.expire()
            self._count = self.queue.count
            self._count_until = now + self.switches.count_refresh
        return self._count

    def _changed(self) -> None:
        """Let open polls and the push look again at settings and state."""
        self.queue.wake()
        self.webhook.changed()

    def _note_file(self, body: Any) -> None:
        try:
            key = (self.people.key(body["senderData"]["chatId"]), body["idMessage"])
            self._files[key] = str(body["messageData"]["fileMessageData"]["downloadUrl"])
        except (KeyError, TypeError, AttributeError):
            return  # not the notification of a file
