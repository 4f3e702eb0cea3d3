"""The ledger of attempts in a folder or bucket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "attempts"
_FINISHED = "finished"


class FileAttempts:
    """One empty file for each attempt, ``attempts/<key>/<number>``, and ``attempts/<key>/finished``."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def begin_attempt(self, key: str) -> int:
        """Count an attempt and return its number; 0 if the key is finished."""
        folder = _folder(key)
        names = self._files.names(folder)
        if _FINISHED in names:
            return 0
        number = max((int(name) for name in names if name.isdigit()), default=0) + 1
        while not self._files.create(f"{folder}/{number}", [b""]):
            number += 1
        return number

    def finish(self, key: str) -> None:
        """Note that no attempt is to begin any more."""
        self._files.create(f"{_folder(key)}/{_FINISHED}", [b""])

    def finish_begun(self, keys: Iterable[str]) -> None:
        """Let no attempt begin any more where there was one."""
        begun = {*self._files.names(_ROOT)}
        for key in keys:
            if safe_name(key) in begun:
                self.finish(key)

    def forget_attempts(self, key: str) -> None:
        """Count from 1 again."""
        folder = _folder(key)
        self._files.remove(f"{folder}/{name}" for name in self._files.names(folder))


def _folder(key: str) -> str:
    return f"{_ROOT}/{safe_name(key)}"
