"""Files that stand still at a chosen operation, as a suspended process would, while others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import BinaryIO

from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.files.place import Files


class FreezingFiles:
    """Passes operations on to real files, and before one of them lets the world go on without it.

    :param operations: How many operations there are before that.
    """

    def __init__(self, files: LocalFiles, operations: int, meanwhile: Callable[[], object]) -> None:
        self._files: Files = files
        self.left = operations
        self._meanwhile = meanwhile
        self.froze = False

    def prepare(self) -> None:
        self._files.prepare()

    def names(self, folder: str) -> list[str]:
        self._count()
        return self._files.names(folder)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        for name in names:
            self._count()
            yield from self._files.read([name])

    def open(self, name: str) -> BinaryIO:
        self._count()
        return self._files.open(name)

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        content = [b"".join(chunks)]
        self._count()
        return self._files.create(name, content)

    def modified_since(self, folder: str, since: datetime) -> list[str]:
        self._count()
        return self._files.modified_since(folder, since)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._count()
            self._files.remove([name])

    def remove_empty(self, folders: Iterable[str]) -> None:
        for name in folders:
            self._count()
            self._files.remove_empty([name])

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0 and not self.froze:
            self.froze = True
            self._meanwhile()
