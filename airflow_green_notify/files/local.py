"""Files of a local folder, durable when written, and none of them outside of it."""

from __future__ import annotations

import errno
import os
import stat
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO

from airflow_green_notify.files.names import parts_below

_WRITING = ".writing"
_STALE_AFTER = 86_400.0
"""Seconds."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK  # what stands in a file's place may be a pipe that nobody writes to


class LocalFiles:
    """The files below a folder, by names with ``/`` in them.

    Durable means: the content was handed to the disk (fsync) before the name appeared, and the folder that
    holds the name was too. A name appears at once with the whole content, or not at all.

    What is created is for the process's own user alone (0600 in 0700). The root may be a symbolic link; one
    below it is an error, since whoever put it there would have files written and read elsewhere.

    :param root: Absolute path.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def prepare(self) -> None:
        """Create the root, and remove what killed processes left half-written a day ago."""
        _make_folder(self._root)
        with self._folder([_WRITING], make=True) as folder:
            for name in os.listdir(folder):
                with suppress(FileNotFoundError):
                    if _modified(name, folder) < time.time() - _STALE_AFTER:
                        os.unlink(name, dir_fd=folder)

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        """Write a file unless the name is taken; return whether it was written. Durable either way."""
        *above, last = parts_below(name)
        with self._folder(above, make=True) as folder:
            created = not _is_file(last, folder) and self._link_new(last, folder, chunks)
            # What another process has just made must not vanish in a power cut after this one relied on it.
            os.fsync(folder)
        return created

    def create_all(self, contents: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Write many small files, and hand each of their folders to the disk but once.

        :return: For each what :meth:`create` would have returned, or raised.
        """
        outcomes: dict[str, bool | Exception] = {}
        for above, names in _by_folder(contents).items():
            try:
                outcomes |= self._create_in(above, {name: contents[name] for name in names})
            except OSError as error:
                outcomes |= dict.fromkeys(names, error)
        return outcomes

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder."""
        try:
            with self._folder(parts_below(folder)) as handle:
                return os.listdir(handle)
        except FileNotFoundError:
            return []

    def names_below(self, parent: str, folders: Collection[str]) -> dict[str, list[str]]:
        """Return the names of the files in some of the folders that lie in another."""
        return {folder: self.names(f"{parent}/{folder}") for folder in folders}

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
        with ExitStack() as stack:
            try:
                top = stack.enter_context(self._folder(parts_below(folder)))
            except FileNotFoundError:
                return []
            return [
                os.path.normpath(os.path.join(folder, path, name))
                for path, _, names, handle in os.fwalk(".", dir_fd=top)
                for name in names
                if _modified(name, handle) >= since.timestamp()
            ]

    def ages(self, names: Collection[str]) -> dict[str, float | None]:
        """Return how many seconds ago files were written, by the clock of the file system."""
        now = self._now()
        return {name: None if (then := self._written(name)) is None else now - then for name in names}

    def now(self) -> datetime:
        """Return the time by the clock of the file system."""
        return datetime.fromtimestamp(self._now(), UTC)

    def _now(self) -> float:
        probe = f"{_WRITING}/{uuid.uuid4().hex}"
        try:
            with self._opened(probe, _NEW_FILE) as new:
                return os.fstat(new.fileno()).st_mtime
        finally:
            self.remove([probe])

    def _written(self, name: str) -> float | None:
        try:
            with self._opened(name) as stream:
                return os.fstat(stream.fileno()).st_mtime
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return self._opened(name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; a missing one is no error."""
        for name in names:
            *above, last = parts_below(name)
            with suppress(FileNotFoundError), self._folder(above) as folder:
                os.unlink(last, dir_fd=folder)

    def remove_empty(self, folders: Iterable[str]) -> None:
        """Remove those folders of which nothing is left."""
        for name in folders:
            *above, last = parts_below(name)
            with suppress(FileNotFoundError), self._folder(above) as folder, _suppress(errno.ENOTEMPTY):
                os.rmdir(last, dir_fd=folder)

    def _opened(self, name: str, flags: int = os.O_RDONLY) -> BinaryIO:
        *above, last = parts_below(name)
        with self._folder(above) as folder:
            return _open_file(last, folder, flags)

    @contextmanager
    def _folder(self, parts: Sequence[str], make: bool = False) -> Iterator[int]:
        """Open a folder from the root down, so that nobody can put a link into the way meanwhile."""
        handle = os.open(self._root, _FOLDER)
        try:
            for part in parts:
                above, handle = handle, _open_folder(part, handle, make)
                os.close(above)
            yield handle
        finally:
            os.close(handle)

    def _create_in(self, above: Sequence[str], contents: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        outcomes: dict[str, bool | Exception] = {}
        with self._folder(above, make=True) as folder:
            for name, content in contents.items():
                last = name.rpartition("/")[2]
                try:
                    outcomes[name] = not _is_file(last, folder) and self._link_new(last, folder, [content])
                except OSError as error:
                    outcomes[name] = error
            os.fsync(folder)
        return outcomes

    def _link_new(self, name: str, folder: int, chunks: Iterable[bytes]) -> bool:
        temporary = uuid.uuid4().hex
        with self._folder([_WRITING]) as writing:
            try:
                with _open_file(temporary, writing, _NEW_FILE) as stream:
                    stream.writelines(chunks)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.link(temporary, name, src_dir_fd=writing, dst_dir_fd=folder)
            except FileExistsError:
                _is_file(name, folder)  # or an error: a name that leads elsewhere is not taken, but barred
                return False
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=writing)
        return True


def _open_file(name: str, folder: int, flags: int) -> BinaryIO:
    with _links_refused(name):
        handle = os.open(name, flags | _AS_IT_IS, 0o600, dir_fd=folder)
    return os.fdopen(handle, "wb" if flags & os.O_WRONLY else "rb")


def _open_folder(name: str, above: int, make: bool) -> int:
    """Open a folder; one that is made is durable in the one above."""
    with _links_refused(name):
        try:
            return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        os.fsync(above)
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)


def _make_folder(path: str) -> None:
    """Create a folder and those above it, each durable in the one above."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    _make_folder(parent)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    handle = os.open(parent, _FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _by_folder(names: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    folders: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        folders.setdefault((*parts_below(name)[:-1],), []).append(name)
    return folders


def _is_file(name: str, folder: int) -> bool:
    """Tell whether a file has this name; anything else that has it is an error."""
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise _refusal(name)
    return True


def _modified(name: str, folder: int) -> float:
    return os.lstat(name, dir_fd=folder).st_mtime


@contextmanager
def _suppress(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise


@contextmanager
def _links_refused(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise _refusal(name) from None


def _refusal(name: str) -> OSError:
    return OSError(
        errno.ELOOP, "A symbolic link, or something else that a store doesn't make, is in the way", name
    )
