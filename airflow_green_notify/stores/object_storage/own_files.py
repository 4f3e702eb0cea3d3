"""The files of one batch, and those of batches it adopted, which it has yet to take over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage.batch_file import part_names, read_parts, to_json, write_part

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects
    from airflow_green_notify.stores.object_storage.ledger import FileBatches


class OwnFiles:
    """What of a batch is in files, and how its objects get there.

    :param batches: Tells which objects and files are this batch's.
    """

    def __init__(
        self, files: Files, batch_id: str, file_format: str, objects: DrainingObjects, batches: FileBatches
    ) -> None:
        self._files = files
        self._folder = folder_of(batch_id)
        self._file_format = file_format
        self._objects = objects
        self._batches = batches

    def held(self) -> set[str]:
        """Return the names in this batch's files, but for those of another's, or about to be removed."""
        names = part_names(self._files, self._folder)
        parts = [name for name in names if name not in self._batches.taken_parts]
        return {safe_name(entry.notification.key) for entry in read_parts(self._files, parts)}

    def adopted(self) -> list[str]:
        """Return the files that this batch is to take over, and has not yet."""
        parts = [part for parts in self._batches.owned.values() for part in parts]
        there = {
            f"{folder}/{name}"
            for folder in {part.rpartition("/")[0] for part in parts}
            for name in self._files.names(folder)
        }
        return [part for part in parts if part in there]

    def write(self, names: list[str], adopted: list[str], held: set[str]) -> tuple[set[str], set[str]]:
        """Write a file of what adopted files hold, and of the objects that are this batch's.

        :param held: What is in a file already, and not written again.
        :return: The names written, and those of ``names`` whose object is gone.
        """
        written: set[str] = set()
        missing: set[str] = set()

        def lines() -> Iterator[bytes]:
            written.clear()
            missing.clear()
            for entry in read_parts(self._files, adopted):
                if (name := safe_name(entry.notification.key)) not in held:
                    written.add(name)
                    yield to_json(entry)
            for name, found in zip(names, self._objects.lines(names), strict=True):
                if found is None:
                    missing.add(name)
                elif name not in written and found[0] in self._batches.owned:
                    written.add(name)
                    yield found[1]

        if any(True for _ in lines()):
            write_part(self._files, self._folder, self._file_format, lines, self._batches.taken_parts)
        return written, missing
