"""The objects of unfinished batches, ``draining/<key>.json``: one for each notification."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.object_storage.batch_file import from_json, to_json, without_sequence

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_FOLDER = "draining"


class _Place(NamedTuple):
    """Where an object stands in the queue order of its batch."""

    batch_id: str
    sequence: int
    received_at: str
    name: str


class ObjectLine(NamedTuple):
    """An object as a line of the file of a batch."""

    batch_id: str
    received_at: datetime
    line: bytes


class DrainingObjects:
    """The objects of all batches, by the names that their notifications' keys make."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def create(self, name: str, entry: Entry) -> bool:
        """Create the object of a notification unless the name is taken; return whether it was created."""
        return self._files.create(object_name(name), [to_json(entry)])

    def create_all(self, entries: Mapping[str, Entry]) -> list[bool | Exception]:
        """Create many, and return for each what :meth:`create` would have returned, or raised."""
        outcomes = self._files.create_all(
            {object_name(name): to_json(entry) for name, entry in entries.items()}
        )
        return [outcomes[object_name(name)] for name in entries]

    def tag_of(self, name: str) -> str | None:
        """Return whose an object is; ``None`` if it is gone.

        :raises NotificationStoreError: It holds another notification.
        """
        ((_, content),) = self._files.read([object_name(name)])
        if content is None:
            return None
        entry = from_json(content)
        if safe_name(entry.notification.key) != name:
            raise NotificationStoreError(f"{object_name(name)} holds another notification. Remove it.")
        return entry.batch_id

    def of(self, tags: Iterable[str], own: str) -> dict[str, int]:
        """Return the names of what bears one of these tags, in queue order, each with its number.

        Each batch is in the order of its puts, whatever the clocks showed; ``own`` is behind all others.
        """
        tags = set(tags)
        found = [place for place in self._places() if place.batch_id in tags]
        began: dict[str, str] = {}
        for place in found:
            began[place.batch_id] = min(place.received_at, began.get(place.batch_id, place.received_at))
        found.sort(key=lambda place: (place.batch_id == own, began[place.batch_id], *place))
        return {place.name: place.sequence for place in found}

    def lines(self, names: Iterable[str]) -> Iterator[ObjectLine | None]:
        """Yield what each object becomes in the file of a batch; ``None`` for one that is gone."""
        for _, content in self._files.read(map(object_name, names)):
            yield None if content is None else _line(content)

    def entries(self) -> Iterator[Entry]:
        """Yield what all objects hold."""
        for _, content in self._files.read(map(object_name, self.names())):
            if content is not None:
                yield from_json(content)

    def names(self) -> list[str]:
        """Return the names of all objects."""
        return [name.removesuffix(".json") for name in self._files.names(_FOLDER) if name.endswith(".json")]

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; a missing one is no error."""
        self._files.remove(map(object_name, names))

    def _places(self) -> Iterator[_Place]:
        """Tell of each object what its order follows from, and keep nothing of what it holds."""
        names = self.names()
        for name, (_, content) in zip(names, self._files.read(map(object_name, names)), strict=True):
            if content is not None:
                entry = json.loads(content)
                yield _Place(entry["batch_id"], entry.get("sequence") or 0, entry["received_at"], name)


def _line(content: bytes) -> ObjectLine:
    fields = json.loads(content)
    received_at = datetime.fromisoformat(fields["received_at"])
    return ObjectLine(fields["batch_id"], received_at, without_sequence(content))


def object_name(name: str) -> str:
    """Return the file of an object."""
    return f"{_FOLDER}/{name}.json"


def unreadable(name: str) -> NotificationStoreError:
    """Return the error for an object that bars its name."""
    return NotificationStoreError(
        f"{object_name(name)} is there, and can't be read: nothing was stored under this name. Remove it."
    )


def vanished(names: Sequence[str], batch_id: str) -> NotificationStoreError:
    """Return the error for objects that are gone before their batch was finished."""
    return NotificationStoreError(
        f"{len(names)} notifications of batch {batch_id!r} vanished from the store's folder '{_FOLDER}' "
        f"before the batch was finished, such as {object_name(names[0])}. Something else removes objects "
        "there; a retry of the task goes on without them."
    )
