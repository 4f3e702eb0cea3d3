"""A batch in a folder or bucket, from its first notification to its file.

Below the root of the store::

    draining/<key>.json             one object for each notification of an unfinished batch, whichever
    batches/<dag>/<run>/<task>/<map index>/batch.ndjson, its file (own_files.py)
    keys/<date>/….txt               the keys of finished batches (closed_keys.py)
    log/<number>-<position>/        the positions of all that is in finished batches (log.py)
    moved/<batch>/                  where the lines of adopted batches are (lines.py)
    consumers/<name>/               how far each consumer has read (consumers.py)
    ledger/<task>/                  where each batch stands (ledger.py)
    leases/<queue>/                 who reads which queue (leases.py)
    attempts/<key>/                 attempts of handlers (attempts.py)
    attempts-looked-through/<day>   when they were last looked through for old ones
    dead_letters/                   which dead letters are to be replayed, and which are none any more
                                    (dead_letters.py)
    tombstones/<day>/….txt          salted hashes of the keys of what was erased (tombstones.py)
    drains/<day>….ndjson            what came of each drain (drains.py)

Nothing is ever overwritten: every file is created under a name that must be free. So two drains at once can't
both own a key while it is in ``draining``, and two processes that finish the same batch (a frozen task that
wakes beside its retry) can't wipe out each other's file.

Finishing notes the end in the ledger, writes the batch file, then the log, then the index of its keys, then
removes the objects. Whatever it dies between, the objects are still there, and the retry, which opens the
same batch, or the batch that adopts them, writes those that are in no file, logs those that aren't logged,
and goes on. A key that another batch closed
meanwhile is dropped: it was indexed before its object went, so whoever could create that object anew finds
the key in the index when it finishes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.held import QUEUED_FOR, FromJournal, messages_among
from airflow_green_notify.stores.ledger import BatchTaken
from airflow_green_notify.stores.names import folder_of, without_again
from airflow_green_notify.stores.object_storage.attempts import FileAttempts
from airflow_green_notify.stores.object_storage.batch_file import (
    entries_since,
    part_names,
    read_parts,
    there_of,
)
from airflow_green_notify.stores.object_storage.closed_keys import ClosedKeys
from airflow_green_notify.stores.object_storage.draining_objects import DrainingObjects, unreadable, vanished
from airflow_green_notify.stores.object_storage.drains import FileDrains
from airflow_green_notify.stores.object_storage.leases import FileLeases
from airflow_green_notify.stores.object_storage.ledger import FileBatches
from airflow_green_notify.stores.object_storage.log import LogEntry
from airflow_green_notify.stores.object_storage.own_files import OwnFiles
from airflow_green_notify.stores.object_storage.tombstones import FileTombstones
from airflow_green_notify.stores.outcome import Outcome, attempt, for_each

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.message import Message
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.ledger import BatchRecord, BatchState
    from airflow_green_notify.stores.object_storage.leases import TranslateErrors
    from airflow_green_notify.stores.object_storage.ledger import Link


_MAX_LOOKS = 10
"""How often an object is looked for that is there and gone again, as when another batch has closed it."""


class DrainingBatch:
    """An open batch.

    What it keeps in memory is names: those of its own objects, in queue order, and the closed ones.
    """

    def __init__(
        self,
        files: Files,
        batch_id: str,
        file_format: str,
        queue: str = "",
        translate_errors: TranslateErrors = nullcontext,
    ) -> None:
        self._files = files
        self._translate_errors = translate_errors
        self._objects = DrainingObjects(files)
        self._closed = ClosedKeys(files)
        self._tombstones = FileTombstones(files)
        self._erased_marks: set[str] = set()
        self.attempts = FileAttempts(files)
        self.drains = FileDrains(files)
        self._batches = FileBatches(files, batch_id, queue)
        self._own_files = OwnFiles(files, batch_id, file_format, self._objects, self._batches)
        self._mine: dict[str, int] = {}
        self._draining: set[str] = set()
        self._was_open = False
        self._is_continued = False
        self._sequence = 0
        self.leases = FileLeases(files, translate_errors)
        self._from_journal = FromJournal(self.leases, self._look, self._holds)

    @property
    def taken(self) -> BatchRecord | None:
        """What another batch took from this one."""
        return self._batches.taken

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        """Create the object of a notification unless its key is there, in any batch, or was erased."""
        name = safe_name(notification.key)
        entry = self._entry_of(name, notification, note)
        return entry is not None and self._keep(name, entry, self._create_or_find(name, entry))

    def put_all(self, notifications: Sequence[Notification]) -> list[Outcome]:
        """Create the objects of many, some at once; return what :meth:`put` would have told of each."""
        names = [safe_name(notification.key) for notification in notifications]
        outcomes: dict[str, Outcome] = {}
        entries: dict[str, Entry] = {}
        for name, notification in zip(names, notifications, strict=True):
            if name not in entries and name not in outcomes:
                entry = attempt(partial(self._entry_of, name, notification), self._translate_errors)
                if isinstance(entry, Entry):
                    entries[name] = entry
                else:
                    outcomes[name] = entry or False
                if isinstance(entry, NotificationStoreError):
                    # It came of what all have in common, and would come again for the next one.
                    outcomes |= {each: entry for each in names if each not in entries | outcomes}
        return for_each(names, outcomes | self._create_all(entries))

    def _create_all(self, entries: dict[str, Entry]) -> dict[str, Outcome]:
        created = attempt(partial(self._objects.create_all, entries), self._translate_errors)
        if isinstance(created, NotificationStoreError):
            return dict.fromkeys(entries, created)
        return {
            name: attempt(partial(self._settled, name, entry, result), self._translate_errors)
            for (name, entry), result in zip(entries.items(), created, strict=True)
        }

    def _settled(self, name: str, entry: Entry, created: bool | Exception) -> bool:
        """Tell what the creation of an object came to."""
        if isinstance(created, Exception):
            raise created
        return self._keep(name, entry, entry.batch_id if created else self._create_or_find(name, entry))

    def _entry_of(
        self, name: str, notification: Notification, note: dict[str, Any] | None = None
    ) -> Entry | None:
        """Open the batch, and return its next entry; ``None`` for what is there already."""
        if name in self._closed or self._tombstones.hold(notification, note):
            return None
        self._open()
        if name in self._mine or (note is None and notification in self._from_journal):
            return None
        self._sequence += 1
        return Entry(notification, self._batches.tag, note, self._sequence)

    def _keep(self, name: str, entry: Entry, owner: str) -> bool:
        """Note an object as this batch's, unless it is another's, and durable there."""
        if owner not in self._batches.owned:
            return False
        self._mine[name] = entry.sequence or 0
        return True

    def _look(self) -> bool:
        self._closed.refresh()
        self._draining = {*self._objects.names()}
        self._tombstones.refresh()
        self._erased_marks = self._tombstones.backfilled_since(datetime.now(UTC) - QUEUED_FOR)
        return True

    def _holds(self, name: str) -> bool:
        is_there = name in self._closed or (name in self._draining and self._owner(name) is not None)
        return is_there or self._tombstones.is_among(name, self._erased_marks)

    def _create_or_find(self, name: str, entry: Entry) -> str:
        """Create an object unless it is there, and return whose it is then.

        What is there is read: a name that is merely taken makes nothing durable.
        """
        for _ in range(_MAX_LOOKS):
            if self._objects.create(name, entry):
                return entry.batch_id
            if (owner := self._owner(name)) is not None:
                return owner
        raise unreadable(name)

    def _owner(self, name: str) -> str | None:
        """Return whose an object is that somebody will hand on; ``None`` if there is none."""
        owner = self._objects.tag_of(name)
        is_stray = owner is not None and owner not in self._batches.owned and self._is_stray(owner, name)
        return None if is_stray else owner

    def not_handed_on(self, queues: Collection[str] = ()) -> list[BatchRecord]:
        """Return the other batches of this task and these queues that may hold forgotten notifications."""
        others = self._batches.others(queues)
        return [each.record() for each in others if each.state != "adopted" or self._has_left(each)]

    def adopt(self, record: BatchRecord) -> int | None:
        """Take the objects and the files of another batch."""
        names = self._objects.of([record.batch_id], self._batches.tag)
        parts = part_names(self._files, folder_of(without_again(record.batch_id)))
        count = len(names) + sum(1 for _ in read_parts(self._files, parts))
        if not self._claim(record, count, tuple(parts)):
            return None
        self._mine |= names
        return count

    def _claim(self, record: BatchRecord, count: int, parts: tuple[str, ...]) -> bool:
        self._open()
        self._is_continued = True
        return self._batches.adopt(record, count, parts)

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        """Note what became of a closed batch.

        A task that succeeded left no object. What bears its batch's tag nevertheless was put by a try of it
        that had been frozen, and is taken over.
        """
        strays = self._objects.of([record.batch_id], self._batches.tag) if state == "confirmed" else {}
        if not strays:
            self._batches.settle(record, state)
        elif self._claim(record, len(strays), ()):
            self._mine |= strays

    def finish(self) -> int:
        """Turn the objects into the batch file; return how many notifications the batch has."""
        end = self._own_files.end_of_log() if self._batches.is_known else LogEntry()
        if self._batches.is_known and not self._close():
            return len(self._own_files.held())
        kept = self._own_files.held()
        adopted = self._own_files.adopted()
        if self._mine or adopted:
            self._closed.refresh()
            names = [name for name in self._in_order() if not self._is_settled(name, kept)]
            written = self._own_files.write(names, adopted, kept)
            if written.missing:
                self._explain(written.missing)
            self._own_files.log(end, self._mine, kept, written, self._is_continued)
            kept |= written.rows
            self._closed.add(name for name in self._mine if name in kept)
            self._objects.remove(name for name in self._mine if self._is_settled(name, kept))
            self._own_files.remove(adopted)
            self._closed.merge()
            self._closed.remove_old()
            self._mine.clear()
        return len(kept)

    def _in_order(self) -> list[str]:
        """Return the names of the objects in queue order, whichever batch was adopted first."""
        there = self._objects.of(self._batches.owned, self._batches.tag) if self._is_continued else {}
        return [name for name in there | self._mine if name in self._mine]

    def _open(self) -> None:
        """Make this try the one that fills the batch; what an adopter has by now is not its any more."""
        self._was_open = True
        if not self._batches.is_open:
            self._batches.open()
            self._mine = self._objects.of(self._batches.owned, self._batches.tag)
            self._is_continued |= bool(self._mine)
            self._sequence = max(self._mine.values(), default=0)

    def _close(self) -> bool:
        """Note the end of the batch; ``False`` if another has it by now, and all that was put into it."""
        if not self._was_open:
            self._open()
        try:
            self._batches.close()
        except BatchTaken:
            return False
        return True

    def held_messages(self, since: datetime) -> set[Message]:
        """Return the messages in all batches; one that is finished just now is read twice, never missed."""
        entries = chain(self._objects.entries(), entries_since(self._files, since))
        return messages_among((entry.notification for entry in entries), since)

    def release(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""

    def _has_left(self, link: Link) -> bool:
        """Whether the adopter of a batch died before it took everything."""
        return bool(self._objects.of([link.tag], self._batches.tag) or there_of(self._files, link.parts))

    def _is_stray(self, tag: str, name: str) -> bool:
        """Remove an object that nobody will ever hand on, and tell whether it was one.

        It was put by a try that had been frozen, when its batch was handed on already. What is removed is
        still in the queue: it was just received, and nothing else deletes without the lease.
        """
        if self._batches.of(tag).number:
            return False
        self._closed.refresh()
        if name in self._closed:
            return False
        self._objects.remove([name])
        return True

    def _is_settled(self, name: str, kept: Collection[str]) -> bool:
        """Whether a name is in a file of this batch, or of another that is closed."""
        return name in kept or name in self._closed

    def _explain(self, missing: set[str]) -> None:
        """Accept that another try of this task finished the batch, or that something was erased."""
        self._closed.refresh()
        kept = self._own_files.held()
        lost = sorted(name for name in missing if not self._is_settled(name, kept))
        if lost := sorted({*lost} - self._tombstones.erased_among(lost)):
            raise vanished(lost, self._batches.tag)
