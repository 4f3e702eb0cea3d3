"""A folder or bucket as a stream: what is closed, by the positions of the log."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_green_notify.stores.object_storage.batch_file import rows_of
from airflow_green_notify.stores.object_storage.consumers import FileConsumers
from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects
from airflow_green_notify.stores.object_storage.lines import Lines
from airflow_green_notify.stores.object_storage.log import Log
from airflow_green_notify.stores.object_storage.older_batches import log_older_batches

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.object_storage.leases import TranslateErrors
    from airflow_green_notify.stores.object_storage.log import LogEntry
    from airflow_green_notify.stores.stream import Consumer


class FileStream:
    """The closed batches of a store of files, one behind the other as they were closed.

    What is in an open batch has no position yet: :meth:`open_entries` gives it. So what came from one queue
    is in queue order as far as one task drains it, whose next run adopts what a dead one left; of two tasks
    that drain a queue in turn, the one whose batch is closed first comes first.
    """

    def __init__(self, files: Files, translate_errors: TranslateErrors) -> None:
        self._files = files
        self._translate_errors = translate_errors
        self._log = Log(files)
        self._lines = Lines(files)
        self._consumers = FileConsumers(files)
        with translate_errors():
            files.prepare()
            log_older_batches(files, self._log)

    def end(self) -> int:
        with self._translate_errors():
            return self._log.last().end

    def read(self, after: int, limit: int) -> list[tuple[int, Entry]]:
        found: list[tuple[int, Entry]] = []
        with self._translate_errors():
            while len(found) < limit:
                entries = self._log.covering(after + 1, limit - len(found))
                if not entries:
                    break
                upto = min(entries[-1].end, after + limit - len(found))
                found += self._lines_of(entries, after, upto)
                after = upto
        return found

    def before(self, moment: datetime) -> int:
        with self._translate_errors():
            end = self._log.last().end
            entry = next(self._log.received_since(moment), None)
            if entry is None:
                return end
            lines = self._lines_of([entry], entry.first - 1, entry.end)
            since = (position for position, line in lines if line.notification.received_at >= moment)
            return next(since, entry.end + 1) - 1

    def open_entries(self) -> Iterator[Entry]:
        """Yield what is in open batches by now, in no order.

        Who looks here first and reads on behind :meth:`end` then misses nothing; what is just being closed
        it may see twice.
        """
        with self._translate_errors():
            yield from DrainingObjects(self._files).entries()

    def consumer(self, name: str) -> Consumer | None:
        with self._translate_errors():
            return self._consumers.get(name)

    def consumers(self) -> list[Consumer]:
        with self._translate_errors():
            return self._consumers.all()

    def done(self, consumer: Consumer) -> int:
        return consumer.position

    def save(self, consumer: Consumer) -> bool:
        with self._translate_errors():
            return self._consumers.save(consumer)

    def forget(self, name: str) -> bool:
        with self._translate_errors():
            return self._consumers.forget(name)

    def close(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""

    def _lines_of(self, entries: list[LogEntry], after: int, upto: int) -> list[tuple[int, Entry]]:
        """Return the lines from one position to another; small files are read whole, some at once."""
        small = {part for entry in entries if len(entry.keys) <= upto - after for part in entry.parts}
        contents = dict(self._files.read(small))
        found: list[tuple[int, Entry]] = []
        for entry in entries:
            positions = range(max(entry.first, after + 1), min(entry.end, upto) + 1)
            keys = entry.keys[positions.start - entry.first : positions.stop - entry.first]
            lines = self._lines_in(entry, set(keys), contents)
            found += [(each, lines[key]) for each, key in zip(positions, keys, strict=True) if key in lines]
        return found

    def _lines_in(
        self, entry: LogEntry, keys: set[str], contents: dict[str, bytes | None]
    ) -> dict[str, Entry]:
        lines: dict[str, Entry] = {}
        for part in entry.parts:
            if content := contents.get(part):
                lines |= rows_of(io.BytesIO(content), part, keys)
        return lines | self._lines.find(entry.parts, keys - lines.keys())
