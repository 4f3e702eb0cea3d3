"""Erase what a store and folders of media hold of a person, or from before a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_green_notify.consume.person import Person
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.files.media_names import media_names, ours_among
from airflow_green_notify.files.place import files_at, place_of
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.erasing import Wanted
from airflow_green_notify.stores.object_storage.store import translate_errors

if TYPE_CHECKING:
    from os import PathLike

    from airflow.sdk import ObjectStoragePath

    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.erasing import Eraser
    from airflow_green_notify.stores.store import Store

    Folder = str | PathLike[str] | ObjectStoragePath

log = logging.getLogger(__name__)


def erase(
    store: Store, contacts: Collection[str | int], media: Sequence[Folder] = (), *, dry_run: bool = False
) -> dict[str, int]:
    """Erase whatever names one of these contacts: rows, files of batches, open ones, dead letters, media.

    A crash at any point leaves a part erased, and nothing else lost: run it again. First go the files of a
    page of notifications, then, in one step, the page and its attempts, in whose place tombstones stand, so
    that neither a redelivery nor a backfill brings them back. Drains and consumers may be at work.

    A notification is a contact's if its body names the contact by an id, wherever that is: as chat, author or
    other side, participant, author of what is quoted, mentioned, or on a contact's card. It goes as a whole,
    also where somebody else wrote it: a store never changes a body. What others wrote in the same group, and
    names in free text, stay. Phone number, LID and, on Telegram and MAX, id count as one person's where rows
    of this store show it.

    :param store: One of this package's stores, as a Dag describes it. Dead letters in a store of their own
        are erased by a call of their own.
    :param contacts: Ids as notifications carry them, such as ``12025550101@c.us``; a group's means the group.
    :param media: Folders or URLs into which the files of notifications were downloaded.
    :param dry_run: Whether to count only.
    :return: ``{"notifications", "media"}``: how many of each were erased, or would be.
    :raises GreenApiConfigError: A contact is no id, or a folder is not there; nothing is erased.
    :raises NotificationStoreError: There is no such store, or it, or a folder, can't be reached.
    """
    person = Person(contacts)
    folders = [_Media(folder) for folder in media]
    with closing(store.eraser()) as eraser:
        _learn_ids(eraser, person)
        wanted = Wanted(lambda entry: person.is_named_in(entry.notification.body), person.words)
        return _done("of the contacts", _erased(eraser, wanted, folders, dry_run), dry_run)


def purge(
    store: Store, older_than: timedelta, media: Sequence[Folder] = (), *, dry_run: bool = False
) -> dict[str, int]:
    """Erase what was received before a time, as :func:`erase` does.

    In folders of media that is, besides the files of those notifications, whatever was downloaded before.
    What the drains report tells of drains that ended before goes, too, what watchers and examinations
    reported before, and what was noted before of batches of which nothing is left.

    :param older_than: What was received longer ago than this is erased.
    :raises GreenApiConfigError: ``older_than`` is no time above 0, or a folder is not there.
    :raises NotificationStoreError: There is no such store, or it, or a folder, can't be reached.
    """
    before = _moment(older_than)
    folders = [_Media(folder) for folder in media]
    with closing(store.eraser()) as eraser:
        counts = _erased(eraser, Wanted(before=before), folders, dry_run)
        counts["media"] += sum(folder.erase(folder.older_than(before), dry_run) for folder in folders)
        if not dry_run:
            eraser.remove_drains(before)
            eraser.remove_reports(before)
            eraser.remove_batches(before)
        return _done(f"received before {before:%Y-%m-%d %H:%M} UTC", counts, dry_run)


def _moment(older_than: timedelta) -> datetime:
    try:
        if older_than > timedelta(0):
            return datetime.now(UTC) - older_than
    except (TypeError, OverflowError):
        pass
    raise GreenApiConfigError(
        f"older_than is '{printable(older_than, NAME)}'; it must be a timedelta above 0, such as "
        "timedelta(days=90)."
    )


def _learn_ids(eraser: Eraser, person: Person) -> None:
    """Look for more ids of a person until the store shows none."""
    is_new = True
    while is_new:
        wanted = Wanted(words=person.words)
        learned = [person.learn(entry.notification) for page in eraser.find(wanted) for entry in page]
        is_new = any(learned)


def _erased(eraser: Eraser, wanted: Wanted, folders: Sequence[_Media], dry_run: bool) -> dict[str, int]:
    counts = {"notifications": 0, "media": 0}

    def erase_media(entries: Sequence[Entry]) -> None:
        for folder in folders:
            counts["media"] += folder.erase(_names(entries), dry_run)

    if not dry_run:
        counts["notifications"] = eraser.erase(wanted, erase_media)
        return counts
    for page in eraser.find(wanted):
        counts["notifications"] += len(page)
        erase_media(page)
    return counts


def _names(entries: Sequence[Entry]) -> set[str]:
    """Return what files of these entries may be called."""
    return {name for entry in entries for name in media_names(as_received(entry.notification, entry.note))}


def _done(which: str, counts: dict[str, int], dry_run: bool) -> dict[str, int]:
    log.info(
        "%s %d notifications %s, and %d files that they brought.",
        "There are" if dry_run else "Erased",
        counts["notifications"],
        which,
        counts["media"],
    )
    return counts


class _Media:
    """A folder or bucket of files that notifications brought."""

    def __init__(self, folder: Folder) -> None:
        path, conn_id = place_of(folder, None)
        self._translate_errors: Callable[[], AbstractContextManager[None]] = partial(
            translate_errors, f"The media in {path}"
        )
        if "://" not in path and not Path(path).is_dir():
            raise GreenApiConfigError(
                f"There is no folder {path}. Once notifications are erased, nothing tells the names of files."
            )
        with self._translate_errors():
            self._files = files_at(path, conn_id)
            self._there = {*self._files.names("")}

    def erase(self, names: Collection[str], dry_run: bool) -> int:
        """Remove the files of these names; return how many there are."""
        there = self._there & {*names}
        if there and not dry_run:
            with self._translate_errors():
                self._files.remove(sorted(there))
        self._there -= there
        return len(there)

    def older_than(self, before: datetime) -> set[str]:
        """Return the names of what was downloaded before a time; of strangers' files none."""
        with self._translate_errors():
            return ours_among(self._there) - {*self._files.modified_since("", before)}
