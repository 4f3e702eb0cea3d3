"""Which notifications are meant: match, miss or error."""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_green_notify.body import texts_at
from airflow_green_notify.contacts import CHAT_KINDS, Contacts
from airflow_green_notify.task_output import is_output, is_template

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
    :param chat_id: The conversation. A person may be named by phone number or LID, under whichever the
        notification shows the chat; in an operator or sensor the gateway is asked where that is not known.
    :param sender: The author; a person is recognised as in ``chat_id``.
    :param text: Regular expression, searched in the first 4,096 characters of the text; ``(?i)`` in front
        ignores case. Others write what is searched: one whose repetitions are nested, such as ``(a+)+$``, may
        take for ever on it nevertheless.
    :param status: Delivery status of a sent message, phase of a call, or state of the instance.
    :param quoted_id: Id of the message that this one answers, edits, deletes or votes on.
    :param direction: ``incoming`` or ``outgoing``.
    :param chat_kind: ``private``, ``group``, ``channel``, ``status`` or ``broadcast``.
    :param id_message: Id of the message.
    :param body: What else the body holds: paths, such as ``messageData.pollMessageData.votes.optionVoters``,
        each with its value or values. A path leads through every item of a list. Numbers, ``true`` and
        ``false`` may be given as text.
    :param not_: A filter, or its arguments as a dict, that must not match.
    :raises ValueError: ``text`` is no regular expression, a list is empty, or a value can't occur.
    """

    type_webhook: str | Sequence[str] | None = None
    type_message: str | Sequence[str] | None = None
    chat_id: str | Sequence[str] | None = None
    sender: str | Sequence[str] | None = None
    text: str | Sequence[str] | None = None
    status: str | Sequence[str] | None = None
    quoted_id: str | Sequence[str] | None = None
    direction: str | Sequence[str] | None = None
    chat_kind: str | Sequence[str] | None = None
    id_message: str | Sequence[str] | None = None
    body: Mapping[str, Any] | None = None
    not_: NotificationFilter | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                read: Callable[[str, Any], Any] = _READERS.get(field.name, _as_tuple)
                object.__setattr__(self, field.name, read(field.name, value))

    def verdict(self, notification: Notification, contacts: Contacts | None = None) -> Verdict:
        """Judge a notification; a declarative filter never errs.

        :param contacts: Who is who, which is asked last; by default nobody knows more than the ids tell.
        :raises GreenApiError: Who is who could not be asked just now.
        """
        known = contacts or Contacts()
        names = sorted((field.name for field in fields(self)), key=_ASKED_LAST.__contains__)
        fits = all(self._fits(name, notification, known) for name in names)
        return Verdict.MATCH if fits else Verdict.MISS

    def _fits(self, name: str, notification: Notification, contacts: Contacts) -> bool:
        wanted: Any = getattr(self, name)
        if wanted is None:
            return True
        if isinstance(wanted, NotificationFilter):
            return wanted.verdict(notification, contacts) is Verdict.MISS
        if name == "body":
            return all(any(v in texts_at(notification.body, path) for v in values) for path, values in wanted)
        if name in ("chat_id", "sender"):
            found = _people(name, notification)
            return any(contacts.are_same(each, found) for each in wanted)
        value = getattr(notification, name)
        if name == "status" and value is None:
            value = notification.state
        if value is None:
            return False
        if name == "text":
            return any(re.search(pattern, value[:SEARCHED]) for pattern in wanted)
        return value in wanted

    def signs(self) -> list[tuple[str, str]]:
        """Return signs, of which a notification must bear one to fit; none if that can't be told.

        Only as far as nobody is asked who is who.
        """
        name = next((name for name in _SIGNS if getattr(self, name) is not None), None)
        return [_sign(name, value) for value in getattr(self, name)] if name else []

    def as_dict(self) -> dict[str, Any]:
        """Return what was given, as JSON values."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _as_json(value) for name, value in given if value is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> NotificationFilter:
        """Return the filter that :meth:`as_dict` described.

        :raises ValueError: It describes none. ``None`` is refused: a task that returned nothing would
            otherwise turn a filter for one chat into one for any.
        """
        cls.check_names(value)
        return cls(**value)

    @classmethod
    def check_names(cls, value: Mapping[str, Any]) -> None:
        """Refuse what names a part that no filter has, or gives it as ``None``.

        :raises ValueError: It does.
        """
        names = [field.name for field in fields(cls)]
        for name, wanted in value.items():
            if name not in names:
                raise ValueError(f"{name!r} is no part of a filter; its parts are {', '.join(names)}.")
            if wanted is None:
                raise ValueError(f"{name} is None; leave it out to accept any. Did a task return nothing?")
            if name == "not_" and isinstance(wanted, Mapping):
                cls.check_names(wanted)


Matching = NotificationFilter | Callable[["Notification"], object]
"""A filter, or a callable that returns whether a notification is meant."""


