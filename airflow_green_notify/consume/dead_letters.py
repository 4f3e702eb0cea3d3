"""Dead letters for a person, or a task, that looks after them: read, replayed, dropped."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_green_notify.filters import Matching, Verdict, judge
from airflow_green_notify.stores.dead_letters import PAGE

if TYPE_CHECKING:
    from airflow_green_notify.stores.dead_letter import DeadLetter
    from airflow_green_notify.stores.dead_letters import DeadLetters
    from airflow_green_notify.stores.store import Store


def read_dead_letters(
    store: Store,
    keys: Collection[str] = (),
    *,
    matching: Matching | None = None,
    error_type: str | None = None,
) -> Iterator[DeadLetter]:
    """Yield the dead letters of a store in the order in which they were received, a page at a time.

    :param store: As in a Dag; it needn't be open, and nothing of it is changed.
    :param keys: Only these: the keys of notifications, as the log tells them, or those of dead letters
        themselves, as they stand in the table.
    :param matching: Only those whose notification matches; an error of it is no match.
    :param error_type: Only those whose first or last error is of this class, by its name.
    :raises LookupError: There is no dead letter with one of the keys.
    :raises NotificationStoreError: There is no such store, or it can't be reached.
    """
    with closing(store.dead_letters()) as letters:
        yield from _selected(letters, keys, matching, error_type)


def replay_dead_letters(
    store: Store,
    keys: Collection[str] = (),
    *,
    matching: Matching | None = None,
    error_type: str | None = None,
    everything: bool = False,
    rate: float | None = None,
    task: str = "",
) -> dict[str, int]:
    """Mark dead letters, so that the next run of the task which gave them up handles them anew.

    That is the task whose ``dead_letter`` this store is: its handler is called with them in the order in
    which they were received, beside what its queue or table brings. Those marked already get the new rate.

    :param keys: As in :func:`read_dead_letters`, like ``matching`` and ``error_type``.
    :param everything: All of them; without it, keys or a filter must be given.
    :param rate: Hard limit of the handler's calls a second.
    :param task: Who is to replay them, ``dag_id/task_id``, if not the one who gave them up: it was renamed,
        for instance.
    :return: How many were marked for each task.
    :raises ValueError: It isn't said which ones, or the rate is no positive number.
    :raises LookupError: There is no dead letter with one of the keys; none is marked.
    :raises NotificationStoreError: As in :func:`read_dead_letters`. Some may be marked.
    """
    _check_choice(keys, matching, error_type, everything)
    if rate is not None and not 0 < rate < math.inf:
        raise ValueError(f"rate is {rate!r}; it must be a positive number of calls a second.")
    count: Counter[str] = Counter()
    with closing(store.dead_letters()) as letters:
        for page in _pages(_selected(letters, keys, matching, error_type)):
            letters.mark(page, rate, task)
            count.update(task or letter.task for letter in page)
    return dict(count)


def drop_dead_letters(
    store: Store,
    keys: Collection[str] = (),
    *,
    matching: Matching | None = None,
    error_type: str | None = None,
    everything: bool = False,
) -> int:
    """Let dead letters be none any more, for good.

    A table loses their rows. In files the batch stays as it was handed on, and nothing that reads dead
    letters shows them any more.

    :param keys: As in :func:`replay_dead_letters`, like all that follow.
    :return: How many were dropped.
    :raises ValueError: It isn't said which ones.
    :raises LookupError: There is no dead letter with one of the keys; none is dropped.
    :raises NotificationStoreError: As in :func:`read_dead_letters`. Some may be dropped.
    """
    _check_choice(keys, matching, error_type, everything)
    count = 0
    with closing(store.dead_letters()) as letters:
        for page in _pages(_selected(letters, keys, matching, error_type)):
            letters.remove(page)
            count += len(page)
    return count


def facts_of(letter: DeadLetter) -> dict[str, Any]:
    """Return what is told of a dead letter, small JSON without what was written: times are ISO 8601."""
    notification, note = letter.notification, letter.note
    return {
        "key": notification.key,
        "dead_letter_key": letter.key,
        "received_at": notification.received_at.isoformat(),
        "chat_id": notification.chat_id,
        "type_webhook": notification.type_webhook,
        "type_message": notification.type_message,
        "task": letter.task,
    } | {name: note.get(name) for name in _TOLD}


_TOLD = (
    "reason",
    "attempts",
    "replays",
    "first_error_type",
    "first_error_text",
    "first_error_attempt",
    "first_failed_at",
    "error_type",
    "error_text",
    "failed_at",
)


def _check_choice(
    keys: Collection[str], matching: Matching | None, error_type: str | None, everything: bool
) -> None:
    if not (keys or matching is not None or error_type is not None or everything):
        raise ValueError("Say which dead letters: name keys, give a filter, or take all of them.")


def _selected(
    letters: DeadLetters, keys: Collection[str], matching: Matching | None, error_type: str | None
) -> Iterator[DeadLetter]:
    for letter in _found(letters, keys) if keys else letters.all():
        note = letter.note
        is_meant = error_type in (None, note.get("error_type"), note.get("first_error_type"))
        if is_meant and (matching is None or judge(matching, letter.notification) is Verdict.MATCH):
            yield letter


def _found(letters: DeadLetters, keys: Collection[str]) -> list[DeadLetter]:
    found = letters.find(keys)
    missing = {*keys} - {key for letter in found for key in (letter.key, letter.notification.key)}
    if missing:
        raise LookupError(f"There is no dead letter {', '.join(map(repr, sorted(missing)))} in this store.")
    return found


def _pages(letters: Iterator[DeadLetter]) -> Iterator[list[DeadLetter]]:
    while page := list(islice(letters, PAGE)):
        yield page
