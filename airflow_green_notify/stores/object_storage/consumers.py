"""How far consumers have read a store of files: one file for each version of each, the highest one counts.

``consumers/<name>/<generation>-<version>.json``. Nothing is overwritten: of two that save the same version
one finds its name taken. A consumer that is forgotten begins another generation, and its versions count on,
so that who saves what it once was is told that it was too late. As of a lease, the two highest are kept; each
tells which saves came before it, so that one that took long knows whether others went on from it, or had
gone on without it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.stream import Consumer

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "consumers"


_SAVES_TOLD = 50


class _Version(NamedTuple):
    generation: int
    number: int
    """From 1; one that was forgotten keeps the last, and who begins anew goes on from there."""


class _Saved(NamedTuple):
    version: _Version = _Version(0, 0)
    consumer: Consumer | None = None
    saves: tuple[str, ...] = ()
    """A word of its own for each of the last saves, this one the last."""


class FileConsumers:
    """The consumers of a store of files."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def get(self, name: str) -> Consumer | None:
        """Return how far a consumer is; ``None`` if there is no such consumer."""
        return self._last(safe_name(name)).consumer

    def all(self) -> list[Consumer]:
        """Return all consumers, by name."""
        found = (self._last(folder).consumer for folder in self._files.names(_ROOT))
        return sorted((each for each in found if each), key=lambda consumer: consumer.name)

    def save(self, consumer: Consumer) -> bool:
        """Save the version behind ``consumer.version``; ``False`` if somebody else has saved that one."""
        folder = safe_name(consumer.name)
        last = self._last(folder)
        if (last.consumer.version if last.consumer else 0) == consumer.version:
            version = _Version(last.version.generation, last.version.number + 1)
            return self._add(folder, last, version, replace(consumer, version=version.number))
        # Whoever saves again what was saved, after an error, is told so.
        version_told = last.version.number if consumer.version == 0 else consumer.version + 1
        return last.consumer == replace(consumer, version=version_told)

    def forget(self, name: str) -> bool:
        """Remove a consumer; ``False`` if there was none."""
        folder = safe_name(name)
        while (last := self._last(folder)).consumer:
            if self._add(folder, last, _Version(last.version.generation + 1, last.version.number), None):
                return True
        return False

    def _add(self, folder: str, last: _Saved, version: _Version, consumer: Consumer | None) -> bool:
        """Create a version, and tell whether it counts: its name may have been free again, or taken."""
        save = uuid.uuid4().hex[:16]
        saves = [*last.saves, save][-_SAVES_TOLD:]
        fields = {"consumer": consumer and asdict(consumer), "saves": saves}
        self._files.create(_name(folder, version), [json.dumps(fields, default=datetime.isoformat).encode()])
        self._files.remove(_name(folder, each) for each in self._versions(folder)[:-2])
        return save in self._last(folder).saves

    def _last(self, folder: str) -> _Saved:
        while versions := self._versions(folder):
            ((_, content),) = self._files.read([_name(folder, versions[-1])])
            if content is not None:  # else newer ones took its place meanwhile
                fields = json.loads(content)
                return _Saved(versions[-1], _consumer(fields["consumer"]), tuple(fields["saves"]))
        return _Saved()

    def _versions(self, folder: str) -> list[_Version]:
        stems = (name.removesuffix(".json") for name in self._files.names(f"{_ROOT}/{folder}"))
        return sorted(_Version(*map(int, stem.split("-"))) for stem in stems)


def _consumer(fields: dict[str, Any] | None) -> Consumer | None:
    if fields is None:
        return None
    return Consumer(**fields | {"changed_at": datetime.fromisoformat(fields["changed_at"])})


def _name(folder: str, version: _Version) -> str:
    return f"{_ROOT}/{folder}/{version.generation}-{version.number}.json"
