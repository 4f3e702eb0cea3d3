"""The tombstones of a folder or bucket, by the day of the notification that was erased.

``tombstones/salt`` is the store's salt; ``tombstones/<day>/….txt`` has one mark on each line. The day is that
of the notification's own timestamp, which is the same whenever and however it comes again, so that nobody has
to read all of them. What a backfill had brought stands in ``tombstones/backfilled-<day>/`` too, by the day on
which it did: the queue may bring the same message under another key.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.tombstones import mark_of, new_salt, tombstones_of

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.files.place import Files
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry

_ROOT = "tombstones"
_SALT = "salt"
_UNDATED = "undated"
_BACKFILLED = "backfilled-"


class FileTombstones:
    """The marks of erased keys. While there are none, a look at the folder is all that they cost."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._salt: str | None = None
        self._days: set[str] | None = None
        self._marks: dict[str, set[str]] = {}
        """The marks in each folder that was looked into."""

    def hold(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        """Tell whether a notification was erased, as far as it was before the last look.

        A dead letter counts as erased with what it is of. That may go while a handler is at work on it, so
        this looks anew.
        """
        if note is not None:
            self.refresh()
        marks = self._in_folder(_day_of(notification))
        return bool(marks) and self._mark_of(as_received(notification, note).key) in marks

    def refresh(self) -> None:
        """Look anew at the next question."""
        self._days = None
        self._marks.clear()

    def erased_among(self, keys: Iterable[str]) -> set[str]:
        """Return which keys were erased, of whatever day, by now. It reads all tombstones."""
        self.refresh()
        marks = {mark for folder in self._there() for mark in self._in_folder(folder)}
        return {key for key in keys if self._mark_of(key) in marks} if marks else set()

    def backfilled_since(self, since: datetime) -> set[str]:
        """Return the marks of what backfills had brought from then on."""
        first = f"{_BACKFILLED}{since.date().isoformat()}"
        folders = [name for name in self._there() if name.startswith(_BACKFILLED) and name >= first]
        return {mark for folder in folders for mark in self._in_folder(folder)}

    def is_among(self, key: str, marks: set[str]) -> bool:
        """Tell whether the mark of a key is one of these."""
        return bool(marks) and self._mark_of(key) in marks

    def add(self, entries: Iterable[Entry]) -> None:
        """Note the keys of entries as erased, durably."""
        marks: dict[str, set[str]] = {}
        for entry in entries:
            for mark, backfilled_at in tombstones_of(entry, self._the_salt()):
                marks.setdefault(_day_of(entry.notification), set()).add(mark)
                if backfilled_at:
                    marks.setdefault(f"{_BACKFILLED}{backfilled_at.date().isoformat()}", set()).add(mark)
        for folder, of_folder in marks.items():
            lines = "".join(f"{mark}\n" for mark in sorted(of_folder))
            self._files.create(f"{_ROOT}/{folder}/{uuid.uuid4().hex}.txt", [lines.encode()])

    def _in_folder(self, folder: str) -> set[str]:
        if folder not in self._there():
            return set()
        if folder not in self._marks:
            names = self._files.names(f"{_ROOT}/{folder}")
            contents = self._files.read(f"{_ROOT}/{folder}/{name}" for name in names)
            self._marks[folder] = {mark for _, lines in contents for mark in (lines or b"").decode().split()}
        return self._marks[folder]

    def _there(self) -> set[str]:
        if self._days is None:
            self._days = {*self._files.names(_ROOT)} - {_SALT}
        return self._days

    def _mark_of(self, key: str) -> str:
        return mark_of(key, self._the_salt())

    def _the_salt(self) -> str:
        if self._salt is None:
            name = f"{_ROOT}/{_SALT}"
            self._files.create(name, [new_salt().encode()])
            ((_, content),) = self._files.read([name])
            if content is None:
                raise FileNotFoundError(f"{name}: without it nothing that was erased is recognised")
            self._salt = content.decode()
        return self._salt


def _day_of(notification: Notification) -> str:
    moment = notification.timestamp
    return moment.date().isoformat() if moment else _UNDATED
