"""The leases of a store of files: one file for each generation of a lease, the highest one counts.

Nothing is overwritten: taking, renewing and releasing a lease each create the next generation, and whoever
finds its name taken, or a higher one there, was too late. The two highest generations are kept, so that no
number comes again and a listing can't miss both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
        self._watched = ("", Stopwatch())
        self.times_taken = 0
        """How often a lease was taken; what others stored until then is seen after it."""

    def take_lease(self, queue: str, owner: str, span: float) -> tuple[str, str]:
        """Take it unless somebody else has it; return who has it now, and who had it before."""
        folder = _folder(queue)
        with self._translate_errors():
            while True:
                latest = self._latest(folder)
                if latest.owner != owner and not self._is_free(folder, latest):
                    return latest.owner, latest.owner
                if self._add(folder, _Generation(latest.number + 1, owner, span)):
                    self.times_taken += 1
                    return owner, latest.owner

    def renew_lease(self, queue: str, owner: str, span: float) -> bool:
        """Let it expire later, unless somebody else took it."""
        return self._follow(queue, owner, span)

    def release_lease(self, queue: str, owner: str) -> None:
        """Let it expire now."""
        self._follow(queue, owner, 0.0)

    def _follow(self, queue: str, owner: str, span: float) -> bool:
        folder = _folder(queue)
        with self._translate_errors():
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
            if self._watched[0] != name:
                self._watched = (name, Stopwatch())
            age = self._watched[1].seconds()
        return age > latest.span


def _folder(queue: str) -> str:
    return f"leases/{digest(queue)}"
