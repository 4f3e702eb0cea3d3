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
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_green_notify.errors import GreenApiConfigError, GreenApiError, GreenApiResponseError
from airflow_green_notify.notification import canonical_json

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook

log = logging.getLogger(__name__)

NOTE = "green_api_send"
"""Under which name the task's state keeps what was about to be sent."""

JOURNAL_LAG = 150.0
"""Seconds until a message that left the send queue is in the journal: two minutes, and some to spare."""

CLOCK_TOLERANCE = 10.0
"""Seconds by which the gateway's clock may be behind ours. What was sent earlier is another message."""


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
    """

    chat_id: str
    text: str
    quoted_message_id: str | None = None
    file_name: str | None = None
    source: str | None = None

    @property
    def digest(self) -> str:
        """Identity of the message, from its content, to be kept in its place."""
        return hashlib.sha256(canonical_json(astuple(self)).encode("utf-8", "surrogatepass")).hexdigest()

    def is_entry(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry of the journal, or the body of one in the send queue, is this message."""
        if _bare(entry.get("chatId")) != _bare(self.chat_id):
            return False
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


def _bare(chat_id: Any) -> str:
    """Telegram and MAX take a phone number with ``@c.us`` and show it without."""
    return str(chat_id).removesuffix("@c.us")


def _text_of(entry: Mapping[str, Any]) -> Any:
    extended = entry.get("extendedTextMessage")
    return extended.get("text") if isinstance(extended, dict) else None


def send_once(
    hook: GreenApiHook,
    outgoing: Outgoing,
    send: Callable[[], str],
    notes: Notes | None,
    *,
    journal_lag: float = JOURNAL_LAG,
) -> str:
    """Send, unless an earlier try of the same task did.

    Before it sends, it notes what it is about to send. A crash before the note: nothing was sent. After the
    note: the next try finds it, and looks before it sends. After the answer was noted: the next try returns
    that answer. A message with another content is another message.

    :param send: Sends and returns the message's id.
    :param notes: Without any, a crash between sending and returning may make a retry send again.
    :param journal_lag: Seconds for which to look for a message that an earlier try may have sent.
    :return: The message's id.
    """
    note = None if notes is None else notes.get(NOTE)
    if isinstance(note, dict) and note.get("digest") == outgoing.digest:
        id_message = note.get("id_message") or _find_patiently(hook, outgoing, note["at"], journal_lag)
        if id_message:
            log.info("An earlier try sent it already as %s.", id_message)
            return _noted(notes, outgoing, str(id_message))
    _noted(notes, outgoing, "")
    return _noted(notes, outgoing, _send_and_look(hook, outgoing, send, notes))


def _noted(notes: Notes | None, outgoing: Outgoing, id_message: str) -> str:
    if notes is not None:
        notes.set(NOTE, {"digest": outgoing.digest, "at": time.time(), "id_message": id_message})
    return id_message


def _send_and_look(
    hook: GreenApiHook, outgoing: Outgoing, send: Callable[[], str], notes: Notes | None
) -> str:
    """Send; after an answer that leaves it open whether it was sent, look."""
    started = time.time()
    try:
        return send()
    except GreenApiError as error:
        if _surely_not_sent(error):
            if notes is not None:
                notes.delete(NOTE)
            raise
        id_message = _find_if_possible(hook, outgoing, started)
        if not id_message:
            raise
        log.warning("%s It was sent all the same, as %s.", error, id_message)
        return id_message


def _find_if_possible(hook: GreenApiHook, outgoing: Outgoing, sent_after: float) -> str | None:
    try:
        return _find(hook, outgoing, sent_after)
    except GreenApiError as error:
        log.warning("Whether it was sent could not be looked up: %s", error)
        return None


def _surely_not_sent(error: GreenApiError) -> bool:
    if isinstance(error, GreenApiResponseError):
        return 400 <= error.status < 500 and error.status not in (408, 499)
    return isinstance(error, GreenApiConfigError)


def _find_patiently(
    hook: GreenApiHook, outgoing: Outgoing, sent_after: float, journal_lag: float
) -> str | None:
    """Look until the message would have to be seen.

    What is not in the send queue now, and not in the journal one lag later, was never taken in. The lag
    counts from now, since a message may have waited in the send queue until a moment ago.
    """
    log.info("An earlier try may have sent it. Looking for it for up to %.0f s.", journal_lag)
    until = time.monotonic() + journal_lag
    while not (id_message := _find(hook, outgoing, sent_after)) and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, max(1.0, journal_lag / 15)))
    return id_message


def _find(hook: GreenApiHook, outgoing: Outgoing, sent_after: float) -> str | None:
    """Look into the send queue, then into the journal: the way that a message takes."""
    for item in hook.show_messages_queue():
        body = item.get("body")
        if outgoing.is_entry(body if isinstance(body, dict) else item):
            return str(item.get("messageID") or "unknown")
    earliest = sent_after - CLOCK_TOLERANCE
    minutes = math.ceil((time.time() - earliest) / 60)
    for entry in hook.last_outgoing_messages(minutes):
        if outgoing.is_entry(entry) and entry.get("timestamp", earliest) >= earliest:
            return str(entry.get("idMessage") or "unknown")
    return None
