"""The dead letters of a store: read in pages, marked for a replay, removed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from airflow_green_notify.stores.dead_letter import DeadLetter

PAGE = 500
"""Dead letters that are read, marked or removed at a time."""

_KEY = re.compile("[0-9a-f]{32}")


class Marked(NamedTuple):
    """A dead letter that is to be replayed.

    :param rate: Hard limit of the handler's calls a second; ``None`` for no limit.
    """

    letter: DeadLetter
    rate: float | None


class DeadLetters(Protocol):
    """What of a store was given up, and is neither handled nor dropped since.

    Who replays holds a lease that keeps others from it, and does with each of :meth:`marked`: begin an
    attempt under the letter's key, call the handler, note the key as finished, :meth:`remove` the letter. One
    that is given up again is put as a new dead letter, whose note has the history of the old one; then the
    old one is finished and removed. Whatever that dies between, the letter is still marked, and what was done
    already is recognised: by the finished key, and by the new letter.

    :raises NotificationStoreError: Any method, if there is no such store, or it can't be reached.
    """

    def all(self) -> Iterator[DeadLetter]:
        """Yield all in the order in which they were received, reading a page at a time."""
        ...

    def find(self, keys: Collection[str]) -> list[DeadLetter]:
        """Return those that have one of these keys, or whose notification has it, in order."""
        ...

    def to_be_replayed(self) -> set[str]:
        """Return the keys of all that are marked."""
        ...

    def mark(self, letters: Sequence[DeadLetter], rate: float | None, task: str = "") -> None:
        """Mark dead letters for a replay, or change how they are marked.

        :param rate: Hard limit of the handler's calls a second.
        :param task: Who is to replay them, ``dag_id/task_id``, if not the one who gave each up.
        """
        ...

    def marked(self, task: str, limit: int) -> list[Marked]:
        """Return the first ones that a task is to replay, in the order in which they were received.

        For the task itself, which has opened the store.
        """
        ...

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Let these be dead letters no more, and take their marks off."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def possible_keys(keys: Collection[str]) -> set[str]:
    """Return those that some notification might have."""
    return {key for key in keys if _KEY.fullmatch(key)}