def judge(matching: Matching, notification: Notification, contacts: Contacts | None = None) -> Verdict:
    """Judge a notification by a filter, or by a callable that returns whether it is meant.

    A callable that raises is an error, which the log names by its type only: the text may quote the
    notification.

    :param contacts: Who is who, for a filter.
    :raises GreenApiError: Who is who could not be asked just now.
    """
    if isinstance(matching, NotificationFilter):
        return matching.verdict(notification, contacts)
    try:
        return Verdict.MATCH if answer_of(matching, notification) else Verdict.MISS
    except Exception as error:
        name = getattr(matching, "__qualname__", type(matching).__name__)
        log.warning("%s failed on %r: %s.", name, notification, type(error).__name__)
        return Verdict.ERROR


def signs_of(notification: Notification) -> set[tuple[str, str]]:
    """Return all signs that a notification bears, as :meth:`NotificationFilter.signs` names them."""
    signs = set()
    for name in _SIGNS:
        is_id_of_people = name in ("chat_id", "sender")
        values = _people(name, notification) if is_id_of_people else (getattr(notification, name),)
        signs |= {_sign(name, value) for value in values if value is not None}
    return signs


def answer_of(function: Callable[[Notification], object], notification: Notification) -> object:
    """Call a function of the user's own and return its answer.

    :raises TypeError: Its answer would have to be awaited, so that nothing was done yet.
    """
    answer = function(notification)
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("The function is async, so nothing was done: it must be a plain function.")
    return answer


_SIGNS = ("quoted_id", "id_message", "chat_id", "sender", "type_message", "type_webhook")
"""Parts of a filter that compare for equality, the rarest value first."""

_ASKED_LAST = ("chat_id", "sender", "not_")
"""Parts of a filter for which somebody may have to be asked."""


def _sign(name: str, value: str) -> tuple[str, str]:
    """Telegram and MAX take a phone number with ``@c.us``, and may show it without."""
    return name, value.removesuffix("@c.us") if name in ("chat_id", "sender") else value


def _people(name: str, notification: Notification) -> tuple[str, ...]:
    """Return the ids of the chat or the author; the one of a private chat is who is at the other end."""
    own = getattr(notification, name)
    if own is None:
        return ()
    is_person = (
        notification.chat_kind == "private" if name == "chat_id" else notification.direction == "incoming"
    )
    return (own, *notification.contact_ids) if is_person else (own,)


def _as_tuple(name: str, value: Any) -> tuple[str, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not values:
        raise ValueError(f"{name} is an empty list, which nothing fits; leave it out to accept any.")
    for item in values:
        if not is_output(item) and (not isinstance(item, str | int) or isinstance(item, bool)):
            raise ValueError(f"{name} must be text or a list of texts, not {item!r}.")
    return tuple(item if is_output(item) else str(item) for item in values)


def _as_patterns(name: str, value: Any) -> tuple[str, ...]:
    patterns = _as_tuple(name, value)
    for pattern in patterns:
        if is_output(pattern):
            continue
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"text={pattern!r} is no regular expression: {error}.") from None
    return patterns


def _one_of(*words: str) -> Callable[[str, Any], tuple[str, ...]]:
    def as_words(name: str, value: Any) -> tuple[str, ...]:
        values = _as_tuple(name, value)
        for item in values:
            if not is_template(item) and item not in words:
                raise ValueError(f"{name} is {item!r}; it must be one of {', '.join(words)}.")
        return values

    return as_words


def _as_paths(name: str, value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, Mapping) or not value or not all(isinstance(path, str) for path in value):
        raise ValueError(f"{name} must be a dict of paths, such as 'messageData.typeMessage', not {value!r}.")
    return tuple((path, _as_tuple(f"{name}[{path!r}]", _as_texts(wanted))) for path, wanted in value.items())


def _as_texts(value: Any) -> Any:
    """Return numbers, true and false in the text that JSON has for them."""
    if isinstance(value, list | tuple):
        return [*map(_as_texts, value)]
    return json.dumps(value) if isinstance(value, int | float) else value


def _as_negative(name: str, value: Any) -> NotificationFilter:
    negative = NotificationFilter.from_dict(value) if isinstance(value, Mapping) else value
    if not isinstance(negative, NotificationFilter):
        raise ValueError(f"{name} must be a filter or its arguments as a dict, not {value!r}.")
    if negative == NotificationFilter():
        raise ValueError(f"{name} is empty, so that nothing would fit; leave it out to accept any.")
    if negative.not_ is not None:
        raise ValueError(f"{name} can't hold another not_.")
    return negative


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "text": _as_patterns,
    "direction": _one_of("incoming", "outgoing"),
    "chat_kind": _one_of(*CHAT_KINDS),
    "body": _as_paths,
    "not_": _as_negative,
}


def _as_json(value: Any) -> Any:
    if isinstance(value, NotificationFilter):
        return value.as_dict()
    is_body = any(isinstance(item, tuple) for item in value)
    return {path: list(values) for path, values in value} if is_body else list(value)
