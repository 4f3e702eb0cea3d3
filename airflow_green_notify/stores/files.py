"""The files below the path of a store, local or in a bucket."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, Protocol


class Files(Protocol):
    """What :class:`LocalFiles` and :class:`BucketFiles` have in common."""

    def prepare(self) -> None:
        """Make the root ready to be written to."""
        ...

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        """Write a file unless the name is taken; return whether it was written. Durable either way."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder."""
        ...

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each name with its content; ``None`` for a missing file."""
        ...

    def modified_since(self, folder: str, since: datetime) -> list[str]:
        """Return the files in a folder and those below it that were written since then."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; a missing one is no error."""
        ...


def files_at(path: str, conn_id: str | None) -> Files:
    """Return the files below ``path``, which :class:`airflow.sdk.ObjectStoragePath` understands."""
    from airflow.sdk import BaseHook, ObjectStoragePath

    root = ObjectStoragePath(path, conn_id=conn_id)
    if root.protocol in ("", "file", "local"):
        from airflow_green_notify.stores.local_files import LocalFiles

        return LocalFiles(os.path.abspath(os.path.expanduser(root.path)))
    from airflow_green_notify.stores.bucket_files import BucketFiles

    # Airflow 3.1 keeps it among the storage's options.
    if used := getattr(root, "conn_id", None) or root.storage_options.get("conn_id"):
        BaseHook.get_connection(used)  # the Amazon provider would go on with other credentials
    return BucketFiles(root.fs, root.path)
