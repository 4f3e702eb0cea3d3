"""The keys of batches that were closed in the last days."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_green_notify.stores.drain_record import KEPT_FOR

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "keys"
_DAYS_BACK = 2
"""The gateway hands out nothing that is older than a day, so nothing older can come twice."""

_FILES_PER_DAY = 64
"""A day of more files than this is merged into one: a Dag that runs each minute makes 1,440."""

_MAX_LOOKS = 10

KEPT_BY_PLACE = timedelta(days=7)
"""A file that the place itself calls younger than this stays, whatever a worker's clock says."""


class ClosedKeys:
    """The index ``keys/<date of closing>/*.txt``, one line for each key.

    Its files are never changed. Merging writes the whole before it removes the pieces, so whoever lists a
    day, at any moment, finds each key at least once; who finds a listed piece gone lists again.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._first_day = _today() - timedelta(days=_DAYS_BACK)
        self._keys: set[str] = set()
        self._seen: set[str] = set()
        self._looked = False

    def __contains__(self, key: str) -> bool:
        if not self._looked:
            self.refresh()
        return key in self._keys

    def refresh(self) -> None:
        """Read what was added since the last look."""
        self._looked = True
        for _ in range(_MAX_LOOKS):
            if self._read_new():
                return
        raise FileNotFoundError("keys/: files that are listed can't be read")

    def add(self, keys: Iterable[str]) -> None:
        """Note keys as closed today, durably."""
        self._write(_folder(_today()), "".join(f"{key}\n" for key in keys).encode())

    def merge(self) -> None:
        """Make one file of each day that has many."""
        for folder in self._folders():
            pieces = [f"{folder}/{name}" for name in self._files.names(folder)]
            if len(pieces) > _FILES_PER_DAY:
                self._merge(folder, pieces)

    def remove_old(self) -> None:
        """Remove the days that ended longer than :data:`KEPT_FOR` ago."""
        last = _today() - KEPT_FOR
        days = [f"{_ROOT}/{name}" for name in self._files.names(_ROOT) if _is_before(name, last)]
        names = [f"{day}/{name}" for day in days for name in self._files.names(day)]
        ages = self._files.ages(names) if names else {}
        least = KEPT_BY_PLACE.total_seconds()
        self._files.remove(name for name, age in ages.items() if age is not None and age > least)
        self._files.remove_empty(days)

    def _folders(self) -> list[str]:
        days = (_today() - self._first_day).days
        return [_folder(self._first_day + timedelta(days=day)) for day in range(days + 1)]

    def _read_new(self) -> bool:
        """Return whether everything that is listed could be read."""
        listed = [f"{folder}/{name}" for folder in self._folders() for name in self._files.names(folder)]
        complete = True
        for name, content in self._files.read(name for name in listed if name not in self._seen):
            if content is None:
                complete = False
            else:
                self._seen.add(name)
                self._keys.update(content.decode().split())
        return complete

    def _merge(self, folder: str, pieces: list[str]) -> None:
        contents = [content for _, content in self._files.read(pieces)]
        if None not in contents:  # else another drain merges this day right now
            self._write(folder, b"".join(content for content in contents if content))
            self._files.remove(pieces)

    def _write(self, folder: str, content: bytes) -> None:
        self._files.create(f"{folder}/{uuid.uuid4().hex}.txt", [content])


def _today() -> date:
    return datetime.now(UTC).date()


def _folder(day: date) -> str:
    return f"{_ROOT}/{day.isoformat()}"


def _is_before(name: str, day: date) -> bool:
    """Tell whether a folder is that of an earlier day; what else lies there is left alone."""
    try:
        return date.fromisoformat(name) < day
    except ValueError:
        return False
