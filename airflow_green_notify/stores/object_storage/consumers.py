"""How far consumers have read a store of files: one file for each version of each, the highest one counts.

``consumers/<name>/<generation>-<version>.json``. Nothing is overwritten: of two that save the same version
one finds its name taken. A consumer that is forgotten begins another generation, so that who saves what it
once was is told that it was too late. As of a lease, the two highest are kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.stream import Consumer

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "consumers"


class _Version(NamedTuple):
    generation: int
    version: int
    """From 1; 0 is that of a consumer which was forgotten."""


class FileConsumers:
    """The consumers of a store of files."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def get(self, name: str) -> Consumer | None:
        """Return how far a consumer is; ``None`` if there is no such consumer."""
        return self._in_folder(safe_name(name))

    def all(self) -> list[Consumer]:
        """Return all consumers, by name."""
        found = map(self._in_folder, self._files.names(_ROOT))
        return sorted((each for each in found if each), key=lambda consumer: consumer.name)

    def save(self, consumer: Consumer) -> bool:
        """Save the version behind ``consumer.version``; ``False`` if somebody else has saved that one."""
        folder = safe_name(consumer.name)
        last = self._last(folder)
        if last.version == consumer.version:
            following = replace(consumer, version=consumer.version + 1)
            content = json.dumps(asdict(following), default=datetime.isoformat).encode()
            if self._add(folder, _Version(last.generation, following.version), content):
                return True
        # The name may have been taken by what this one created, when the answer was lost.
        return self._in_folder(folder) == replace(consumer, version=consumer.version + 1)

    def forget(self, name: str) -> bool:
        """Remove a consumer; ``False`` if there was none."""
        folder = safe_name(name)
        while (last := self._last(folder)).version:
            if self._add(folder, _Version(last.generation + 1, 0), b"null"):
                return True
        return False

    def _add(self, folder: str, version: _Version, content: bytes) -> bool:
        """Create a version, and tell whether it is one that counts: a number may be gone long since."""
        if not self._files.create(_name(folder, version), [content]):
            return False
        there = self._versions(folder)
        self._files.remove(_name(folder, each) for each in there[:-2])
        return version in there[-2:]

    def _in_folder(self, folder: str) -> Consumer | None:
        while (last := self._last(folder)).version:
            ((_, content),) = self._files.read([_name(folder, last)])
            if content is not None:  # else newer ones took its place meanwhile
                fields = json.loads(content)
                return Consumer(**fields | {"changed_at": datetime.fromisoformat(fields["changed_at"])})
        return None

    def _last(self, folder: str) -> _Version:
        return max(self._versions(folder), default=_Version(0, 0))

    def _versions(self, folder: str) -> list[_Version]:
        stems = (name.removesuffix(".json") for name in self._files.names(f"{_ROOT}/{folder}"))
        return sorted(_Version(*map(int, stem.split("-"))) for stem in stems)


def _name(folder: str, version: _Version) -> str:
    return f"{_ROOT}/{folder}/{version.generation}-{version.version}.json"
