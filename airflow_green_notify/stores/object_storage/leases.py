"""The leases of a store of files: one file for each generation of a lease, the highest one counts.

Nothing is overwritten: taking, renewing and releasing a lease each create the next generation, and whoever
finds its name taken, or a higher one there, was too late. The two highest generations are kept, so that no
number comes again and a listing can't miss both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.files.names import digest
from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

TranslateErrors = Callable[[], AbstractContextManager[None]]


class _Generation(NamedTuple):
    number: int
    owner: str
    span: float
    """Seconds until it expires; 0 for one that was released."""


class FileLeases:
    """The leases of a store of files, judged by the clock of the place that they lie in."""

    def __init__(self, files: Files, translate_errors: TranslateErrors) -> None:
        self._files = files
        self._translate_errors = translate_errors
        self._watched: dict[str, tuple[int, Stopwatch]] = {}
        self.times_taken = 0
        """How often a lease was taken; what others stored until then is seen after it."""

    def take_leases(self, queues: Sequence[str], owner: str, span: float) -> dict[str, tuple[str, str]]:
        """Take those that nobody else has; return who has each now, and who had it before."""
        with self._translate_errors():
            holders = {queue: self._take(_folder(queue), owner, span) for queue in queues}
        self.times_taken += any(holder == owner for holder, _ in holders.values())
        return holders

    def renew_leases(self, queues: Sequence[str], owner: str, span: float) -> set[str]:
        """Let them expire later, except those that somebody else took; return which are the owner's."""
        with self._translate_errors():
            return {queue for queue in queues if self._follow(_folder(queue), owner, span)}

    def release_leases(self, queues: Sequence[str], owner: str) -> None:
        """Let them expire now."""
        with self._translate_errors():
            for queue in queues:
                self._follow(_folder(queue), owner, 0.0)

    def _take(self, folder: str, owner: str, span: float) -> tuple[str, str]:
        while True:
            latest = self._latest(folder)
            if latest.owner != owner and not self._is_free(folder, latest):
                return latest.owner, latest.owner
            if self._add(folder, _Generation(latest.number + 1, owner, span)):
                return owner, latest.owner

    def _follow(self, folder: str, owner: str, span: float) -> bool:
        latest = self._latest(folder)
        return latest.owner == owner and self._add(folder, _Generation(latest.number + 1, owner, span))

    def _latest(self, folder: str) -> _Generation:
        while numbers := self._numbers(folder):
            ((_, content),) = self._files.read([f"{folder}/{numbers[-1]}"])
            if content is not None:  # else a newer one took its place meanwhile
                return _Generation(numbers[-1], *json.loads(content))
        return _Generation(0, "", 0.0)

    def _numbers(self, folder: str) -> list[int]:
        return sorted(int(name) for name in self._files.names(folder) if name.isdigit())

    def _add(self, folder: str, generation: _Generation) -> bool:
        """Create a generation, and tell whether it is the highest: its number may be gone long since."""
        content = json.dumps(generation[1:]).encode()
        if not self._files.create(f"{folder}/{generation.number}", [content]):
            return False
        numbers = self._numbers(folder)
        self._files.remove(f"{folder}/{number}" for number in numbers[:-2])
        return numbers[-1] == generation.number

    def _is_free(self, folder: str, latest: _Generation) -> bool:
        if latest.span == 0.0:
            return True
        name = f"{folder}/{latest.number}"
        age = self._files.age(name)
        if age is None:  # the place doesn't tell: watch it for a whole span
            number, watched = self._watched.get(folder, (0, Stopwatch()))
            if number != latest.number:
                watched = Stopwatch()
                self._watched[folder] = latest.number, watched
            age = watched.seconds()
        return age > latest.span


def _folder(queue: str) -> str:
    return f"leases/{digest(queue)}"
