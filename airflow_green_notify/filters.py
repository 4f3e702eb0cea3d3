"""Which notifications are meant: match, miss or error."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_green_notify.task_output import is_output

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

SEARCHED = 4_096
"""Characters of a text that a regular expression is searched in."""


class Verdict(Enum):
    """What a filter says about a notification. An error is never a miss."""

    MATCH = "match"
    MISS = "miss"
    ERROR = "error"


@dataclass(frozen=True)
class NotificationFilter:
    """Matches a notification that fits every argument given.

    Each argument is a value or a list of values; one of a list is enough. What the notification lacks, or
    carries in an unexpected form, does not fit. In an operator or sensor a value may be a template, or what
    another task returns.

    :param type_webhook: Kind of notification, such as ``incomingMessageReceived``.
    :param type_message: Kind of message, such as ``textMessage``.
    :param chat_id: The conversation.
    :param sender: The author.
    :param text: Regular expression, searched in the first 4,096 characters of the text; ``(?i)`` in front
        ignores case. Others write what is searched: one whose repetitions are nested, such as ``(a+)+$``, may
        take for ever on it nevertheless.
    :param status: Delivery status of a sent message, phase of a call, or state of the instance.
    :param quoted_id: Id of the message that this one answers, edits, deletes or votes on.
    :raises ValueError: ``text`` is no regular expression, or a list is empty.
    """

    type_webhook: str | Sequence[str] | None = None
    type_message: str | Sequence[str] | None = None
    chat_id: str | Sequence[str] | None = None
    sender: str | Sequence[str] | None = None
    text: str | Sequence[str] | None = None
    status: str | Sequence[str] | None = None
    quoted_id: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_tuple(field.name, getattr(self, field.name)))
        for pattern in self.text or ():
            if is_output(pattern):
                continue
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"text={pattern!r} is no regular expression: {error}.") from None

    def verdict(self, notification: Notification) -> Verdict:
        """Judge a notification; a declarative filter never errs."""
        fits = all(self._fits(field.name, notification) for field in fields(self))
        return Verdict.MATCH if fits else Verdict.MISS

    def _fits(self, name: str, notification: Notification) -> bool:
        wanted = getattr(self, name)
        if wanted is None:
            return True
        value = getattr(notification, name)
        if name == "status" and value is None:
            value = notification.state
        if value is None:
            return False
        if name == "text":
            return any(re.search(pattern, value[:SEARCHED]) for pattern in wanted)
        return value in wanted

    def as_dict(self) -> dict[str, list[str]]:
        """Return what was given, as JSON values."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: list(values) for name, values in given if values is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> NotificationFilter:
        """Return the filter that :meth:`as_dict` described.

        :raises ValueError: It describes none. ``None`` is refused: a task that returned nothing would
            otherwise turn a filter for one chat into one for any.
        """
        names = [field.name for field in fields(cls)]
        for name, wanted in value.items():
            if name not in names:
                raise ValueError(f"{name!r} is no part of a filter; its parts are {', '.join(names)}.")
            if wanted is None:
                raise ValueError(f"{name} is None; leave it out to accept any. Did a task return nothing?")
        return cls(**value)


Matching = NotificationFilter | Callable[["Notification"], object]
"""A filter, or a callable that returns whether a notification is meant."""


def judge(matching: Matching, notification: Notification) -> Verdict:
    """Judge a notification by a filter, or by a callable that returns whether it is meant.

    A callable that raises is an error, which the log names by its type only: the text may quote the
    notification.
    """
    if isinstance(matching, NotificationFilter):
        return matching.verdict(notification)
    try:
        return Verdict.MATCH if answer_of(matching, notification) else Verdict.MISS
    except Exception as error:
        name = getattr(matching, "__qualname__", type(matching).__name__)
        log.warning("%s failed on %r: %s.", name, notification, type(error).__name__)
        return Verdict.ERROR


def answer_of(function: Callable[[Notification], object], notification: Notification) -> object:
    """Call a function of the user's own and return its answer.

    :raises TypeError: Its answer would have to be awaited, so that nothing was done yet.
    """
    answer = function(notification)
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("The function is async, so nothing was done: it must be a plain function.")
    return answer


def _as_tuple(name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not values:
        raise ValueError(f"{name} is an empty list, which nothing fits; leave it out to accept any.")
    for item in values:
        if not is_output(item) and (not isinstance(item, str | int) or isinstance(item, bool)):
            raise ValueError(f"{name} must be text or a list of texts, not {item!r}.")
    return tuple(item if is_output(item) else str(item) for item in values)
