"""A batch of files that dies, or meets others, at every point."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage.batch import DrainingBatch
from airflow_green_notify.stores.object_storage.batch_file import (
    FORMATS,
    part_names,
    read_parts,
    to_json,
    write_part,
)
from airflow_green_notify.stores.object_storage.stream import FileStream
from tests.stores.conftest import some
from tests.stores.dying_files import Died, DyingFiles

BATCH = "dag/run/drain/-1"


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    files = LocalFiles(str(tmp_path / "store"))
    files.prepare()
    return files


def keys_of(files: LocalFiles, batch_id: str = BATCH) -> list[str]:
    entries = read_parts(files, part_names(files, folder_of(batch_id)))
    return [entry.notification.key for entry in entries]


def drain(batch: DrainingBatch, queue: list[Notification]) -> None:
    """Put and delete as a drain does, the last one as if it had come twice; then finish."""
    while queue:
        batch.put(queue[0], None)
        last = queue.pop(0)
    batch.put(last, None)
    batch.finish()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_batch_that_dies_at_any_operation_is_whole_after_a_retry(
    tmp_path: Path, file_format: str, after_effect: bool
) -> None:
    """Whichever operation a try dies before or after, its retry's batch holds everything once, in order."""
    given = some(4)
    deaths = 0
    while True:
        files = LocalFiles(str(tmp_path / str(deaths)))
        files.prepare()
        queue = given.copy()
        try:
            drain(DrainingBatch(DyingFiles(files, deaths, after_effect), BATCH, file_format), queue)
        except Died:
            deaths += 1
            retry = DrainingBatch(files, BATCH, file_format)
            for notification in queue:
                retry.put(notification, None)
            assert retry.finish() == 4
            assert keys_of(files) == [n.key for n in given]
            assert not files.names("draining")
            other = DrainingBatch(files, "other", file_format)
            assert not any(other.put(n, None) for n in given)  # a late duplicate is recognised
        else:
            break
    assert deaths > 15


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_retry_that_dies_too_leaves_it_to_the_next_one(tmp_path: Path, after_effect: bool) -> None:
    """A second death at any operation of the retry changes nothing."""
    given = some(3)
    for first in (9, 12, 15, 17):
        for second in range(25):
            files = LocalFiles(str(tmp_path / f"{first}-{second}"))
            files.prepare()
            queue = given.copy()
            for operations in (first, second):
                try:
                    batch = DrainingBatch(DyingFiles(files, operations, after_effect), BATCH, "ndjson")
                    drain(batch, queue or [given[-1]])
                except Died:
                    continue
            last = DrainingBatch(files, BATCH, "ndjson")
            for notification in queue:
                last.put(notification, None)
            assert last.finish() == 3
            assert sorted(keys_of(files)) == sorted(n.key for n in given)


def test_put_in_doubt_is_taken_over_by_the_next_put(files: LocalFiles) -> None:
    """An object created by a put that failed nevertheless belongs to the batch, without a reopening."""
    (notification,) = some(1)

    class Doubtful(LocalFiles):
        failed = False

        def create(self, name: str, chunks: list[bytes]) -> bool:
            created = super().create(name, chunks)
            if name.startswith("draining/") and not Doubtful.failed:
                Doubtful.failed = True
                raise TimeoutError
            return created

    batch = DrainingBatch(Doubtful(files._root), BATCH, "ndjson")
    with pytest.raises(TimeoutError):
        batch.put(notification, None)
    assert batch.put(notification, None) is True
    assert batch.finish() == 1
    assert keys_of(files) == [notification.key]


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"key": "0"}'], ids=["gone", "empty", "none", "bad"])
def test_put_whose_name_is_taken_by_what_cant_be_read_is_an_error(
    files: LocalFiles, content: bytes | None
) -> None:
    """Else the drain would take it for stored and delete it: a name alone proves nothing."""
    (notification,) = some(1)

    class Taken(LocalFiles):
        def create(self, name: str, chunks: list[bytes]) -> bool:
            return not name.startswith("draining/") and super().create(name, chunks)

    if content is not None:
        files.create(f"draining/{notification.key}.json", [content])
    batch = DrainingBatch(Taken(files._root), BATCH, "ndjson")
    with pytest.raises((NotificationStoreError, ValueError, KeyError)):
        batch.put(notification, None)


def test_put_whose_name_is_taken_by_another_notification_is_an_error(files: LocalFiles) -> None:
    """Its file says whose it is, and that is not this one's."""
    first, second = some(2)
    DrainingBatch(files, "other", "ndjson").put(first, None)
    ((_, content),) = files.read([f"draining/{first.key}.json"])
    files.create(f"draining/{second.key}.json", [content])
    with pytest.raises(NotificationStoreError, match="another notification"):
        DrainingBatch(files, BATCH, "ndjson").put(second, None)


