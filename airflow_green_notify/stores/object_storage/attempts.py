"""The ledger of attempts in a folder or bucket."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.drain_record import KEPT_FOR
from airflow_green_notify.stores.object_storage.dead_letters import keys_to_be_replayed

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "attempts"
_FINISHED = "finished"
_LOOKED_THROUGH = "attempts-looked-through"
_EVER = datetime(1970, 1, 2, tzinfo=UTC)


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

    def forget_old(self) -> None:
        """Remove what was noted longer than :data:`KEPT_FOR` ago.

        One drain a day does it, since it looks at all names; one that dies in it leaves the rest to the next
        day.
        """
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        if self._files.create(f"{_LOOKED_THROUGH}/{day}", [b""]):
            days = self._files.names(_LOOKED_THROUGH)
            self._files.remove(f"{_LOOKED_THROUGH}/{name}" for name in days if name < day)
            self._remove(self._old())

    def _old(self) -> list[str]:
        """Return the files of keys of which none is younger, by the clock of the place."""
        now = self._files.now()
        if now is None:
            return []
        names = self._files.modified_since(_ROOT, _EVER)
        young = {_key_in(name) for name in self._files.modified_since(_ROOT, now - KEPT_FOR)}
        young |= {safe_name(key) for key in keys_to_be_replayed(self._files)}
        return [name for name in names if _key_in(name) not in young]

    def _remove(self, names: list[str]) -> None:
        self._files.remove(sorted(names))  # that a key is finished is the last to go
        self._files.remove_empty({name.rpartition("/")[0] for name in names})


def _key_in(name: str) -> str:
    return name.split("/")[1]


def _folder(key: str) -> str:
    return f"{_ROOT}/{safe_name(key)}"
