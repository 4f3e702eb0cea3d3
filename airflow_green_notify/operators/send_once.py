"""Sends a message once, also over a retry of the task.

The gateway has no idempotency key, so whether a message was sent is found out by looking: first into the send
queue, then into the journal of outgoing messages, in which a message may appear two minutes late.
"""

from __future__ import annotations

import hashlib
import logging
import math
import mimetypes
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_green_notify.errors import GreenApiConfigError, GreenApiError, GreenApiResponseError
from airflow_green_notify.hooks.who_is_who import contacts_of
from airflow_green_notify.json_text import canonical_json
from airflow_green_notify.stores.batch import iteration_of

if TYPE_CHECKING:
    from airflow_green_notify.contacts import Contacts
    from airflow_green_notify.hooks import GreenApiHook

log = logging.getLogger(__name__)

NOTE = "green_api_send"
"""Under which name the task's state keeps what was about to be sent."""

JOURNAL_LAG = 150.0
"""Seconds until a message that left the send queue is in the journal: two minutes, and some to spare."""

CLOCK_TOLERANCE = 10.0
"""Seconds by which the gateway's clock may be behind ours. What was sent earlier is another message."""

UNKNOWN = "unknown"
"""Stands for the id of a message that the gateway shows without one."""


class Notes(Protocol):
    """What outlives a try of a task: ``context["task_state_store"]`` of Airflow 3.3 and later."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent, in so far as the gateway shows it again.

    :param text: The message, or the caption of a file.
    :param file_name: The file's name as the receiver sees it.
    :param source: Where the file lies.
    :param options: The answers that a poll offers; its text is the question.
    """

    chat_id: str
    text: str
    quoted_message_id: str | None = None
    file_name: str | None = None
    source: str | None = None
    options: tuple[str, ...] | None = None

    @property
    def digest(self) -> str:
        """Identity of the message, from its content, to be kept in its place."""
        return hashlib.sha256(canonical_json(astuple(self)).encode("utf-8", "surrogatepass")).hexdigest()

    def is_entry(self, entry: Mapping[str, Any], contacts: Contacts) -> bool:
        """Tell whether an entry of the journal, or the body of one in the send queue, is this message.

        :param contacts: Who is who, asked last: one sends to a phone number, and the journal shows a LID.
        :raises GreenApiError: Who is who could not be asked just now.
        """
        return self._has_content(entry) and contacts.are_same(self.chat_id, [str(entry.get("chatId"))])

    def _has_content(self, entry: Mapping[str, Any]) -> bool:
        if self.options is not None or "options" in entry:
            return _poll_of(entry) == (self.text, self.options)
        if self.file_name is not None:
            return (entry.get("caption") or "") == self.text and self._is_file(self.file_name, entry)
        return self.text in (entry.get("message"), entry.get("textMessage"), _text_of(entry))

    @staticmethod
    def _is_file(file_name: str, entry: Mapping[str, Any]) -> bool:
        """The journal keeps the names of documents; pictures, videos and sounds get made-up ones."""
        if entry.get("fileName") == file_name:
            return True
        kind = (mimetypes.guess_type(file_name)[0] or "").partition("/")[0]
        return kind in ("image", "video", "audio") and entry.get("typeMessage") == f"{kind}Message"