def test_late_duplicate_of_a_closed_batch_is_dropped_on_finishing(files: LocalFiles) -> None:
    """A consumer that was handed a notification before another one stored, deleted and closed it drops it."""
    (notification,) = some(1)
    slow = DrainingBatch(files, "slow", "ndjson")
    assert slow.put(some(1, start=9)[0], None)  # it has looked at the closed keys by now
    quick = DrainingBatch(files, "quick", "ndjson")
    quick.put(notification, None)
    quick.finish()
    slow.put(notification, None)
    assert slow.finish() == 1
    assert keys_of(files, "slow") == [some(1, start=9)[0].key]
    assert keys_of(files, "quick") == [notification.key]


def test_notification_of_an_unfinished_batch_counts_as_there(files: LocalFiles) -> None:
    """What lies in a batch whose task died stays that batch's, for when its task is cleared."""
    (notification,) = some(1)
    DrainingBatch(files, "died", "ndjson").put(notification, None)
    other = DrainingBatch(files, "other", "ndjson")
    assert other.put(notification, None) is False
    assert other.finish() == 0
    assert DrainingBatch(files, "died", "ndjson").finish() == 1


def test_files_of_two_tries_that_finished_at_the_same_time_are_read_as_one(files: LocalFiles) -> None:
    """Both wrote what they both held; each notification is read once, in queue order."""
    lines = [to_json(Entry(notification, BATCH)) for notification in some(4)]
    for part in (lines[:3], lines[1:]):
        write_part(files, folder_of(BATCH), "ndjson", lambda part=part: part)  # type: ignore[misc]
    assert len(part_names(files, folder_of(BATCH))) == 2
    assert keys_of(files) == [n.key for n in some(4)]


def test_vanished_object_is_an_error_that_a_retry_gets_over(files: LocalFiles, tmp_path: Path) -> None:
    """An object that somebody else removed is named, loudly, once; the rest of the batch is kept."""
    first, second = some(2)
    batch = DrainingBatch(files, BATCH, "ndjson")
    batch.put(first, None)
    batch.put(second, None)
    files.remove([f"draining/{first.key}.json"])
    with pytest.raises(NotificationStoreError, match=first.key):
        batch.finish()
    assert DrainingBatch(files, BATCH, "ndjson").finish() == 1
    assert keys_of(files) == [second.key]


@pytest.mark.parametrize("seed", range(12))
def test_batches_at_random_hold_every_notification_once(files: LocalFiles, seed: int) -> None:
    """Consumers that put, finish, freeze, wake and die in any order lose and double nothing."""
    chance = random.Random(seed)
    given = some(30)
    ids = ["one", "two"]
    living: list[DrainingBatch] = []
    undeleted = given.copy()

    def start() -> None:
        living.append(DrainingBatch(files, chance.choice(ids), "ndjson"))

    def put() -> None:
        if living and undeleted:
            notification = chance.choice(undeleted)
            for batch in chance.sample(living, k=chance.randint(1, len(living))):  # all were handed it
                batch.put(notification, None)
            undeleted.remove(notification)

    def finish() -> None:
        if living:
            living.pop(chance.randrange(len(living))).finish()

    def die_finishing() -> None:
        if living:
            batch = living.pop(chance.randrange(len(living)))
            dying = DyingFiles(files, chance.randrange(40), chance.random() < 0.5)
            batch._files = batch._own_files._files = batch._own_files._log._files = dying
            try:
                batch.finish()
            except Died:
                return

    actions: list[Callable[[], None]] = [start, put, put, put, finish, die_finishing]
    while undeleted:
        chance.choice(actions)()
    for batch_id in ids:
        DrainingBatch(files, batch_id, "ndjson").finish()
    for batch in living:  # frozen ones that wake last
        batch.finish()
    counts = Counter(key for batch_id in ids for key in keys_of(files, batch_id))
    assert counts == {n.key: 1 for n in given}
    stream = FileStream(files, nullcontext)
    assert Counter(entry.notification.key for _, entry in stream.read(0, 100)) == counts


def test_object_tells_what_it_is(files: LocalFiles) -> None:
    """Someone who looks into the folder finds the notification and its batch as JSON."""
    (notification,) = some(1)
    DrainingBatch(files, BATCH, "ndjson").put(notification, None)
    ((_, content),) = files.read([f"draining/{notification.key}.json"])
    assert content is not None
    assert json.loads(content) == notification.as_dict() | {"batch_id": BATCH, "sequence": 1}
