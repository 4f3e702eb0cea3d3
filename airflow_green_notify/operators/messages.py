"""Many messages to send: from a list, or from a function that answers notifications."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import (
    GreenApiConfigError,
    GreenApiError,
    GreenApiQuotaError,
    GreenApiResponseError,
)
from airflow_green_notify.operators.send_once import Outgoing
from airflow_green_notify.stores.batch import notifications_in
from airflow_green_notify.task_output import is_output

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

    Wanted = None | str | Mapping[str, Any]
    Messages = Sequence[Wanted] | Callable[[Notification], Wanted | Sequence[Wanted]]

FIELDS = ("chat_id", "message", "quoted_message_id")
LISTED_IDS = 1000
LISTED_REFUSALS = 100
"""How many a report names; it counts all."""
LONGEST_REASON = 500  # characters


def check_messages(messages: Any, notifications: Any) -> None:
    """Judge the arguments as far as they are known when the Dag is parsed.

    :raises ValueError: They don't go together, or are of another kind.
    """
    if callable(messages) and not is_output(messages):
        if inspect.iscoroutinefunction(messages):
            raise ValueError("messages is an async function, whose answer would never be awaited.")
        if notifications is None:
            raise ValueError("messages is a function, so notifications= must say what it is called with.")
        return
    if notifications is not None:
        raise ValueError("notifications= goes with a function as messages=, which is called with each.")
    if not is_output(messages) and (isinstance(messages, str) or not isinstance(messages, Sequence)):
        raise ValueError(
            f"messages is {messages!r}; it must be a list of {{'chat_id': …, 'message': …}}, the output of a "
            "task that returns such a list, or a function that gets a notification and returns what to send."
        )


@dataclass(frozen=True)
class Request:
    """One message that is asked for.

    :param name: Tells it from the others of its task, the same in each try.
    :param wanted: A text, a dict of :data:`FIELDS`, or ``None`` for no message.
    :param notification: What it answers, if it was made by a function.
    """

    name: str
    wanted: Any
    notification: Notification | None = None

    @property
    def identity(self) -> str | None:
        """What makes it the same message in each try: an answer is known by what it answers."""
        return self.name if self.notification else None

    def outgoing(self, chat_id: str | int | None) -> Outgoing:
        """Return the message.

        :param chat_id: The chat for one that names none; by default that of the notification.
        :raises GreenApiConfigError: It is no message; the text doesn't repeat it.
        """
        wanted = {"message": self.wanted} if isinstance(self.wanted, str) else self.wanted
        if not isinstance(wanted, Mapping):
            raise GreenApiConfigError(
                f"A message is of type {type(wanted).__name__}; it must be a text, or a dict with "
                f"{', '.join(FIELDS)}."
            )
        if unknown := [str(name)[:40] for name in wanted if name not in FIELDS]:
            raise GreenApiConfigError(
                f"A message has {unknown[0]!r}, which is unknown; allowed are {', '.join(FIELDS)}."
            )
        answered = self.notification.chat_id if self.notification else None
        chat_id = wanted.get("chat_id") or chat_id or answered
        if not chat_id:
            raise GreenApiConfigError("A message has no chat_id, and the operator names none.")
        if not isinstance(wanted.get("message"), str):
            raise GreenApiConfigError("A message has no text: its 'message' must be a string.")
        return Outgoing(str(chat_id), wanted["message"], wanted.get("quoted_message_id"))


def requests_of(messages: Any, notifications: Any) -> Iterator[Request]:
    """Yield what a list asks for, or what a function answers to each notification.

    :raises GreenApiConfigError: There are no notifications.
    """
    return _answers(messages, notifications) if callable(messages) else _listed(messages)


def _listed(messages: Any) -> Iterator[Request]:
    seen: Counter[str] = Counter()
    for wanted in _as_list(messages):
        digest = hashlib.sha256(repr(wanted).encode("utf-8", "surrogatepass")).hexdigest()
        yield Request(f"{digest}/{seen[digest]}", wanted)
        seen[digest] += 1


def _answers(function: Callable[[Notification], Any], notifications: Any) -> Iterator[Request]:
    for notification in notifications_in(notifications):
        for number, wanted in enumerate(_as_list(function(notification))):
            yield Request(f"{notification.key}/{number}", wanted, notification)


def _as_list(value: Any) -> Iterable[Any]:
    return [value] if isinstance(value, str | Mapping) or not isinstance(value, Iterable) else value


def concerns_one_message(error: GreenApiError) -> bool:
    """Tell whether an error says nothing about the other messages, and will be the same in a retry."""
    if isinstance(error, GreenApiConfigError | GreenApiQuotaError):
        return True
    return type(error) is GreenApiResponseError and error.status == 400


@dataclass
class SendReport:
    """What became of the messages.

    :param id_messages: Of those in the send queue, in order.
    :param unanswered: Notifications to which the function answered nothing.
    :param refused: Which were refused for good, counted from 0 with those that were not sent, and why.
    """

    id_messages: list[str] = field(default_factory=list)
    unanswered: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)

    def note_refusal(self, position: int, request: Request, error: GreenApiError) -> None:
        """Keep which message was refused, and why."""
        key = {"key": request.notification.key} if request.notification else {}
        self.refused.append({"position": position, **key, "error": str(error)[:LONGEST_REASON]})

    def as_dict(self) -> dict[str, Any]:
        """Return the report as small JSON values: it counts all, and names the first of them."""
        return {
            "sent": len(self.id_messages),
            "id_messages": self.id_messages[:LISTED_IDS],
            "unanswered": self.unanswered,
            "refused_count": len(self.refused),
            "refused": self.refused[:LISTED_REFUSALS],
        }
