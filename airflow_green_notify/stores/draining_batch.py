"""A batch in a folder or bucket, from its first notification to its file.

Below the root of the store::

    draining/<key>.json             one object for each notification of an unfinished batch, whichever
    opened/<batch>-….txt            a mark of each process that put something; stays where one died
    batches/<dag>/<run>/<task>/<map index>/batch.ndjson
    keys/<date>/….txt               the keys of finished batches (closed_keys.py)
    attempts/<key>/                 the ledger (attempts.py)

Nothing is ever overwritten: every file is created under a name that must be free. So two drains at once can't
both own a key while it is in ``draining``, and two processes that finish the same batch (a frozen task that
wakes beside its retry) can't wipe out each other's file.

Finishing writes the batch file, then the index of its keys, then removes the objects, then its mark. Whatever
it dies between, the objects are still there, and the retry, which opens the same batch, writes those that are
in no file of the batch, and goes on. A key that another batch closed meanwhile is dropped: it was indexed
before its object went, so whoever could create that object anew finds the key in the index when it finishes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stores.attempts import Attempts
from airflow_green_notify.stores.batch_file import (
    Entry,
    from_json,
    is_part,
    part_names,
    read_parts,
    to_json,
    write_part,
)
from airflow_green_notify.stores.closed_keys import ClosedKeys
from airflow_green_notify.stores.held import messages_among
from airflow_green_notify.stores.names import digest, folder_of, safe_name

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.files import Files
    from airflow_green_notify.stores.held import Message


class DrainingBatch:
    """An open batch.

    What it keeps in memory is names: those of its own objects, in queue order, and the closed ones.
    """

    def __init__(self, files: Files, batch_id: str, file_format: str) -> None:
        self._files = files
        self._batch_id = batch_id
        self._file_format = file_format
        self._folder = folder_of(batch_id)
        self._mark = f"opened/{digest(batch_id)}-{uuid.uuid4().hex}.txt"
        self._marked = False
        self._closed = ClosedKeys(files)
        self._attempts = Attempts(files)
        self._mine = dict.fromkeys(self._left_by_an_earlier_try())

    def put(self, notification: Notification, note: dict[str, Any] | None) -> bool:
        """Create the object of a notification unless its key is there, in this batch or another."""
        name = safe_name(notification.key)
        if name in self._mine or name in self._closed:
            return False
        self._put_mark()
        line = to_json(Entry(notification, self._batch_id, note))
        if not self._files.create(_object(name), [line]) and not self._is_mine(name):
            return False  # another batch's, and durable there
        self._mine[name] = None
        return True

    def finish(self) -> int:
        """Turn the objects into the batch file; return how many notifications the batch has."""
        kept = self._names_in_file()
        if self._mine:
            self._closed.refresh()
            kept |= self._write_file([name for name in self._mine if not self._is_settled(name, kept)])
            self._closed.add(name for name in self._mine if name in kept)
            self._files.remove(_object(name) for name in self._mine if self._is_settled(name, kept))
            self._closed.merge()
            self._mine.clear()
        if self._marked:
            self._files.remove([self._mark])
            self._marked = False
        return len(kept)

    def begin_attempt(self, key: str) -> int:
        """Count an attempt; 0 if the key is finished."""
        return self._attempts.begin(key)

    def finish_attempts(self, key: str) -> None:
        """Let no attempt begin any more."""
        self._attempts.finish(key)

    def held_messages(self, since: datetime) -> set[Message]:
        """Return the messages in all batches; one that is finished just now is read twice, never missed."""
        return messages_among((entry.notification for entry in self._entries_since(since)), since)

    def release(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""

    def _entries_since(self, since: datetime) -> Iterator[Entry]:
        objects = [f"draining/{name}" for name in self._files.names("draining") if name.endswith(".json")]
        yield from (from_json(content) for _, content in self._files.read(objects) if content)
        for name in self._files.modified_since("batches", since):
            if is_part(name):
                yield from read_parts(self._files, [name])

    def _put_mark(self) -> None:
        """Note that this batch has objects, so that nothing but a retry of it has to look for them."""
        if not self._marked:
            self._files.create(self._mark, [self._batch_id.encode("utf-8", "surrogatepass")])
            self._marked = True

    def _left_by_an_earlier_try(self) -> list[str]:
        """Return the names of this batch's objects, in queue order."""
        if not any(mark.startswith(digest(self._batch_id)) for mark in self._files.names("opened")):
            return []
        names = [name for name in self._files.names("draining") if name.endswith(".json")]
        contents = self._files.read(f"draining/{name}" for name in names)
        entries = (json.loads(content) for _, content in contents if content)
        mine = [(entry["received_at"], entry["key"]) for entry in entries if self._owns(entry)]
        return [safe_name(key) for _, key in sorted(mine)]

    def _is_mine(self, name: str) -> bool:
        """Whether an object is this batch's: created by a put whose success was in doubt."""
        ((_, content),) = self._files.read([_object(name)])
        return content is not None and self._owns(json.loads(content))

    def _owns(self, entry: dict[str, Any]) -> bool:
        return entry["batch_id"] == self._batch_id

    def _is_settled(self, name: str, kept: set[str]) -> bool:
        """Whether a name is in a file of this batch, or of another that is closed."""
        return name in kept or name in self._closed

    def _names_in_file(self) -> set[str]:
        parts = part_names(self._files, self._folder)
        return {safe_name(entry.notification.key) for entry in read_parts(self._files, parts)}

    def _write_file(self, names: list[str]) -> set[str]:
        """Write what of ``names`` is this batch's; return the names written."""
        written: set[str] = set()
        missing: set[str] = set()

        def lines() -> Iterator[bytes]:
            contents = self._files.read(map(_object, names))
            for name, (_, content) in zip(names, contents, strict=True):
                if content is None:
                    missing.add(name)
                elif self._owns(json.loads(content)):
                    written.add(name)
                    yield content

        if names:
            write_part(self._files, self._folder, self._file_format, lines)
        if missing:
            self._explain(missing)
        return written

    def _explain(self, missing: set[str]) -> None:
        """Accept that another try of this task finished the batch; nothing else may take objects."""
        self._closed.refresh()
        kept = self._names_in_file()
        lost = sorted(name for name in missing if not self._is_settled(name, kept))
        if lost:
            raise NotificationStoreError(
                f"{len(lost)} notifications of batch {self._batch_id!r} vanished from the store's folder "
                f"'draining' before the batch was finished, such as {_object(lost[0])}. Something else "
                "removes objects there; a retry of the task goes on without them."
            )


def _object(name: str) -> str:
    return f"draining/{name}.json"