def _poll_of(entry: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """Return question and options of a poll, as the send queue names them or as the journal does."""
    data = entry.get("pollMessageData")
    poll = data if isinstance(data, dict) else entry
    options = poll.get("options")
    shown = options if isinstance(options, list) else []
    names = tuple(item.get("optionName") for item in shown if isinstance(item, dict))
    return poll.get("name") or poll.get("message"), names


def _text_of(entry: Mapping[str, Any]) -> Any:
    extended = entry.get("extendedTextMessage")
    return extended.get("text") if isinstance(extended, dict) else None


class SendOnce:
    """Sends the messages of a task, each of them once, also over the task's retries.

    Before it sends, it notes what it is about to send. A crash before the note: nothing was sent. After the
    note: the next try finds it, and looks before it sends. After the answer was noted: the next try returns
    that answer. A message with another content is another message.

    Airflow below 3.3 keeps no notes over a retry. There a retry looks for each message before it sends it,
    as far back as the Dag run's start.

    :param journal_lag: Seconds for which to look for what an earlier try may have sent.
    """

    def __init__(
        self, hook: GreenApiHook, context: Mapping[str, Any], *, journal_lag: float = JOURNAL_LAG
    ) -> None:
        self._hook = hook
        self._notes: Notes | None = context.get("task_state_store")
        self._name = note_name(context)
        self._journal_lag = journal_lag
        self._given: set[str] = set()
        self.sent_since = math.inf
        """UNIX time in seconds since when a try may have sent; a task that was cleared has a run that began
        later."""
        self._contacts = contacts_of(lambda: hook)
        since = None if self._notes is not None else _start_of_earlier_tries(context)
        self._earlier = None if since is None else self._looking(since)

    def send(
        self, outgoing: Outgoing, send: Callable[[], str], *, name: str = "", identity: str | None = None
    ) -> str:
        """Send, unless an earlier try of the same task did.

        :param send: Sends and returns the message's id.
        :param name: Tells the message from the others of its task, the same in each try.
        :param identity: What makes it the same message; its content, unless this says otherwise.
        :return: The message's id.
        """
        key = f"{self._name}/{name}" if name else self._name
        note = {"digest": identity or outgoing.digest, "at": time.time(), "id_message": ""}
        id_message, since = self._sent_before(outgoing, key, note)
        self.sent_since = min(self.sent_since, since)
        if id_message:
            note["at"] = since
            log.info("An earlier try sent it already as %s.", id_message)
        else:
            self._note(key, note)
            id_message = self._send_and_look(outgoing, send, key)
        self._note(key, note | {"id_message": id_message})
        self._given.add(id_message)
        return id_message

    def _sent_before(self, outgoing: Outgoing, key: str, now: Mapping[str, Any]) -> tuple[str | None, float]:
        """Return the id under which an earlier try sent it, and since when that may have been."""
        if self._notes is None:
            return (self._earlier.find(outgoing, self._given) if self._earlier else None), now["at"]
        note = self._notes.get(key)
        if not isinstance(note, dict) or note.get("digest") != now["digest"]:
            return None, now["at"]
        id_message = note.get("id_message") or self._looking(note["at"]).find(outgoing, self._given)
        return id_message, note["at"]

    def _note(self, key: str, note: Mapping[str, Any]) -> None:
        if self._notes is not None:
            self._notes.set(key, dict(note))

    def _looking(self, since: float) -> _Shown:
        return _Shown(self._hook, self._contacts, since, self._journal_lag)

    def _send_and_look(self, outgoing: Outgoing, send: Callable[[], str], key: str) -> str:
        """Send; after an answer that leaves it open whether it was sent, look."""
        started = time.time()
        try:
            return send()
        except GreenApiError as error:
            if surely_without_effect(error):
                if self._notes is not None:
                    self._notes.delete(key)
                raise
            id_message = self._find_if_possible(outgoing, started)
            if not id_message:
                raise
            log.warning("%s It was sent nevertheless, as %s.", error, id_message)
            return id_message

    def _find_if_possible(self, outgoing: Outgoing, sent_after: float) -> str | None:
        try:
            return _Shown(self._hook, self._contacts, sent_after, 0).find(outgoing, self._given)
        except GreenApiError as error:
            log.warning("Whether it was sent could not be looked up: %s", error)
            return None


def note_name(context: Mapping[str, Any], name: str = NOTE) -> str:
    """Return under which name a task's notes are kept.

    The iterations of a loop share them, so each has a name of its own.
    """
    iteration = iteration_of(context)
    return name if iteration is None else f"{name}/iteration/{iteration}"


def _start_of_earlier_tries(context: Mapping[str, Any]) -> float | None:
    """Return the time since which an earlier try may have sent, or ``None`` if this is the first."""
    started = getattr(context.get("dag_run"), "start_date", None)
    retried = (getattr(context.get("ti"), "try_number", None) or 1) > 1
    return started.timestamp() if started and retried else None


def surely_without_effect(error: GreenApiError) -> bool:
    """Tell whether a call that failed so did nothing: the gateway refused it, or never got it."""
    if isinstance(error, GreenApiResponseError):
        return 400 <= error.status < 500 and error.status not in (408, 499)
    return isinstance(error, GreenApiConfigError)


class _Shown:
    """What the gateway shows of what was sent since a time.

    What is not in the send queue now, and not in the journal one lag later, was never taken in. The lag
    counts from now, since a message may have waited in the send queue until a moment ago.

    :param lag: Seconds for which to look again, if it isn't shown.
    """

    def __init__(self, hook: GreenApiHook, contacts: Contacts, since: float, lag: float) -> None:
        self._hook = hook
        self._contacts = contacts
        self._since = since - CLOCK_TOLERANCE
        self._lag = lag
        self._complete_at: float | None = None
        self._complete = False
        self._entries: list[tuple[str, Mapping[str, Any]]] = []

    def find(self, outgoing: Outgoing, taken: Collection[str]) -> str | None:
        """Return the id of a message, or ``None`` once it would have to be seen.

        :param taken: The ids of messages that it is not.
        :raises GreenApiError: It may be one to somebody about whom the gateway could not be asked.
        """
        while True:
            id_message, doubt = self._among_entries(outgoing, taken)
            if id_message:
                return id_message
            if self._complete:
                if doubt:
                    raise doubt
                return None
            self._look()

    def _among_entries(
        self, outgoing: Outgoing, taken: Collection[str]
    ) -> tuple[str | None, GreenApiError | None]:
        """Return the id of a message that is shown; if none is, what kept one from being recognised."""
        doubt: GreenApiError | None = None
        for id_message, entry in self._entries:
            try:
                is_free = id_message not in taken or id_message == UNKNOWN
                if is_free and outgoing.is_entry(entry, self._contacts):
                    return id_message, None
            except GreenApiError as error:
                doubt = error
        return None, doubt

    def _look(self) -> None:
        """Look into the send queue, then into the journal: the way that a message takes."""
        if self._complete_at is None:
            self._complete_at = time.monotonic() + self._lag
            if self._lag:
                log.info("An earlier try may have sent it. Looking for it for up to %.0f s.", self._lag)
        else:
            left = self._complete_at - time.monotonic()
            time.sleep(max(0.0, min(left, max(1.0, self._lag / 15))))
        self._complete = time.monotonic() >= self._complete_at
        self._entries = [*self._waiting(), *self._in_journal()]

    def _waiting(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for item in self._hook.show_messages_queue():
            body = item.get("body")
            yield str(item.get("messageID") or UNKNOWN), body if isinstance(body, dict) else item

    def _in_journal(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        minutes = math.ceil((time.time() - self._since) / 60)
        for entry in self._hook.last_outgoing_messages(minutes):
            if entry.get("timestamp", self._since) >= self._since:
                yield str(entry.get("idMessage") or UNKNOWN), entry
