"""The files of one batch, those of batches it adopted, which it has yet to take over, and their log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage.batch_file import (
    part_names,
    read_parts,
    there_of,
    to_json,
    unrevised,
    write_part,
)
from airflow_green_notify.stores.object_storage.lines import Lines
from airflow_green_notify.stores.object_storage.log import Log
from airflow_green_notify.stores.object_storage.older_batches import log_older_batches

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects
    from airflow_green_notify.stores.object_storage.ledger import FileBatches
    from airflow_green_notify.stores.object_storage.log import LogEntry


_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Written:
    """What was written into a file of the batch, if anything was.

    :param rows: The names written, in their order, each with the time at which it was received.
    :param taken_over: The names in adopted files, whether they were written or were held already.
    :param missing: The names whose object is gone.
    """

    part: str = ""
    rows: dict[str, datetime] = field(default_factory=dict)
    taken_over: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Begin anew."""
        for names in (self.rows, self.taken_over, self.missing):
            names.clear()


class OwnFiles:
    """What of a batch is in files, how its objects get there, and how these get into the log.

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
        self._log = Log(files)

    def held(self) -> dict[str, datetime]:
        """Return the names in this batch's files, but for those of another's, or about to be removed.

        They are in queue order, each with the time at which it was received.
        """
        entries = read_parts(self._files, self._parts())
        return {safe_name(entry.notification.key): entry.notification.received_at for entry in entries}

    def adopted(self) -> list[str]:
        """Return the files that this batch is to take over, and has not yet, in queue order."""
        parts = [part for parts in self._batches.owned.values() for part in parts]
        left = there_of(self._files, parts)
        began: dict[str, datetime] = {}
        for part in left:
            first = next(read_parts(self._files, [part]), None)
            if first is not None:
                began.setdefault(_folder_of(part), first.notification.received_at)
        return sorted(left, key=lambda part: began.get(_folder_of(part), _NEVER))

    def write(self, names: list[str], adopted: list[str], held: Collection[str]) -> Written:
        """Write a file of what adopted files hold, and of the objects that are this batch's.

        :param held: What is in a file already, and not written again.
        """
        written = Written()

        def lines() -> Iterator[bytes]:
            written.clear()
            for entry in read_parts(self._files, adopted):
                name = safe_name(entry.notification.key)
                written.taken_over.add(name)
                if name not in held:
                    written.rows[name] = entry.notification.received_at
                    yield to_json(entry)
            for name, found in zip(names, self._objects.lines(names), strict=True):
                if found is None:
                    written.missing.add(name)
                elif name not in written.rows and found.batch_id in self._batches.owned:
                    written.rows[name] = found.received_at
                    yield found.line

        if any(True for _ in lines()):
            written.part = write_part(self._files, self._folder, self._file_format, lines, self._taken())
        return written

    def end_of_log(self) -> LogEntry:
        """Return where the log ends, once it has what was closed before there was one."""
        log_older_batches(self._files, self._log)
        return self._log.last()

    def log(
        self,
        end: LogEntry,
        mine: Collection[str],
        held: Mapping[str, datetime],
        written: Written,
        is_continued: bool,
    ) -> None:
        """Give positions to what was written, and to all that was left without by who died or was adopted.

        :param end: Where the log ended before the batch was closed.
        :param mine: The names whose objects are still there: who logs removes them after that.
        :param held: What was in files before.
        :param is_continued: Whether others had objects of this batch.
        """
        left = {name: held[name] for name in held if name in mine or name in written.taken_over}
        rows = left | written.rows
        if rows:
            # Else nobody can have logged any of them before it was closed.
            is_shared = is_continued or held or written.taken_over
            earlier = self._log.received_since(min(rows.values())) if is_shared else ()
            logged = {key for entry in earlier for key in entry.keys}
            self._log.append(end, rows, self._parts() if left else [written.part], logged)

    def remove(self, adopted: list[str]) -> None:
        """Remove files that were taken over; their lines are found in this batch's."""
        Lines(self._files).note_moved(adopted, self._folder)
        self._files.remove(there_of(self._files, adopted, newest_only=False))

    def _parts(self) -> list[str]:
        names = part_names(self._files, self._folder)
        return [name for name in names if unrevised(name) not in self._taken()]

    def _taken(self) -> set[str]:
        return {*map(unrevised, self._batches.taken_parts)}


def _folder_of(part: str) -> str:
    return part.rpartition("/")[0]
