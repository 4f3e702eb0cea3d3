"""Erases lines of files and objects of a folder or bucket, and leaves tombstones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.dead_letter import DeadLetter, as_received
from airflow_green_notify.stores.names import folder_of, without_again
from airflow_green_notify.stores.object_storage.attempts import FileAttempts
from airflow_green_notify.stores.object_storage.batch_file import (
    is_part,
    newest,
    next_revision,
    part_names,
    read_parts,
    write_revision,
)
from airflow_green_notify.stores.object_storage.dead_letters import FileDeadLetters
from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects
from airflow_green_notify.stores.object_storage.drains import FileDrains
from airflow_green_notify.stores.object_storage.ledger import Chains
from airflow_green_notify.stores.object_storage.reports import FileReports
from airflow_green_notify.stores.object_storage.tombstones import FileTombstones

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.erasing import Wanted
    from airflow_green_notify.stores.object_storage.leases import TranslateErrors

_EVER = datetime(1970, 1, 2, tzinfo=UTC)
_AT_ONCE = 1000


class FileEraser:
    """Looks through all objects and files of a store.

    A file is written anew without what is erased, under the name of its next revision, before the old one is
    removed: whoever lists the folder then takes the newest alone. Where nothing is left, that one is empty,
    so that a task that was handed the batch finds it so; a purge leaves none. Tombstones come first.

    It goes round until it finds nothing more, since batches are closed meanwhile. What a drain copies from an
    object or an adopted file into a batch file in the very moment may still appear behind it.

    :raises NotificationStoreError: There is no such store, or it can't be reached.
    """

    def __init__(self, files: Files, path: str, translate_errors: TranslateErrors) -> None:
        self._files = files
        self._translate_errors = translate_errors
        self._objects = DrainingObjects(files)
        self._attempts = FileAttempts(files)
        self._tombstones = FileTombstones(files)
        self._drains = FileDrains(files)
        self._chains = Chains(files)
        self._reports = FileReports(files)
        self._dead_letters = FileDeadLetters(files, translate_errors)
        with translate_errors():
            if not files.names(""):
                raise NotificationStoreError(f"There is no store in {path}: nothing is there.")

    def find(self, wanted: Wanted) -> Iterator[Sequence[Entry]]:
        with self._translate_errors():
            yield from _pages(self._open_ones(wanted))
            for part in newest(self._parts()):
                yield from _pages(self._lines(part, wanted))

    def erase(self, wanted: Wanted, first: Callable[[Sequence[Entry]], object]) -> int:
        with self._translate_errors():
            total = 0
            while count := self._erase_objects(wanted, first) + self._erase_lines(wanted, first):
                total += count
        return total

    def remove_drains(self, before: datetime) -> None:
        with self._translate_errors():
            self._drains.remove_before(before)

    def remove_reports(self, before: datetime) -> None:
        with self._translate_errors():
            self._reports.remove_before(before)

    def remove_batches(self, before: datetime) -> None:
        with self._translate_errors():
            with_objects = {without_again(entry.batch_id) for entry in self._objects.entries()}
            self._chains.remove_old(before, lambda batch: batch in with_objects or self._has_files(batch))

    def _has_files(self, batch_id: str) -> bool:
        return bool(part_names(self._files, folder_of(batch_id)))

    def close(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""

    def _erase_objects(self, wanted: Wanted, first: Callable[[Sequence[Entry]], object]) -> int:
        count = 0
        for page in _pages(self._open_ones(wanted)):
            self._bury(page, first)
            self._objects.remove(safe_name(entry.notification.key) for entry in page)
            count += len(page)
        return count

    def _erase_lines(self, wanted: Wanted, first: Callable[[Sequence[Entry]], object]) -> int:
        count = 0
        parts = self._parts()
        for part in newest(parts):
            in_part = 0
            for page in _pages(self._lines(part, wanted)):
                self._bury(page, first)
                in_part += len(page)
            if in_part and self._write_anew(part, wanted):
                count += in_part
        # By now the newest files are those that were just written.
        self._files.remove({*parts} - {*newest(self._parts())})
        return count

    def _bury(self, entries: Sequence[Entry], first: Callable[[Sequence[Entry]], object]) -> None:
        """Do what has to be done as long as the entries are there."""
        first(entries)
        self._tombstones.add(entries)
        if letters := [letter for letter in map(DeadLetter.of, entries) if letter]:
            self._dead_letters.unmark(letters)
        received = (as_received(entry.notification, entry.note) for entry in entries)
        self._attempts.finish_begun(notification.key for notification in received)

    def _write_anew(self, part: str, wanted: Wanted) -> bool:
        """Write a file without what is wanted; ``False`` if it is gone, or somebody was faster."""

        def left() -> Iterator[Entry]:
            return (entry for entry in read_parts(self._files, [part]) if not _fits(entry, wanted))

        try:
            if wanted.before is not None and not any(True for _ in left()):
                self._files.remove([part])
                return True
            if not write_revision(self._files, part, left):
                return False
        except FileNotFoundError:
            return False
        if part.rpartition("/")[2] not in self._files.names(part.rpartition("/")[0]):
            # A batch that adopted the file has taken it over meanwhile, and has all that is in it.
            self._files.remove([next_revision(part)])
            return False
        return True

    def _parts(self) -> list[str]:
        return sorted(filter(is_part, self._files.modified_since("batches", _EVER)))

    def _open_ones(self, wanted: Wanted) -> Iterator[Entry]:
        return (entry for entry in self._objects.entries() if _fits(entry, wanted))

    def _lines(self, part: str, wanted: Wanted) -> Iterator[Entry]:
        try:
            yield from (entry for entry in read_parts(self._files, [part]) if _fits(entry, wanted))
        except FileNotFoundError:  # taken over by another batch meanwhile, where the next round finds it
            return


def _fits(entry: Entry, wanted: Wanted) -> bool:
    if wanted.before is not None and entry.notification.received_at >= wanted.before:
        return False
    return wanted.is_meant(entry)


def _pages(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while page := list(islice(iterator, _AT_ONCE)):
        yield page
