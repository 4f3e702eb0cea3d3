"""Objects of a bucket: S3, GCS and whatever else fsspec reaches."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import parts_below

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
    from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

T = TypeVar("T")

_BLOCK = 8 * 2**20
_AT_ONCE = 32
_REMOVED_AT_ONCE = 500
_LISTED_SINGLY = 4
_PROBES = ".probes"
"""Where objects are written for a moment, to learn the time: nobody else looks there."""

_WHOLE_SECONDS = 2.0
"""Services tell times in whole seconds, so two of them may be that much closer."""


class BucketFiles:
    """The objects below a path, by names with ``/`` in them.

    Durable means: the service confirmed the write. An object appears at once with the whole content, and
    only if its name is free (a conditional write: ``If-None-Match`` on S3, its likes elsewhere).

    :param fs: The file system; its listings are never taken from its cache.
    :param root: Path in it, bucket first.
    :raises NotificationStoreError: The path has wildcards.
    """

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        _refuse_wildcards(root)
        self._fs = fs
        self._root = root.rstrip("/")

    def prepare(self) -> None:
        """Do nothing: folders of a bucket are but parts of names."""

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        """Write an object unless the name is taken; return whether it was written."""
        try:
            if isinstance(chunks, list):
                self._fs.pipe_file(self._path(name), b"".join(chunks), mode="create")
            else:
                self._stream(self._path(name), chunks)
        except FileExistsError:
            return False
        return True

    def create_all(self, contents: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Write many small objects, some at once.

        :return: For each what :meth:`create` would have returned, or raised. Where none of some could be
            written, the rest is not tried.
        """
        outcomes: dict[str, bool | Exception] = {}
        for some in _batched(contents, _AT_ONCE):
            calls = [(self._path(name), contents[name]) for name in some]
            created = list(map(_is_new, self._call_each("pipe_file", calls, mode="create")))
            outcomes |= zip(some, created, strict=True)
            if len(created) > 1 and all(isinstance(each, Exception) for each in created):
                return dict.fromkeys(contents, created[-1]) | outcomes
        return outcomes

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder; none if there is no such folder."""
        path = self._path(folder)
        self._fs.invalidate_cache(path)
        try:
            found = self._fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        finally:
            self._fs.invalidate_cache(path)
        return [entry.rstrip("/").rpartition("/")[2] for entry in found]

    def names_below(self, parent: str, folders: Collection[str]) -> dict[str, list[str]]:
        """Return the names of the objects in some of the folders that lie in another.

        Of more than a few, all are listed: that is one request for each thousand objects.
        """
        if len(folders) <= _LISTED_SINGLY:
            return {folder: self.names(f"{parent}/{folder}") for folder in folders}
        found: dict[str, list[str]] = {folder: [] for folder in folders}
        self._fs.invalidate_cache()
        for path in self._fs.find(self._path(parent)):
            above, _, name = path.rpartition("/")
            found.get(above.rpartition("/")[2], []).append(name)
        return found

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each name with its content, some read at once; ``None`` for a missing object."""
        for some in _batched(names, _AT_ONCE):
            paths = [self._path(name) for name in some]
            contents = self._fs.cat(paths, on_error="return")
            for name, path in zip(some, paths, strict=True):
                yield name, _content(contents[self._fs._strip_protocol(path)])

    def modified_since(self, folder: str, since: datetime) -> list[str]:
        """Return the objects below a folder that were written since then, or at a time that can't be told."""
        path = self._path(folder)
        self._fs.invalidate_cache()
        found = self._fs.find(path, detail=True)
        root = self._fs._strip_protocol(self._root)
        return [
            name.removeprefix(f"{root}/")
            for name, facts in found.items()
            if (written := _time_in(facts)) is None or written >= since
        ]

    def ages(self, names: Collection[str]) -> dict[str, float | None]:
        """Return how many seconds ago objects were written, at least, by the clock of the service."""
        now, *times = self._written_beside_probe(names)
        return {
            name: (now - then).total_seconds() - _WHOLE_SECONDS if now and then else None
            for name, then in zip(names, times, strict=True)
        }

    def now(self) -> datetime | None:
        """Return the time by the clock of the service, in whole seconds."""
        (now,) = self._written_beside_probe(())
        return now

    def _written_beside_probe(self, names: Collection[str]) -> list[datetime | None]:
        """Return when a probe was written, which is now, and when objects were."""
        probe = f"{_PROBES}/{uuid.uuid4().hex}"
        self._fs.pipe_file(self._path(probe), b"")
        try:
            return list(self._written([probe, *names]))
        finally:
            self.remove([probe])

    def _written(self, names: Iterable[str]) -> Iterator[datetime | None]:
        for some in _batched(names, _AT_ONCE):
            for facts in self._call_each("info", [(self._path(name),) for name in some], refresh=True):
                if isinstance(facts, BaseException) and not isinstance(facts, FileNotFoundError):
                    raise facts
                yield None if isinstance(facts, FileNotFoundError) else _time_in(facts)

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading."""
        stream = self._fs.open(self._path(name), "rb", block_size=_BLOCK)
        return cast(BinaryIO, io.BufferedReader(stream, 2**16))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; a missing one is no error."""
        for some in _batched(names, _REMOVED_AT_ONCE):
            try:
                self._fs.rm([self._path(name) for name in some])
            except FileNotFoundError:
                self._remove_one_by_one(some)

    def remove_empty(self, folders: Iterable[str]) -> None:
        """Do nothing: a folder is what the names of its objects have in common."""

    def _remove_one_by_one(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                continue

    def _call_each(self, method: str, calls: Sequence[tuple[Any, ...]], **options: Any) -> list[Any]:
        """Call a method of the file system with each of these arguments; return results and errors.

        All at once where that is asynchronous; others are not made for several threads.
        """
        if not self._fs.async_impl:
            return [_caught(partial(getattr(self._fs, method), *each, **options)) for each in calls]
        from fsspec.asyn import sync  # type: ignore[import-untyped]

        asynchronous = partial(getattr(self._fs, f"_{method}"), **options)
        return list(sync(self._fs.loop, _gather, asynchronous, calls))

    def _path(self, name: str) -> str:
        _refuse_wildcards(name)
        return f"{self._root}/{'/'.join(parts_below(name))}"

    def _stream(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write without committing, so that a failure in between leaves nothing behind."""
        stream = self._fs.open(path, "xb", block_size=_BLOCK, autocommit=False)
        try:
            for chunk in chunks:
                stream.write(chunk)
            stream.close()
            stream.commit()
        except BaseException:
            _discard(stream)
            raise


def _refuse_wildcards(path: str) -> None:
    if any(sign in path for sign in "*?["):
        raise NotificationStoreError(f"The path {path!r} has a *, ? or [, which stand for other names.")


def _time_in(facts: Mapping[str, object]) -> datetime | None:
    """Read when an object was written, as S3, Azure and GCS name it."""
    written = facts.get("LastModified") or facts.get("last_modified") or facts.get("updated")
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    return written if isinstance(written, datetime) and written.tzinfo else None


def _discard(stream: AbstractBufferedFile) -> None:
    try:
        stream.discard()
    finally:
        stream.closed = True  # or the garbage collector would close it, and so write what there is


async def _gather(method: Callable[..., Awaitable[T]], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    return await asyncio.gather(*(method(*each) for each in calls), return_exceptions=True)


def _caught(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as error:
        return error


def _is_new(result: object) -> bool | Exception:
    if isinstance(result, FileExistsError):
        return False
    if isinstance(result, Exception):
        return result
    if isinstance(result, BaseException):
        raise result
    return True


def _content(result: bytes | Exception) -> bytes | None:
    if isinstance(result, FileNotFoundError):
        return None
    if isinstance(result, Exception):
        raise result
    return result


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
