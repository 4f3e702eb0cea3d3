"""Files that die at a chosen operation, as a process would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import BinaryIO

from airflow_green_notify.files.place import Files


class Died(BaseException):
    """The process is gone; nothing of it runs any more."""


class DyingFiles:
    """Passes some operations on to real files, and dies at the next one, before or after its effect."""

    def __init__(self, files: Files, operations: int, after_effect: bool) -> None:
        self._files = files
        self._left = operations
        self._after_effect = after_effect

    def prepare(self) -> None:
        self._files.prepare()

    def names(self, folder: str) -> list[str]:
        self._count()
        return self._files.names(folder)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        for item in self._files.read(names):
            self._count()
            yield item

    def open(self, name: str) -> BinaryIO:
        self._count()
        return self._files.open(name)

    def create(self, name: str, chunks: Iterable[bytes]) -> bool:
        dies = self._left == 0
        if dies and not self._after_effect:
            raise Died
        created = self._files.create(name, chunks)
        if dies:
            raise Died
        self._count()
        return created

    def create_all(self, contents: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        return {name: self.create(name, [content]) for name, content in contents.items()}

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
        if self._left == 0:
            raise Died
        self._left -= 1
