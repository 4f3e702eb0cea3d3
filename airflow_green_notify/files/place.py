"""The files below the path of a store, local or in a bucket."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


class Files(Protocol):
    """What :class:`LocalFiles` and :class:`BucketFiles` have in common."""

    def prepare(self) -> None:
        """Make the root ready to be written to."""
        ...

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        """Write a file unless the name is taken; return whether it was written. Durable either way."""
        ...

    def create_all(self, contents: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Write many small files; return for each what :meth:`create` would have returned, or raised."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder."""
        ...

    def names_below(self, parent: str, folders: Collection[str]) -> dict[str, list[str]]:
        """Return the names of the files in some of the folders that lie in another, by names of these."""
        ...

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each name with its content; ``None`` for a missing file."""
        ...

    def modified_since(self, folder: str, since: datetime) -> list[str]:
        """Return the files in a folder and those below it that were written since then."""
        ...

    def ages(self, names: Collection[str]) -> dict[str, float | None]:
        """Return how many seconds ago files were written, at least, by the clock of the place.

        :return: ``None`` for each if the place doesn't tell, or there is no such file.
        """
        ...

    def now(self) -> datetime | None:
        """Return the time by the clock of the place, ``None`` if that tells none."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; a missing one is no error."""
        ...

    def remove_empty(self, folders: Iterable[str]) -> None:
        """Remove those folders of which nothing is left; a bucket has none then."""
        ...


def place_of(path: str | os.PathLike[str] | ObjectStoragePath, conn_id: str | None) -> tuple[str, str | None]:
    """Return the URL or absolute path, and the connection, which may be written as ``s3://conn_id@bucket``."""
    scheme, separator, rest = str(path).rstrip("/").partition("://")
    if not separator:
        return os.path.abspath(os.path.expanduser(scheme)), conn_id
    host, slash, key = rest.partition("/")
    user, _, bucket = host.rpartition("@")
    return f"{scheme}://{bucket}{slash}{key}", conn_id or user or getattr(path, "conn_id", None)


def is_missing(path: str | os.PathLike[str] | ObjectStoragePath) -> bool:
    """Tell whether this is a folder of this machine, and not there; of a bucket only a request can tell."""
    root, _ = place_of(path, None)
    return ("://" not in root or root.startswith("file://")) and not os.path.isdir(
        root.removeprefix("file://")
    )


def files_at(path: str, conn_id: str | None) -> Files:
    """Return the files at a place that :func:`place_of` gave."""
    if "://" not in path or path.startswith("file://"):
        from airflow_green_notify.files.local import LocalFiles

        return LocalFiles(os.path.abspath(path.removeprefix("file://")))
    from airflow.sdk import BaseHook, ObjectStoragePath

    from airflow_green_notify.files.bucket import BucketFiles

    if conn_id:
        BaseHook.get_connection(conn_id)  # the Amazon provider would go on with other credentials
    root = ObjectStoragePath(path, conn_id=conn_id)
    return BucketFiles(root.fs, root.path)
