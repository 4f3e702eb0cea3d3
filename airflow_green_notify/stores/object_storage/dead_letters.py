"""The dead letters in a folder or bucket.

Beside the files of batches, none of which is changed::

    dead_letters/replay/<task>/<time>-<key>     to be replayed; the time is when it was received
    dead_letters/gone/<key>                     handled or dropped: none any more
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import digest
from airflow_green_notify.stores.dead_letter import DeadLetter
from airflow_green_notify.stores.dead_letters import PAGE, Marked, possible_keys
from airflow_green_notify.stores.object_storage.batch_file import from_json, is_part, read_parts
from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects, object_name

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.object_storage.leases import TranslateErrors

_REPLAY = "dead_letters/replay"
_GONE = "dead_letters/gone"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)

_MAX_LOOKS = 10
"""How often files are looked at that vanish meanwhile, as when a batch is closed or taken over."""


class _Place(NamedTuple):
    """Where a dead letter lies, and what it is found and ordered by."""

    received_at: datetime
    key: str
    notification_key: str
    file: str


class FileDeadLetters:
    """The dead letters in the files of batches, and in the objects of unfinished ones.

    All of these are read to find them, so they want a folder of their own. What is kept in memory of each is
    where it lies.
    """

    def __init__(self, files: Files, translate_errors: TranslateErrors) -> None:
        self._files = files
        self._objects = DrainingObjects(files)
        self._translate_errors = translate_errors
        self._file_of: dict[str, str] = {}
        """Where each was found when all files were last looked through."""

    def all(self) -> Iterator[DeadLetter]:
        with self._translate_errors():
            keys = [place.key for place in self._places()]
        for start in range(0, len(keys), PAGE):
            with self._translate_errors():
                page = self._read(keys[start : start + PAGE])
            yield from page

    def find(self, keys: Collection[str]) -> list[DeadLetter]:
        sought = possible_keys(keys)
        if not sought:
            return []
        with self._translate_errors():
            places = self._places()
            return self._read(each.key for each in places if {each.key, each.notification_key} & sought)

    def to_be_replayed(self) -> set[str]:
        with self._translate_errors():
            return keys_to_be_replayed(self._files) - self._gone()

    def mark(self, letters: Sequence[DeadLetter], rate: float | None, task: str = "") -> None:
        with self._translate_errors():
            self.unmark(letters)
            content = json.dumps({"rate": rate}).encode()
            self._create(
                {f"{_REPLAY}/{digest(task or each.task)}/{_mark(each)}": content for each in letters}
            )

    def marked(self, task: str, limit: int) -> list[Marked]:
        with self._translate_errors():
            folder = digest(task)
            names = self._marks_of(folder)
            if not names:
                return []
            gone = self._gone()
            names = [name for name in names if _key_in(name) not in gone]
            found: list[Marked] = []
            while names and not found:  # what was erased is not found, and only its mark is left
                some, names = names[:limit], names[limit:]
                found = self._marked(folder, some)
            return found

    def remove(self, letters: Sequence[DeadLetter]) -> None:
        with self._translate_errors():
            self._create({f"{_GONE}/{letter.key}": b"" for letter in letters})
            self.unmark(letters)

    def unmark(self, letters: Sequence[DeadLetter]) -> None:
        """Take the marks off."""
        names = [_mark(letter) for letter in letters]
        tasks = self._files.names(_REPLAY)
        self._files.remove(f"{_REPLAY}/{task}/{name}" for task in tasks for name in names)

    def close(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""

    def _marks_of(self, task: str) -> list[str]:
        return sorted(self._files.names(f"{_REPLAY}/{task}"))

    def _marked(self, folder: str, names: Sequence[str]) -> list[Marked]:
        rates: dict[str, float | None] = {}
        for name, content in self._files.read(f"{_REPLAY}/{folder}/{name}" for name in names):
            if content is not None:  # else it was taken off, or is marked anew, just now
                rates[_key_in(name)] = json.loads(content)["rate"]
        return [Marked(letter, rates[letter.key]) for letter in self._read(rates)]

    def _create(self, contents: Mapping[str, bytes]) -> None:
        for outcome in self._files.create_all(contents).values():
            if isinstance(outcome, Exception):
                raise outcome

    def _gone(self) -> set[str]:
        return {*self._files.names(_GONE)}

    def _places(self) -> list[_Place]:
        """Look through all files, and return where the dead letters lie, in order."""
        for _ in range(_MAX_LOOKS):
            try:
                found = {place.key: place for place in self._look()}
            except FileNotFoundError:
                continue
            self._file_of = {place.key: place.file for place in found.values()}
            gone = self._gone()
            return sorted(place for place in found.values() if place.key not in gone)
        raise NotificationStoreError("batches/: files that are listed can't be read.")

    def _look(self) -> Iterator[_Place]:
        """Find all; what is moved from an object to a file meanwhile is found twice, never missed."""
        for name, content in self._files.read(map(object_name, self._objects.names())):
            yield from _places_in(name, [] if content is None else [from_json(content)])
        for name in filter(is_part, self._files.modified_since("batches", _EVER)):
            yield from _places_in(name, self._entries_in(name))

    def _read(self, keys: Iterable[str]) -> list[DeadLetter]:
        """Return those that are still there, in order."""
        sought = {*keys}
        found = self._read_known(sought)
        if sought - found.keys():
            self._places()
            found |= self._read_known(sought - found.keys())
        return sorted(found.values(), key=lambda each: (each.notification.received_at, each.key))

    def _read_known(self, keys: Collection[str]) -> dict[str, DeadLetter]:
        found: dict[str, DeadLetter] = {}
        for name in dict.fromkeys(self._file_of[key] for key in keys if key in self._file_of):
            with suppress(FileNotFoundError):
                letters = filter(None, map(DeadLetter.of, self._entries_in(name)))
                found |= {letter.key: letter for letter in letters if letter.key in keys}
        return found

    def _entries_in(self, name: str) -> Iterator[Entry]:
        if is_part(name):
            yield from read_parts(self._files, [name])
            return
        for _, content in self._files.read([name]):
            if content is not None:
                yield from_json(content)


def keys_to_be_replayed(files: Files) -> set[str]:
    """Return the keys of all that is marked."""
    return {_key_in(name) for task in files.names(_REPLAY) for name in files.names(f"{_REPLAY}/{task}")}


def _places_in(file: str, entries: Iterable[Entry]) -> Iterator[_Place]:
    for letter in filter(None, map(DeadLetter.of, entries)):
        notification = letter.notification
        yield _Place(notification.received_at, letter.key, notification.key, file)


def _mark(letter: DeadLetter) -> str:
    """Return the name of the mark of a dead letter: sorted, they are in order."""
    return f"{letter.notification.received_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{letter.key}"


def _key_in(name: str) -> str:
    return name.rpartition("-")[2]
