"""Where each batch of a store of files stands: a chain of records for each, the last of which counts.

``ledger/<task>/<batch>-<number>.json``. Each step creates the next record, so of two who want to go on from
the same record one does. A confirmed batch has no records any more; one that was adopted keeps them.

A task that comes back after its batch was adopted puts under another tag, ``<batch id>/#1``: what bears the
old one belongs to the adopter.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, cast

from airflow_green_notify.files.names import digest
from airflow_green_notify.stores.ledger import BatchRecord, BatchTaken
from airflow_green_notify.stores.names import task_of, without_again
from airflow_green_notify.stores.object_storage.drains import FileDrains
from airflow_green_notify.stores.object_storage.reports import FileReports

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.ledger import BatchState

_ROOT = "ledger"


@dataclass(frozen=True)
class Link:
    """The last record of a batch's chain.

    :param tag: The batch id, and how often it was adopted before.
    :param number: Its place in the chain, from 1; 0 if there is no record, and then its state is empty.
    :param parts: Files of the batch that its adopter is to take.
    """

    tag: str
    number: int = 0
    state: BatchState | Literal[""] = ""
    owner: str = ""
    queue: str = ""
    adopted_by: str = ""
    adopted: int = 0
    parts: tuple[str, ...] = ()

    def record(self) -> BatchRecord:
        """Return what the ledger says of the batch."""
        state = cast("BatchState", self.state)
        return BatchRecord(self.tag, state, self.owner, self.queue, self.adopted_by, self.adopted)


class _Changes(TypedDict, total=False):
    """What one record of a chain says otherwise than the one before."""

    state: BatchState
    owner: str
    queue: str
    adopted_by: str
    adopted: int
    parts: tuple[str, ...]


class Chains:
    """The chains of all batches of one task, or of all tasks."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def last(self, tag: str) -> Link:
        """Return where a batch stands."""
        return self.of_task(tag).get(tag) or Link(tag)

    def of_task(self, batch_id: str) -> dict[str, Link]:
        """Return where the batches of a task stand, by their tags."""
        return self._in_folder(_folder(batch_id))

    def all(self) -> list[Link]:
        """Return where every batch stands."""
        folders = [f"{_ROOT}/{name}" for name in self._files.names(_ROOT)]
        return [link for folder in folders for link in self._in_folder(folder).values()]

    def add(self, link: Link, **changes: Unpack[_Changes]) -> Link | None:
        """Create the next record; ``None`` if somebody else was faster."""
        following = replace(link, number=link.number + 1, **changes)
        name = _name(following.tag, following.number)
        content = json.dumps(asdict(following)).encode()
        return following if self._files.create(name, [content]) else None

    def remove(self, link: Link) -> None:
        """Remove the records of a batch, the last one last."""
        self._files.remove(_name(link.tag, number) for number in range(1, link.number))
        self._files.remove([_name(link.tag, link.number)])

    def remove_old(self, before: datetime, is_of_use: Callable[[str], bool]) -> None:
        """Remove the records of batches that were changed before a time, but for open ones.

        That a batch was adopted is noted as long as anything is left of what its task put after that.

        :param is_of_use: Tells by the batch id whether anything is left of a batch.
        """
        links = [(without_again(link.tag), link) for link in self.all()]
        at_work = {batch_id for batch_id, link in links if link.state == "open"}
        old = [link for batch_id, link in links if batch_id not in at_work and not is_of_use(batch_id)]
        names = {_name(link.tag, link.number): link for link in old}
        ages = self._files.ages([*names]) if names else {}
        least = (datetime.now(UTC) - before).total_seconds()
        for name, age in ages.items():
            if age is not None and age > least:
                self.remove(names[name])

    def _in_folder(self, folder: str) -> dict[str, Link]:
        while True:
            latest: dict[str, str] = {}
            for name in sorted(self._files.names(folder)):
                latest[name.partition("-")[0]] = f"{folder}/{name}"
            contents = [content for _, content in self._files.read(latest.values())]
            if None not in contents:  # else one was confirmed, and removed, meanwhile
                break
        links = [_link(content) for content in contents if content]
        return {link.tag: link for link in links}


