"""One request to the gateway, and what its answer is read as."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol.rates import Rate, rate_of
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
COUNTED_BOUNDS = LIST_BOUNDS._replace(advice="ask for fewer by count.")


class ValidRefusal(NamedTuple, Generic[Result]):
    """A refusal that is a valid result: ``status``, and ``words`` among the gateway's own."""

    status: int
    words: str
    result: Result


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request to the gateway, and what its answer is read as.

    :param method: The gateway's name of the method.
    :param verb: The HTTP method.
    :param read: Turns the parsed JSON of a good answer into the result.
    :param path: What follows the token in the path.
    :param hold: Seconds the gateway may hold the request open before it answers.
    :param idempotent: Whether sending it twice does no harm.
    :param media: Whether it goes to the media host.
    :param may_be_empty: Whether an empty answer is a good one.
    :param bounds: How large a good answer may be.
    :param good_refusal: The refusal that is a valid result, if there is one.
    :param lower_rate: The limit, where it is another than that of the method.
    """

    method: str
    verb: str
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
    lower_rate: Rate | None = None

    def __post_init__(self) -> None:
        """Refuse a payload that can't be sent.

        :raises GreenApiConfigError: It is no JSON. Found while it is sent, the error would hold the address.
        """
        if self.payload is None:
            return
        try:
            _ = self.body
        except (TypeError, ValueError, RecursionError) as error:
            what = f"What {self.method} is asked with can't be written as JSON: {error}."
        else:
            return
        raise GreenApiConfigError(what)

    @property
    def rate(self) -> Rate:
        """How often it may be sent."""
        return self.lower_rate or rate_of(self.method)

    @property
    def answer_timeout(self) -> float:
        """Seconds to wait for the answer, once all is sent."""
        return self.hold + READ_TIMEOUT

    @property
    def timeout(self) -> float:
        """Seconds for the whole exchange, from connecting to the last byte of the answer."""
        return self.answer_timeout + (len(self.upload) / SLOWEST_UPLOAD if self.upload else 0.0)

    @property
    def body(self) -> bytes | None:
        """The payload as it is sent: in UTF-8, since the gateway takes 100 KB, and an escape is six bytes."""
        if self.payload is None:
            return None
        text = json.dumps(self.payload, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace")  # half a character pair is an escape in JSON too

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a sender can't derive from the body by itself."""
        if self.upload is None:
            return {} if self.payload is None else {"Content-Type": "application/json"}
        return {"Content-Type": self.upload.content_type, "Content-Length": str(len(self.upload))}

    def url(self, base_url: str, id_instance: str, token: str) -> str:
        """Return the address; it holds the token, so it must not be logged or raised."""
        parts = (self.method, token, *self.path)
        tail = "/".join(quote(part, safe="") for part in parts)
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{base_url}/waInstance{id_instance}/{tail}{query}"
