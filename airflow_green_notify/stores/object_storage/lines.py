"""Lines of closed batches by their keys, wherever a batch that adopted them has put them.

Who takes over the file of another batch notes where its lines went before it removes it::

    moved/<folder of the batch>/<folder of the adopter>.json
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import digest
from airflow_green_notify.stores.object_storage.batch_file import part_names, rows_of

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.entry import Entry

_ROOT = "moved"
_MAX_LOOKS = 20


class Lines:
    """The lines of all files of closed batches."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def find(self, parts: Collection[str], keys: Iterable[str]) -> dict[str, Entry]:
        """Return the lines of these keys; one that isn't there is nowhere any more.

        :param parts: Files of the batch that had them when they were logged.
        """
        search = _Search(self._files, keys)
        search.read(parts)
        seen: set[str] | None = None
        for _ in range(_MAX_LOOKS):
            if not search.missing:
                return search.found
            # Lines that move while they are looked for are in another place at the next look.
            before, seen = seen, search.look(_folder_of(part) for part in parts)
            if before == seen:
                return search.found
        raise NotificationStoreError(f"{parts}: files that are listed can't be read")

    def note_moved(self, parts: Iterable[str], target: str) -> None:
        """Note that the lines of some files are now in another folder as well, durably."""
        for folder in {_folder_of(part) for part in parts} - {target}:
            name = f"{_ROOT}/{digest(folder)}/{digest(target)}.json"
            self._files.create(name, [json.dumps({"from": folder, "to": target}).encode()])


class _Search:
    """A search for lines; no file is read twice."""

    def __init__(self, files: Files, keys: Iterable[str]) -> None:
        self._files = files
        self._read: set[str] = set()
        self.missing = set(keys)
        self.found: dict[str, Entry] = {}

    def look(self, folders: Iterable[str]) -> set[str]:
        """Read what is new in some folders, and where lines of them were moved to; return what is there."""
        there: set[str] = set()
        waiting = [*folders]
        while waiting:
            folder = waiting.pop()
            if folder not in there:
                parts = part_names(self._files, folder)
                there.update([folder, *parts])
                self.read(parts)
                waiting += self._moved_to(folder)
        return there

    def read(self, parts: Iterable[str]) -> None:
        """Take what is looked for from these files, as far as they are there."""
        for part in parts:
            if self.missing and part not in self._read:
                try:
                    self._take(part)
                except FileNotFoundError:
                    continue
                self._read.add(part)

    def _take(self, part: str) -> None:
        with self._files.open(part) as stream:
            for key, entry in rows_of(stream, part, self.missing):
                self.found[key] = entry
                self.missing.remove(key)
                if not self.missing:
                    return

    def _moved_to(self, folder: str) -> Iterator[str]:
        above = f"{_ROOT}/{digest(folder)}"
        for _, content in self._files.read(f"{above}/{name}" for name in self._files.names(above)):
            if content is not None:
                yield json.loads(content)["to"]


def _folder_of(part: str) -> str:
    return part.rpartition("/")[0]