class FileBatches:
    """Where the batches of a task stand, seen from one of them."""

    def __init__(self, files: Files, batch_id: str, queue: str) -> None:
        self._chains = Chains(files)
        self._batch_id = batch_id
        self._queue = queue
        self._owner = uuid.uuid4().hex
        self._mine = self._find_own(self._chains.of_task(batch_id))

    def _find_own(self, links: dict[str, Link]) -> Link:
        """Return where this batch stands; behind each adoption it goes on under another tag."""
        self.taken: BatchRecord | None = None
        self.taken_parts: set[str] = set()
        """Files of this batch that are another's now, or that it took back and has yet to write anew."""
        link = links.get(self._batch_id) or Link(self._batch_id)
        times = 0
        while link.state == "adopted":
            self.taken = link.record()
            self.taken_parts.update(link.parts)
            times += 1
            tag = f"{self._batch_id}/#{times}"
            link = links.get(tag) or Link(tag)
        self.owned = {link.tag: ()} | {
            each.tag: each.parts
            for each in links.values()
            if each.state == "adopted" and each.adopted_by == link.tag
        }
        """The tags of all that is this batch's, each with the files that it is to take over."""
        return link

    @property
    def tag(self) -> str:
        """What this batch's objects bear."""
        return self._mine.tag

    @property
    def is_known(self) -> bool:
        """Whether this try or an earlier one opened it."""
        return self._mine.number > 0

    @property
    def is_open(self) -> bool:
        """Whether this try has it."""
        return self._mine.state == "open" and self._mine.owner == self._owner

    def open(self) -> None:
        """Make this try the one that puts into the batch."""
        while not self.is_open:
            link = self._chains.add(self._mine, state="open", owner=self._owner, queue=self._queue)
            self._mine = link or self._find_own(self._chains.of_task(self._batch_id))

    def close(self) -> None:
        """Note that the batch's file is about to be written, and its description returned.

        :raises BatchTaken: It is another's by now, with all that was put into it.
        """
        while True:
            link = self._chains.add(self._mine, state="closed") if self._is_own else None
            if link is not None:
                self._mine = link
                return
            self._mine = self._find_own(self._chains.of_task(self._batch_id))
            if not self._is_own:
                raise BatchTaken

    @property
    def _is_own(self) -> bool:
        """Whether this try has it, or has closed it; what failed behind that is then done again."""
        return self._mine.owner == self._owner and self._mine.state in ("open", "closed")

    def of(self, tag: str) -> Link:
        """Return where any batch stands, of whichever task."""
        return self._chains.last(tag)

    def others(self, queues: Collection[str]) -> list[Link]:
        """Return the batches of this task and these queues that may hold forgotten notifications."""
        links = self._chains.of_task(self._batch_id).values()
        states = ("open", "closed", "released", "adopted")
        return [
            link
            for link in links
            if link.queue in (self._queue, *queues) and link.tag not in self.owned and link.state in states
        ]

    def adopt(self, record: BatchRecord, count: int, parts: tuple[str, ...]) -> bool:
        """Take a batch, unless it changed since the record was read."""
        link = self._unchanged(record)
        adopted = record.adopted + count
        if link is None or not self._chains.add(
            link, state="adopted", adopted_by=self.tag, adopted=adopted, parts=parts
        ):
            return False
        self.owned[record.batch_id] = parts
        self.taken_parts.update(parts)
        return True

    def settle(self, record: BatchRecord, state: BatchState) -> None:
        """Note what became of a closed batch."""
        link = self._unchanged(record)
        if link is not None and state == "confirmed":
            self._chains.remove(link)
        elif link is not None:
            self._chains.add(link, state=state)

    def _unchanged(self, record: BatchRecord) -> Link | None:
        link = self._chains.last(record.batch_id)
        return link if link.record() == record else None


class FileLedgerView:
    """The batches of a store of files for a person who looks after them."""

    def __init__(self, files: Files) -> None:
        self._chains = Chains(files)
        self.drains = FileDrains(files)
        self.reports = FileReports(files)

    def unconfirmed(self) -> list[BatchRecord]:
        """Return the batches of which it isn't known that they were handed on."""
        return sorted((link.record() for link in self._chains.all()), key=lambda record: record.batch_id)

    def give_to_next_drain(self, batch_id: str) -> bool:
        """Let the next drain of the same task and queue adopt a batch; ``False`` if there is none."""
        while (link := self._chains.last(batch_id)).number:
            if self._chains.add(link, state="released"):
                return True
        return False

    def close(self) -> None:
        """Do nothing: connections to a bucket are shared by the whole process."""


def adoptions(files: Files, batch_id: str) -> list[Link]:
    """Return the last records of a batch that others took from, one for each time."""
    links = Chains(files).of_task(batch_id).values()
    return [
        link
        for link in links
        if link.adopted_by and (link.tag == batch_id or link.tag.startswith(f"{batch_id}/#"))
    ]


def _folder(batch_id: str) -> str:
    return f"{_ROOT}/{digest(task_of(batch_id))}"


def _name(tag: str, number: int) -> str:
    return f"{_folder(tag)}/{digest(tag)}-{number:06}.json"


def _link(content: bytes) -> Link:
    fields = json.loads(content)
    return Link(**fields | {"parts": tuple(fields["parts"])})
