"""What the gateway can be asked: one :class:`Call` per method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.upload import Upload

Result = TypeVar("Result")

READ_TIMEOUT = 15.0
"""Seconds an answer may take on top of the time for which the gateway may hold the request open."""

FILE_HOLD = 120.0
"""Seconds the gateway may need to fetch or take in a file of up to 100 MB."""

SLOWEST_UPLOAD = 32 * 2**10
"""Bytes of a file that are sent each second at least, or the upload is given up."""


class AnswerBounds(NamedTuple):
    """How large a good answer may be.

    :param max_bytes: Bytes, unpacked.
    :param max_values: Values in its JSON, counted by commas and brackets, so that those in texts count as
        well.
    :param advice: What to do if it is larger.
    """

    max_bytes: int
    max_values: int
    advice: str


_IS_IT_THE_GATEWAY = "is the connection's host the gateway's API URL?"

BOUNDS = AnswerBounds(8 * 2**20, 200_000, _IS_IT_THE_GATEWAY)
QUEUE_BOUNDS = BOUNDS._replace(
    advice=f"{_IS_IT_THE_GATEWAY} If so, the head of the queue is larger than any message: it expires after "
    "24 hours, and the hook's clear_webhooks_queue() empties the whole queue."
)
"""The longest text of a chat has 65,536 characters, and stands in a notification a few times at most; parsing
and hashing hold up an event loop for 4 ms a megabyte."""

LIST_BOUNDS = AnswerBounds(32 * 2**20, 3_000_000, "try again when fewer messages wait to be sent.")
JOURNAL_BOUNDS = LIST_BOUNDS._replace(advice="ask for fewer minutes.")


class Rate(NamedTuple):
    """The documented limit of a method: ``limit`` requests in ``seconds``, per instance.

    :param is_adjustable: Whether the connection's ``requests_per_second`` takes the place of ``limit``.
    """

    limit: int
    seconds: float = 1.0
    is_adjustable: bool = False


QUEUE_RATE = Rate(100, is_adjustable=True)
ACCOUNT_RATE = Rate(1)
SENDING_RATE = Rate(50)
MEDIA_RATE = Rate(5)
MAX_MEDIA_RATE = Rate(1)
"""What the product MAX (``v3``) allows of it."""


class ValidRefusal(NamedTuple, Generic[Result]):
    """A refusal that is a valid result: ``status``, and ``words`` among the gateway's own."""

    status: int
    words: str
    result: Result


GONE = ValidRefusal(500, "findUnAckedMessage", False)
"""\"The message to delete was not found\" is the other form of ``200 {"result": false}``."""


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request to the gateway, and what its answer is read as.

    :param method: The gateway's name of the method.
    :param read: Turns the parsed JSON of a good answer into the result.
    :param path: What follows the token in the path.
    :param hold: Seconds the gateway may hold the request open before it answers.
    :param idempotent: Whether sending it twice does no harm.
    :param media: Whether it goes to the media host.
    :param may_be_empty: Whether an empty answer is a good one.
    :param bounds: How large a good answer may be.
    :param good_refusal: The refusal that is a valid result, if there is one.
    """

    method: str
    verb: str
    rate: Rate
    read: Callable[[Any], Result]
    path: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None
    upload: Upload | None = None
    hold: float = 0.0
    idempotent: bool = True
    media: bool = False
    may_be_empty: bool = False
    bounds: AnswerBounds = BOUNDS
    good_refusal: ValidRefusal[Result] | None = None

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


def receive_notification(receive_timeout: float) -> Call[Notification | None]:
    return Call(
        "receiveNotification",
        "GET",
        QUEUE_RATE,
        results.notification,
        query={"receiveTimeout": f"{receive_timeout:g}"},  # documented as an integer: 5, not 5.0
        hold=receive_timeout,
        may_be_empty=True,
        bounds=QUEUE_BOUNDS,
    )


def delete_notification(receipt_id: int) -> Call[bool]:
    return Call(
        "deleteNotification",
        "DELETE",
        QUEUE_RATE,
        results.flag("result"),
        path=(str(receipt_id),),
        idempotent=False,
        good_refusal=GONE,
    )


def get_state_instance() -> Call[str]:
    return Call("getStateInstance", "GET", ACCOUNT_RATE, results.text("stateInstance"))


def get_settings() -> Call[dict[str, Any]]:
    return Call("getSettings", "GET", ACCOUNT_RATE, results.object_)


def set_settings(settings: Mapping[str, Any]) -> Call[bool]:
    return Call("setSettings", "POST", ACCOUNT_RATE, results.flag("saveSettings"), payload=dict(settings))


def get_webhooks_count() -> Call[int]:
    return Call("getWebhooksCount", "GET", ACCOUNT_RATE, results.count)


def clear_webhooks_queue() -> Call[bool]:
    return Call("clearWebhooksQueue", "DELETE", ACCOUNT_RATE, results.cleared, idempotent=False)


def send_message(chat_id: str, message: str, quoted_message_id: str | None) -> Call[str]:
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
        idempotent=False,
    )


def send_file_by_url(
    chat_id: str, url: str, file_name: str, caption: str | None, quoted_message_id: str | None
) -> Call[str]:
    payload = {"chatId": chat_id, "urlFile": url, "fileName": file_name}
    payload |= optional_file_fields(caption, quoted_message_id)
    return Call(
        "sendFileByUrl",
        "POST",
        SENDING_RATE,
        results.text("idMessage"),
        payload=payload,
        hold=FILE_HOLD,
        idempotent=False,
    )


def optional_file_fields(caption: str | None, quoted_message_id: str | None) -> dict[str, str]:
    """Return what may accompany a file, in the gateway's names, if there is any of it."""
    fields = {"caption": caption, "quotedMessageId": quoted_message_id}
    return {name: value for name, value in fields.items() if value}


def send_file_by_upload(upload: Upload) -> Call[str]:
    return Call(
        "sendFileByUpload",
        "POST",
        SENDING_RATE,
        results.text("idMessage"),
        upload=upload,
        hold=FILE_HOLD,
        idempotent=False,
        media=True,
    )


def show_messages_queue() -> Call[list[dict[str, Any]]]:
    return Call(
        "showMessagesQueue",
        "GET",
        ACCOUNT_RATE,
        results.objects,
        hold=15.0,
        may_be_empty=True,
        bounds=LIST_BOUNDS,
    )


def download_file(chat_id: str, id_message: str, type_instance: str | None) -> Call[str]:
    payload = {"chatId": chat_id, "idMessage": id_message}
    rate = MAX_MEDIA_RATE if type_instance == "v3" else MEDIA_RATE
    return Call("downloadFile", "POST", rate, results.text("downloadUrl"), payload=payload, hold=15.0)


def last_incoming_messages(minutes: int) -> Call[list[dict[str, Any]]]:
    return _journal("lastIncomingMessages", minutes)


def last_outgoing_messages(minutes: int) -> Call[list[dict[str, Any]]]:
    return _journal("lastOutgoingMessages", minutes)


def _journal(method: str, minutes: int) -> Call[list[dict[str, Any]]]:
    return Call(
        method,
        "GET",
        ACCOUNT_RATE,
        results.objects,
        query={"minutes": minutes},
        hold=30.0,
        may_be_empty=True,
        bounds=JOURNAL_BOUNDS,
    )
