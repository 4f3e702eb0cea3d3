"""The log of a store of files: which notification has which position.

Below the root of the store::

    log/<number>-<first position>/<number>-<first position>.json    an entry, in a folder named as its first

An entry gives positions to notifications of one batch: it has their keys, in order, and the files that hold
them. Its name follows from the entry before it, and is taken by exclusive creation, so entries and positions
have one order and no gaps, whoever writes them. Entries are never changed or removed.

A batch is logged when it is closed, behind its file and before its keys are indexed and its objects removed:
whatever dies in between leaves objects, and with them somebody who will close them. Each key is logged once.
Who is about to log looks where the log ends before it notes the end of its batch, and what was logged since
is in the entries that it meets on its way to a free name. Only what others may have logged before (a retry,
a batch that adopted) is looked for, from when the oldest of it was received.

Lines are found by their keys, wherever they lie (lines.py). So a file may be written anew without some of its
lines, under the next name of its folder before the old one is removed: the positions of the others stay, and
those of what was erased are missing. The keys of what was erased stay in the log.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

ROOT = "log"
_COMPLETE = "complete"
_PER_FOLDER = 1000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LogEntry:
    """Positions for some notifications of one batch; as it is made without arguments, the start of the log.

    :param number: Its place in the log, from 1.
    :param first: The position of its first key.
    :param parts: Files of the batch in which they lay when they were logged.
    :param latest: When the last one was received of all that is logged up to here.
    :param keys: Their names, see :func:`~airflow_green_notify.files.names.safe_name`.
    """

    folder: str = ""
    number: int = 0
    first: int = 1
    parts: tuple[str, ...] = ()
    latest: datetime = _LONG_AGO
    keys: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The position of its last key."""
        return self.first + len(self.keys) - 1

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{ROOT}/{self.folder}/{_stem(self.number, self.first)}.json"

    def following(self, rows: Mapping[str, datetime] | None = None, parts: Collection[str] = ()) -> LogEntry:
        """Return the entry behind this one.

        :param rows: The keys, each with the time at which its notification was received.
        """
        number, first = self.number + 1, self.end + 1
        folder = _stem(number, first) if self.number % _PER_FOLDER == 0 else self.folder
        rows = rows or {}
        return LogEntry(folder, number, first, (*parts,), max([self.latest, *rows.values()]), (*rows,))

    def content(self) -> bytes:
        """Return what its file holds."""
        return json.dumps(
            {"parts": self.parts, "latest": self.latest.isoformat(), "keys": self.keys}
        ).encode()


class Log:
    """The entries of a store, from any of them on."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._last = LogEntry()

    def last(self) -> LogEntry:
        """Return the entry that is the last one by now."""
        if not self._is_last_still():
            for folder in reversed(self._folders()):
                if names := self._names(folder):
                    self._last = self._entry(names[-1])
                    break
        return self._last

    def append(
        self, last: LogEntry, rows: Mapping[str, datetime], parts: Collection[str], logged: set[str]
    ) -> LogEntry:
        """Give positions to what has none.

        :param last: Where to begin; what is behind it is looked at.
        :param rows: The keys, each with the time at which its notification was received.
        :param parts: The files of a batch that hold them.
        :param logged: The keys that are in the log up to there; those of the entries behind it are added.
        :return: The last entry that was written or met.
        """
        while new := {key: received_at for key, received_at in rows.items() if key not in logged}:
            entry = last.following(new, parts)
            # Whoever has the name: another closing, or this one, if the answer to its creation was lost.
            last = entry if self._files.create(entry.name, [entry.content()]) else self._entry(entry.name)
            logged.update(last.keys)
        return last

    def covering(self, first: int, count: int) -> list[LogEntry]:
        """Return the entries of so many positions, or as many as there are."""
        if first > self._last.end and self._is_last_still():
            return []
        folders = self._folders()
        names: list[str] = []
        for folder in folders[max(bisect_right(folders, first, key=_first_of) - 1, 0) :]:
            names += self._names(folder)
            if names and _first_of(names[-1]) >= first + count:
                break
        begin = max(bisect_right(names, first, key=_first_of) - 1, 0)
        entries = self._entries(names[begin : bisect_left(names, first + count, key=_first_of)])
        return [entry for entry in entries if entry.end >= first]

    def received_since(self, moment: datetime) -> Iterator[LogEntry]:
        """Yield what was logged from the first on that was received then or later."""
        folders = self._folders()
        later = bisect_left(
            folders, moment, key=lambda folder: self._latest(f"{ROOT}/{folder}/{folder}.json")
        )
        for number, folder in enumerate(folders[max(later - 1, 0) :]):
            names = self._names(folder)
            begin = bisect_left(names, moment, key=self._latest) if number == 0 else 0
            yield from self._entries(names[begin:])

    def is_complete(self) -> bool:
        """Whether what was closed before there was a log is in it."""
        return _COMPLETE in self._files.names(ROOT)

    def note_complete(self) -> None:
        """Note that it is."""
        self._files.create(f"{ROOT}/{_COMPLETE}", [b""])

    def _is_last_still(self) -> bool:
        """Whether nothing was logged since the last look; before the first one that isn't known."""
        return self._last.number > 0 and not any(
            content is not None for _, content in self._files.read([self._last.following().name])
        )

    def _folders(self) -> list[str]:
        return sorted(name for name in self._files.names(ROOT) if name != _COMPLETE)

    def _names(self, folder: str) -> list[str]:
        """Return the names of the entries in a folder; it may have been made just before its first one."""
        return [f"{ROOT}/{folder}/{name}" for name in sorted(self._files.names(f"{ROOT}/{folder}"))]

    def _latest(self, name: str) -> datetime:
        ((_, content),) = self._files.read([name])
        return _NOT_YET if content is None else _parsed(name, content).latest

    def _entry(self, name: str) -> LogEntry:
        (entry,) = self._entries([name])
        return entry

    def _entries(self, names: Collection[str]) -> Iterator[LogEntry]:
        for name, content in self._files.read(names):
            if content is None:
                raise FileNotFoundError(f"{name}: nothing removes what is logged")
            yield _parsed(name, content)


def _stem(number: int, first: int) -> str:
    return f"{number:09}-{first:012}"


def _first_of(name: str) -> int:
    return int(name.removesuffix(".json").rpartition("-")[2])


def _parsed(name: str, content: bytes) -> LogEntry:
    _, folder, file = name.split("/")
    fields = json.loads(content)
    return LogEntry(
        folder,
        int(file.partition("-")[0]),
        _first_of(name),
        tuple(fields["parts"]),
        datetime.fromisoformat(fields["latest"]),
        tuple(fields["keys"]),
    )
