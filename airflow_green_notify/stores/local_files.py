"""Files of a local folder, durable when written."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import BinaryIO

_WRITING = ".writing"
_STALE_AFTER = 86_400.0
"""Seconds."""


class LocalFiles:
    """The files below a folder, by names with ``/`` in them.

    Durable means: the content was handed to the disk (fsync) before the name appeared, and the folder that
    holds the name was too. A name appears at once with the whole content, or not at all.

    :param root: Absolute path.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def prepare(self) -> None:
        """Create the root, and remove what killed processes left half-written a day ago."""
        _make_folder(self._path(_WRITING))
        for name in self.names(_WRITING):
            path = self._path(os.path.join(_WRITING, name))
            with suppress(FileNotFoundError):
                if os.stat(path).st_mtime < time.time() - _STALE_AFTER:
                    os.unlink(path)

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        """Write a file unless the name is taken; return whether it was written. Durable either way."""
        path = self._path(name)
        folder = os.path.dirname(path)
        _make_folder(folder)
        # What another process has just made must not vanish in a power cut after this one relied on it.
        created = not os.path.exists(path) and self._link_new(path, chunks)
        _sync_folder(folder)
        return created

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder."""
        try:
            with os.scandir(self._path(folder)) as entries:
                return [entry.name for entry in entries]
        except FileNotFoundError:
            return []

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each name with its content; ``None`` for a missing file."""
        for name in names:
            try:
                with self.open(name) as stream:
                    yield name, stream.read()
            except FileNotFoundError:
                yield name, None

    def modified_since(self, folder: str, since: datetime) -> list[str]:
        """Return the files in a folder and those below it that were written since then."""
        found = (os.path.join(path, name) for path, _, names in os.walk(self._path(folder)) for name in names)
        earliest = since.timestamp()
        return [os.path.relpath(path, self._root) for path in found if os.stat(path).st_mtime >= earliest]

    def age(self, name: str) -> float | None:
        """Return how many seconds ago a file was written, by the clock of the file system."""
        probe = self._path(os.path.join(_WRITING, uuid.uuid4().hex))
        try:
            with open(probe, "xb"):
                return os.stat(probe).st_mtime - os.stat(self._path(name)).st_mtime
        except FileNotFoundError:
            return None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(probe)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return open(self._path(name), "rb")

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; a missing one is no error."""
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _link_new(self, path: str, chunks: Iterable[bytes]) -> bool:
        temporary = os.path.join(self._root, _WRITING, uuid.uuid4().hex)
        try:
            with open(temporary, "xb") as stream:
                stream.writelines(chunks)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return True


def _make_folder(path: str) -> None:
    """Create a folder and those above it, each durable in the one above."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    _make_folder(parent)
    with suppress(FileExistsError):
        os.mkdir(path)
    _sync_folder(parent)


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
