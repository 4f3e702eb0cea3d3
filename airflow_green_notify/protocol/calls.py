"""What the gateway can be asked: one :class:`Call` per method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.upload import Upload

READ_TIMEOUT = 15.0
"""Seconds an answer may take on top of the time for which the gateway may hold the request open."""

FILE_HOLD = 120.0
"""Seconds the gateway may need to fetch or take in a file of up to 100 MB."""

SLOWEST_UPLOAD = 32 * 2**10
"""Bytes of a file that are sent each second at least, or the upload is given up."""

MAX_BYTES = 8 * 2**20
"""Bytes of an answer, unpacked. The longest text of a chat has 65,536 characters, and stands in a
notification a few times at most; parsing and hashing hold up an event loop for 4 ms a megabyte."""

MAX_VALUES = 300_000
"""Values in the JSON of an answer, counted by commas and brackets, so that those in texts count as well."""

MAX_JOURNAL_BYTES = 32 * 2**20
MAX_JOURNAL_VALUES = 3_000_000


class Rate(NamedTuple):
    """The documented limit of a method: ``limit`` requests in ``seconds``, per instance."""

    limit: int
    seconds: float = 1.0


QUEUE_RATE = Rate(100)
ACCOUNT_RATE = Rate(1)
SENDING_RATE = Rate(50)
MEDIA_RATE = Rate(5)
MAX_MEDIA_RATE = Rate(1)
"""What the product MAX (``v3``) allows of it."""


@dataclass(frozen=True)
class Call:
    """One request to the gateway.

    :param method: The gateway's name of the method.
    :param read: Turns the parsed JSON of a good answer into the result.
    :param path: What follows the token in the path.
    :param hold: Seconds the gateway may hold the request open before it answers.
    :param repeatable: Whether sending it twice does no harm.
    :param media: Whether it goes to the media host.
    :param may_be_empty: Whether an empty answer is a good one.
    :param max_bytes: How many bytes a good answer has at most, unpacked.
    :param max_values: How many values the JSON of a good answer has at most.
    """

    method: str
    verb: str
    rate: Rate
    read: Callable[[Any], Any]
    path: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None
    upload: Upload | None = None
    hold: float = 0.0
    repeatable: bool = True
    media: bool = False
    may_be_empty: bool = False
    max_bytes: int = MAX_BYTES
    max_values: int = MAX_VALUES

    @property
    def answer_timeout(self) -> float:
        """Seconds to wait for the answer, once all is sent."""
        return self.hold + READ_TIMEOUT

    @property
    def timeout(self) -> float:
        """Seconds for the whole exchange, from connecting to the last byte of the answer."""
        return self.answer_timeout + (len(self.upload) / SLOWEST_UPLOAD if self.upload else 0.0)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a sender can't derive from the body by itself."""
        if self.upload is None:
            return {}
        return {"Content-Type": self.upload.content_type, "Content-Length": str(len(self.upload))}

    def url(self, base_url: str, id_instance: str, token: str) -> str:
        """Return the address; it holds the token, so it must not be logged or raised."""
        parts = (self.method, token, *self.path)
        tail = "/".join(quote(part, safe="") for part in parts)
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{base_url}/waInstance{id_instance}/{tail}{query}"


def receive_notification(receive_timeout: float) -> Call:
    return Call(
        "receiveNotification",
        "GET",
        QUEUE_RATE,
        results.notification,
        query={"receiveTimeout": f"{receive_timeout:g}"},  # documented as an integer: 5, not 5.0
        hold=receive_timeout,
        may_be_empty=True,
    )


def delete_notification(receipt_id: int) -> Call:
    return Call(
        "deleteNotification",
        "DELETE",
        QUEUE_RATE,
        results.flag("result"),
        path=(str(receipt_id),),
        repeatable=False,
    )


def get_state_instance() -> Call:
    return Call("getStateInstance", "GET", ACCOUNT_RATE, results.text("stateInstance"))


def get_settings() -> Call:
    return Call("getSettings", "GET", ACCOUNT_RATE, results.object_)


def set_settings(settings: Mapping[str, Any]) -> Call:
    return Call("setSettings", "POST", ACCOUNT_RATE, results.flag("saveSettings"), payload=dict(settings))


def get_webhooks_count() -> Call:
    return Call("getWebhooksCount", "GET", ACCOUNT_RATE, results.count)


def clear_webhooks_queue() -> Call:
    return Call("clearWebhooksQueue", "DELETE", ACCOUNT_RATE, results.cleared, repeatable=False)


def send_message(chat_id: str, message: str, quoted_message_id: str | None) -> Call:
    payload = {"chatId": chat_id, "message": message}
    if quoted_message_id:
        payload["quotedMessageId"] = quoted_message_id
    return Call(
        "sendMessage",
        "POST",
        SENDING_RATE,
        results.text("idMessage"),
        payload=payload,
        hold=15.0,
        repeatable=False,
    )


def send_file_by_url(
    chat_id: str, url: str, file_name: str, caption: str | None, quoted_message_id: str | None
) -> Call:
    payload = {"chatId": chat_id, "urlFile": url, "fileName": file_name}
    payload |= optional_file_fields(caption, quoted_message_id)
    return Call(
        "sendFileByUrl",
        "POST",
        SENDING_RATE,
        results.text("idMessage"),
        payload=payload,
        hold=FILE_HOLD,
        repeatable=False,
    )


def optional_file_fields(caption: str | None, quoted_message_id: str | None) -> dict[str, str]:
    """Return what may accompany a file, in the gateway's names, if there is any of it."""
    fields = {"caption": caption, "quotedMessageId": quoted_message_id}
    return {name: value for name, value in fields.items() if value}


def send_file_by_upload(upload: Upload) -> Call:
    return Call(
        "sendFileByUpload",
        "POST",
        SENDING_RATE,
        results.text("idMessage"),
        upload=upload,
        hold=FILE_HOLD,
        repeatable=False,
        media=True,
    )


def show_messages_queue() -> Call:
    return Call("showMessagesQueue", "GET", ACCOUNT_RATE, results.objects, hold=15.0, may_be_empty=True)


def download_file(chat_id: str, id_message: str, type_instance: str | None) -> Call:
    payload = {"chatId": chat_id, "idMessage": id_message}
    rate = MAX_MEDIA_RATE if type_instance == "v3" else MEDIA_RATE
    return Call("downloadFile", "POST", rate, results.text("downloadUrl"), payload=payload, hold=15.0)


def last_incoming_messages(minutes: int) -> Call:
    return _journal("lastIncomingMessages", minutes)


def last_outgoing_messages(minutes: int) -> Call:
    return _journal("lastOutgoingMessages", minutes)


def _journal(method: str, minutes: int) -> Call:
    return Call(
        method,
        "GET",
        ACCOUNT_RATE,
        results.objects,
        query={"minutes": minutes},
        hold=30.0,
        may_be_empty=True,
        max_bytes=MAX_JOURNAL_BYTES,
        max_values=MAX_JOURNAL_VALUES,
    )
