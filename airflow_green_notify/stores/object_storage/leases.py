"""The leases of a store of files: one file for each generation of a lease, the highest one counts.

Nothing is overwritten: taking, renewing and releasing a lease each create the next generation, and whoever
finds its name taken, or a higher one there, was too late. The two highest generations are kept, so that no
number comes again and a listing can't miss both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
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


_NONE = _Generation(0, "", 0.0)
_ROOT = "leases"


class FileLeases:
    """The leases of a store of files, judged by the clock of the place that they lie in.

    Those of many queues are looked at and followed together, step by step, since each step in a bucket is a
    round trip.
    """

    def __init__(self, files: Files, translate_errors: TranslateErrors) -> None:
        self._files = files
        self._translate_errors = translate_errors
        self._known: dict[str, _Generation] = {}
        """What was read last, or written: a number, once it has a content, keeps it."""
        self._watched: dict[str, tuple[int, Stopwatch]] = {}
        self.times_taken = 0
        """How often a lease was taken; what others stored until then is seen after it."""

    def take_leases(self, queues: Sequence[str], owner: str, span: float) -> dict[str, tuple[str, str]]:
        """Take those that nobody else has; return who has each now, and who had it before."""
        folders = {queue: digest(queue) for queue in queues}
        holders: dict[str, tuple[str, str]] = {}
        with self._translate_errors():
            while asked := [folder for folder in folders.values() if folder not in holders]:
                latest = self._latest(asked)
                held = self._held({f: each for f, each in latest.items() if each.owner != owner})
                holders |= {folder: (latest[folder].owner, latest[folder].owner) for folder in held}
                free = {folder: each for folder, each in latest.items() if folder not in held}
                holders |= {folder: (owner, free[folder].owner) for folder in self._add(free, owner, span)}
        self.times_taken += any(holder == owner for holder, _ in holders.values())
        return {queue: holders[folder] for queue, folder in folders.items()}

    def renew_leases(self, queues: Sequence[str], owner: str, span: float) -> set[str]:
        """Let them expire later, except those that somebody else took; return which are the owner's."""
        folders = {digest(queue): queue for queue in queues}
        renewed: set[str] = set()
        with self._translate_errors():
            for _ in range(2):  # a name may be taken by what this owner created, when the answer was lost
                if asked := folders.keys() - renewed:
                    latest = self._latest(asked)
                    own = {folder: each for folder, each in latest.items() if each.owner == owner}
                    renewed |= self._add(own, owner, span)
        return {folders[folder] for folder in renewed}

    def release_leases(self, queues: Sequence[str], owner: str) -> None:
        """Let them expire now."""
        self.renew_leases(queues, owner, 0.0)

    def _latest(self, folders: Collection[str]) -> dict[str, _Generation]:
        latest: dict[str, _Generation] = {}
        while asked := {folder for folder in folders if folder not in latest}:
            numbers = self._numbers(asked)
            self._read({folder: some[-1] for folder, some in numbers.items() if some})
            for folder, some in numbers.items():
                known = self._known.get(folder, _NONE) if some else _NONE
                if not some or known.number == some[-1]:  # else a newer one took its place meanwhile
                    latest[folder] = known
        return latest

    def _read(self, numbers: dict[str, int]) -> None:
        names = {
            _name(folder, number): folder
            for folder, number in numbers.items()
            if self._known.get(folder, _NONE).number != number
        }
        for name, content in self._files.read(names):
            if content is not None:
                folder = names[name]
                self._known[folder] = _Generation(numbers[folder], *json.loads(content))

    def _numbers(self, folders: Collection[str]) -> dict[str, list[int]]:
        found = self._files.names_below(_ROOT, folders)
        return {folder: sorted(map(int, filter(str.isdigit, names))) for folder, names in found.items()}

    def _add(self, latest: Mapping[str, _Generation], owner: str, span: float) -> set[str]:
        """Create the next generations, and tell which are the highest: a number may be gone long since."""
        if not latest:
            return set()
        following = {folder: _Generation(each.number + 1, owner, span) for folder, each in latest.items()}
        created = self._files.create_all(
            {_name(folder, each.number): json.dumps(each[1:]).encode() for folder, each in following.items()}
        )
        if errors := [each for each in created.values() if isinstance(each, Exception)]:
            raise errors[0]
        numbers = self._numbers([f for f, each in following.items() if created[_name(f, each.number)]])
        self._files.remove(_name(folder, number) for folder, some in numbers.items() for number in some[:-2])
        added = {folder for folder, some in numbers.items() if some[-1:] == [following[folder].number]}
        self._known.update((folder, following[folder]) for folder in added)
        return added

    def _held(self, latest: Mapping[str, _Generation]) -> set[str]:
        """Tell which have neither been released nor run out."""
        held = {folder: each for folder, each in latest.items() if each.span != 0.0}
        if not held:
            return set()
        ages = self._files.ages([_name(folder, each.number) for folder, each in held.items()])
        return {f for f, each in held.items() if self._age(f, each, ages[_name(f, each.number)]) <= each.span}

    def _age(self, folder: str, latest: _Generation, age: float | None) -> float:
        if age is not None:
            return age
        number, watched = self._watched.get(folder, (0, Stopwatch()))
        if number != latest.number:  # the place doesn't tell: watch it for a whole span
            watched = Stopwatch()
            self._watched[folder] = latest.number, watched
        return watched.seconds()


def _name(folder: str, number: int) -> str:
    return f"{_ROOT}/{folder}/{number}"
