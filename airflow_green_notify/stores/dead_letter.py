"""A dead letter: a notification that was given up, under a key of its own, with a note of what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_green_notify.files.names import digest
from airflow_green_notify.notification import Notification
from airflow_green_notify.printable import NAME, REASON, printable
from airflow_green_notify.stores.names import task_of

if TYPE_CHECKING:
    from airflow_green_notify.stores.entry import Entry

Reason = Literal["max_attempts", "failed_for_good", "process_died"]
"""Why a notification was given up: so many attempts failed, its handler raised ``AirflowFailException``, or
the process died during the last attempt."""

_MASKED = 20_000
"""Characters of an error in which secrets are looked for; what is behind them is cut off in any case."""


@dataclass(frozen=True)
class Failure:
    """How an attempt at a notification failed.

    :param attempt: Its number, from 1.
    :param reason: Why the notification is given up if this was the last attempt.
    :param error_type: Name of the error's class, or ``ProcessDied``.
    :param error_text: Its text on one line, 500 characters at most, without what Airflow masks.
    :param failed_at: When that was seen.
    """

    attempt: int
    reason: Reason
    error_type: str
    error_text: str
    failed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, error: BaseException | None, attempt: int) -> Failure:
        """Return how an attempt failed.

        :param error: What the handler raised; ``None`` if its process died.
        """
        from airflow.providers.common.compat.sdk import AirflowFailException

        if error is None:
            return cls(attempt, "process_died", "ProcessDied", "The process died during the last attempt.")
        is_final = isinstance(error, AirflowFailException)
        name = printable(type(error).__name__, NAME)
        return cls(attempt, "failed_for_good" if is_final else "max_attempts", name, _text_of(error))


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it lies in a store.

    :param key: Its own, under which it lies there, and under which attempts at its replay are counted.
    :param notification: What was given up, under the key with which it was received.
    :param note: What :func:`note_of` noted, and the notification's key.
    :param task: Who gave it up: ``dag_id/task_id``.
    """

    key: str
    notification: Notification
    note: Mapping[str, Any]
    task: str

    @classmethod
    def of(cls, entry: Entry) -> DeadLetter | None:
        """Return the dead letter that lies in a store; ``None`` if it is none."""
        notification, note = entry.notification, entry.note
        if note is None or not is_dead_letter(notification, note):
            return None
        task = note.get("task") or task_of(entry.batch_id)
        return cls(notification.key, as_received(notification, note), note, str(task))


def note_of(
    first: Failure, last: Failure, *, task: str, former: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the note of a notification that is given up.

    Attempts are counted durably, and errors are not: ``first_error_attempt`` tells to which attempt the first
    error belongs that is known, which is a later one than 1 where other processes made the first attempts.

    :param first: The first failure that this process saw.
    :param last: The last one, whose number is that of all attempts.
    :param task: Who gave it up, ``dag_id/task_id``: this task replays it.
    :param former: The note of the dead letter whose replay failed. Its attempts are added, and its first
        error stays.
    :return: ``{"reason", "attempts", "error_type", "error_text", "failed_at", "first_error_type",
        "first_error_text", "first_error_attempt", "first_failed_at", "replays", "task"}``; ``error_type``,
        ``error_text`` and ``failed_at`` (ISO 8601) are those of the last failure.
    """
    note = {
        "reason": last.reason,
        "attempts": last.attempt,
        "error_type": last.error_type,
        "error_text": last.error_text,
        "failed_at": last.failed_at.isoformat(),
        "first_error_type": first.error_type,
        "first_error_text": first.error_text,
        "first_error_attempt": first.attempt,
        "first_failed_at": first.failed_at.isoformat(),
        "replays": 0,
        "task": task,
    }
    if former is None:
        return note
    kept = {name: former[name] for name in note if name.startswith("first_") and name in former}
    added = {name: _number(former, name) for name in ("attempts", "replays")}
    return note | kept | {"attempts": last.attempt + added["attempts"], "replays": 1 + added["replays"]}


def dead_letter(notification: Notification, note: dict[str, Any]) -> tuple[Notification, dict[str, Any]]:
    """Return what to put, under a key of its own; the note tells the notification's key.

    What one task gives up is one dead letter, however often that is tried; what another task gives up is
    another one, and so is what was replayed in vain.
    """
    noted = {**note, "key": notification.key}
    return replace(notification, key=_key_apart(noted)), noted


def as_received(notification: Notification, note: dict[str, Any] | None) -> Notification:
    """Return a notification read from a store under the key it was received with."""
    return (
        replace(notification, key=note["key"])
        if note and is_dead_letter(notification, note)
        else notification
    )


def is_dead_letter(notification: Notification, note: Mapping[str, Any] | None) -> bool:
    """Tell whether what lies in a store is a dead letter."""
    is_note = isinstance(note, Mapping) and isinstance(note.get("key"), str)
    return note is not None and is_note and notification.key == _key_apart(note)


def _key_apart(note: Mapping[str, Any]) -> str:
    words = f"dead letter {note.get('key')}"
    if note.get("task"):
        words += f" of {note['task']}"
    return digest(f"{words}, replay {note['replays']}" if note.get("replays") else words)


def _number(note: Mapping[str, Any], name: str) -> int:
    value = note.get(name)
    return value if isinstance(value, int) else 0


def _text_of(error: BaseException) -> str:
    from airflow.sdk.log import redact as masked  # type: ignore[attr-defined]

    try:
        text = str(error)
    except Exception:
        text = "It has no text."
    return printable(masked(text[:_MASKED]), REASON)
