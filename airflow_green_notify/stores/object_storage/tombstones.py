"""The tombstones of a folder or bucket, by the day of the notification that was erased.

``tombstones/salt`` is the store's salt; ``tombstones/<day>/….txt`` has one mark on each line, with a word
behind it if a backfill had brought the notification. The day is that of the notification's own timestamp,
which is the same whenever and however it comes again, so that nobody has to read all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_green_notify.stores.tombstones import mark_of, new_salt, tombstones_of

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.entry import Entry

_ROOT = "tombstones"
_SALT = "salt"
_UNDATED = "undated"
_BACKFILLED = "backfilled"


class FileTombstones:
    """The marks of erased keys. While there are none, a look at the folder is all that they cost."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._salt: str | None = None
        self._days: set[str] | None = None
        self._marks: dict[str, dict[str, bool]] = {}
        """Of each day that was looked for: its marks, and whether a backfill had brought what was erased."""

    def __contains__(self, notification: Notification) -> bool:
        """Tell whether a notification was erased, as far as it was before the last look."""
        marks = self._of_day(_day_of(notification))
        return bool(marks) and self._mark_of(notification.key) in marks

    def refresh(self) -> None:
        """Look anew at the next question."""
        self._days = None
        self._marks.clear()

    def erased_among(self, keys: Iterable[str]) -> set[str]:
        """Return which keys were erased, of whatever day, by now. It reads all tombstones."""
        self.refresh()
        marks = {mark for day in self._there() for mark in self._of_day(day)}
        return {key for key in keys if self._mark_of(key) in marks} if marks else set()

    def backfilled_since(self, since: datetime) -> set[str]:
        """Return the marks of what backfills had brought of these days."""
        first = (since - timedelta(days=1)).date().isoformat()
        days = [day for day in self._there() if day == _UNDATED or day >= first]
        return {mark for day in days for mark, is_backfilled in self._of_day(day).items() if is_backfilled}

    def is_among(self, key: str, marks: set[str]) -> bool:
        """Tell whether the mark of a key is one of these."""
        return bool(marks) and self._mark_of(key) in marks

    def add(self, entries: Iterable[Entry]) -> None:
        """Note the keys of entries as erased, durably."""
        lines: dict[str, list[str]] = {}
        for entry in entries:
            for mark, backfilled_at in tombstones_of(entry, self._the_salt()):
                word = f" {_BACKFILLED}" if backfilled_at else ""
                lines.setdefault(_day_of(entry.notification), []).append(f"{mark}{word}\n")
        for day, of_day in lines.items():
            self._files.create(f"{_ROOT}/{day}/{uuid.uuid4().hex}.txt", ["".join(sorted(of_day)).encode()])

    def _of_day(self, day: str) -> dict[str, bool]:
        if day not in self._there():
            return {}
        if day not in self._marks:
            names = self._files.names(f"{_ROOT}/{day}")
            contents = self._files.read(f"{_ROOT}/{day}/{name}" for name in names)
            lines = (line for _, content in contents for line in (content or b"").decode().splitlines())
            self._marks[day] = {line.partition(" ")[0]: line.endswith(_BACKFILLED) for line in lines}
        return self._marks[day]

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
