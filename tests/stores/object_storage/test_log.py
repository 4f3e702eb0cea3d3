"""Consumers of a store of files, whatever dies or stands still while batches are closed and adopted."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage import log
from airflow_green_notify.stores.object_storage.batch import DrainingBatch
from airflow_green_notify.stores.object_storage.batch_file import FORMATS, part_names, read_parts, write_part
from airflow_green_notify.stores.object_storage.batch_file import to_json as line_of
from airflow_green_notify.stores.object_storage.log import Log
from airflow_green_notify.stores.object_storage.stream import FileStream
from tests.stores.conftest import some
from tests.stores.dying_files import Died, DyingFiles
from tests.stores.freezing_files import FreezingFiles

QUEUE = "gateway/1101000001"
LONG = bool(os.environ.get("LONG_CRASH_TESTS"))
EFFECTS = pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
FORMS = pytest.mark.parametrize("file_format", FORMATS)


def run(number: int) -> str:
    return f"dag/run-{number}/drain/-1"


def numbers(entries: Any) -> list[int]:
    return [entry.notification.body["timestamp"] - 1_700_000_000 for _, entry in entries]


class Readers:
    """Consumers that began at different times and read on at different paces."""

    def __init__(self, files: LocalFiles) -> None:
        self.files = files
        self.seen: list[list[int]] = []
        self._positions: list[int] = []

    def read_on(self) -> None:
        """Let all read what is new, in pages of two, and let another one begin."""
        self.seen.append([])
        self._positions.append(0)
        for reader, position in enumerate(self._positions):
            stream = self._stream(self.files)
            while page := stream.read(position, 2):
                self.seen[reader] += numbers(page)
                position = page[-1][0]
            self._positions[reader] = position

    def check(self, given: int) -> None:
        """Each has seen each once, in queue order."""
        self.read_on()
        for seen in self.seen:
            assert seen == list(range(given))

    @staticmethod
    def _stream(files: Any) -> FileStream:
        return FileStream(files, nullcontext)


@pytest.fixture
def new_files(tmp_path: Path) -> Callable[[], LocalFiles]:
    numbers = itertools.count()

    def make() -> LocalFiles:
        files = LocalFiles(str(tmp_path / str(next(numbers))))
        files.prepare()
        return files

    return make


def fill(batch: DrainingBatch, queue: list[Notification], count: int | None = None) -> None:
    """Put and delete as a drain does."""
    for _ in range(len(queue) if count is None else count):
        batch.put(queue[0], None)
        queue.pop(0)


def adopt_all(batch: DrainingBatch) -> None:
    for record in batch.not_handed_on():
        batch.adopt(record)


def last_run(files: LocalFiles, queue: list[Notification], file_format: str = "ndjson") -> None:
    """Adopt what is left, drain the rest, and close."""
    batch = DrainingBatch(files, run(9), file_format, QUEUE)
    adopt_all(batch)
    fill(batch, queue)
    batch.finish()


def deaths() -> Iterator[int]:
    """Count on; in the short form only some of the points at which a process may die."""
    return itertools.count(0, 1 if LONG else 3)


@FORMS
@EFFECTS
def test_closing_that_dies_at_any_operation_is_logged_once_by_its_retry(
    new_files: Callable[[], LocalFiles], file_format: str, after_effect: bool
) -> None:
    """Consumers that read at any time see each notification once, in queue order."""
    for death in itertools.count():
        files, queue = new_files(), some(4)
        readers = Readers(files)
        try:
            batch = DrainingBatch(DyingFiles(files, death, after_effect), run(1), file_format, QUEUE)
            fill(batch, queue, 3)
            batch.finish()
        except Died:
            readers.read_on()
            retry = DrainingBatch(files, run(1), file_format, QUEUE)
            fill(retry, queue)
            retry.finish()
            readers.check(4)
        else:
            break
    assert death > 25


def test_closing_that_failed_at_any_operation_is_repeated(new_files: Callable[[], LocalFiles]) -> None:
    """By the same try, as when a bucket answered with an error: everything is written and logged once."""

    def fail() -> None:
        raise OSError(errno.EIO, "once")

    for operations in itertools.count():
        files, queue = new_files(), some(4)
        readers = Readers(files)
        failing = FreezingFiles(files, 10_000, fail)
        batch = DrainingBatch(failing, run(1), "ndjson", QUEUE)
        fill(batch, queue, 3)
        failing.left = operations
        try:
            batch.finish()
        except OSError:
            readers.read_on()
            assert batch.finish() == 3
            assert not files.names("draining")
            assert numbers(FileStream(files, nullcontext).read(0, 10)) == [0, 1, 2]
            last_run(files, queue)
            readers.check(4)
        else:
            break
    assert operations > 15


@FORMS
@EFFECTS
def test_retry_that_dies_too_is_logged_once(
    new_files: Callable[[], LocalFiles], file_format: str, after_effect: bool
) -> None:
    """A second death at any operation changes nothing."""
    for first in range(12, 45, 1 if LONG else 4):
        for second in range(0, 60, 1 if LONG else 7):
            files, queue = new_files(), some(3)
            readers = Readers(files)
            for death in (first, second):
                try:
                    dying = DyingFiles(files, death, after_effect)
                    batch = DrainingBatch(dying, run(1), file_format, QUEUE)
                    fill(batch, queue)
                    batch.put(some(3)[-1], None)
                    batch.finish()
                except Died:
                    readers.read_on()
            last = DrainingBatch(files, run(1), file_format, QUEUE)
            fill(last, queue)
            last.put(some(3)[-1], None)
            last.finish()
            readers.check(3)


@FORMS
@EFFECTS
@pytest.mark.parametrize("closing", ["returned", "dies"])
@pytest.mark.slow
def test_adopter_that_dies_at_any_operation_gives_nothing_twice(
    new_files: Callable[[], LocalFiles], file_format: str, after_effect: bool, closing: str
) -> None:
    """What consumers read before it was adopted they don't see again, and the rest they see once."""
    ends = itertools.count(14, 1 if LONG else 5) if closing == "dies" else iter([10_000])
    for end in ends:
        for death in deaths():
            files, queue = new_files(), some(6)
            readers = Readers(files)
            try:
                first = DrainingBatch(DyingFiles(files, end, after_effect), run(1), file_format, QUEUE)
                fill(first, queue, 2)
                first.finish()
                first_died = False
            except Died:
                first_died = True
            readers.read_on()
            fill(DrainingBatch(files, run(2), file_format, QUEUE), queue, 2)
            try:
                adopter = DrainingBatch(DyingFiles(files, death, after_effect), run(3), file_format, QUEUE)
                adopt_all(adopter)
                fill(adopter, queue, 1)
                adopter.finish()
                died = False
            except Died:
                died = True
                readers.read_on()
            last_run(files, queue, file_format)
            readers.check(6)
            if not died:
                break
        assert death > 30
        if not first_died:
            break


def freeze_at_each(
    new_files: Callable[[], LocalFiles],
    prepare: Callable[[LocalFiles, list[Notification]], None],
    frozen: Callable[[Any, list[Notification]], None],
    meanwhile: Callable[[LocalFiles, list[Notification]], None],
    given: int,
) -> int:
    """Let something stand still at each of its operations while something else happens, and check readers."""
    for operations in itertools.count():
        files, queue = new_files(), some(given)
        readers = Readers(files)
        prepare(files, queue)
        readers.read_on()

        def goes_on(files: LocalFiles = files, queue: Any = queue, readers: Readers = readers) -> None:
            meanwhile(files, queue)
            readers.read_on()

        freezing = FreezingFiles(files, operations, goes_on)
        with suppress(FileNotFoundError):  # what it was about to adopt is gone: its task fails
            frozen(freezing, queue)
        if not freezing.froze:
            return operations
        readers.read_on()
        last_run(files, queue)
        readers.check(given)
    return 0


def close_own(files: Any, queue: list[Notification]) -> None:
    """Close the first run's batch, of which the objects are there."""
    DrainingBatch(files, run(1), "ndjson", QUEUE).finish()


def put_three(files: LocalFiles, queue: list[Notification]) -> None:
    fill(DrainingBatch(files, run(1), "ndjson", QUEUE), queue, 3)


def close_three(files: LocalFiles, queue: list[Notification]) -> None:
    put_three(files, queue)
    close_own(files, queue)


def retry(files: LocalFiles, queue: list[Notification]) -> None:
    batch = DrainingBatch(files, run(1), "ndjson", QUEUE)
    fill(batch, queue, 1)
    batch.finish()


def adopt_and_close(files: Any, queue: list[Notification], number: int = 2) -> None:
    batch = DrainingBatch(files, run(number), "ndjson", QUEUE)
    adopt_all(batch)
    batch.finish()


def drain_and_adopt(files: LocalFiles, queue: list[Notification]) -> None:
    batch = DrainingBatch(files, run(4), "ndjson", QUEUE)
    adopt_all(batch)
    fill(batch, queue, 1)
    batch.finish()


@pytest.mark.parametrize("meanwhile", [retry, adopt_and_close, drain_and_adopt])
def test_closing_that_stands_still_is_logged_once(
    new_files: Callable[[], LocalFiles], meanwhile: Callable[[LocalFiles, list[Notification]], None]
) -> None:
    """Its retry, or a run that adopts its batch, goes on meanwhile; then it wakes and ends."""
    assert freeze_at_each(new_files, put_three, close_own, meanwhile, given=5) > 20


@pytest.mark.parametrize("meanwhile", [retry, drain_and_adopt])
def test_adopter_that_stands_still_is_logged_once(
    new_files: Callable[[], LocalFiles], meanwhile: Callable[[LocalFiles, list[Notification]], None]
) -> None:
    """The task of the batch that it adopted comes back, or another run adopts that one and the adopter's."""
    assert freeze_at_each(new_files, close_three, adopt_and_close, meanwhile, given=5) > 20


def adopted_on(files: LocalFiles, queue: list[Notification]) -> None:
    adopt_and_close(files, queue, 3)


def taken_back(files: LocalFiles, queue: list[Notification]) -> None:
    adopt_and_close(files, queue, 1)


@pytest.mark.parametrize("meanwhile", [adopted_on, taken_back])
@pytest.mark.parametrize("before", [[close_three], [close_three, adopt_and_close]])
def test_reader_that_stands_still_passes_nothing_by(
    new_files: Callable[[], LocalFiles],
    before: list[Callable[[LocalFiles, list[Notification]], None]],
    meanwhile: Callable[[LocalFiles, list[Notification]], None],
) -> None:
    """While it looks for lines, they move on, or back to where it has looked already."""
    for operations in itertools.count():
        files, queue = new_files(), some(5)
        for happens in before:
            happens(files, queue)
        freezing = FreezingFiles(files, operations, lambda files=files: meanwhile(files, []))  # type: ignore[misc]
        assert numbers(FileStream(freezing, nullcontext).read(0, 10)) == [0, 1, 2]
        if not freezing.froze:
            break
    assert operations > 5


@FORMS
def test_batches_that_one_adopts_stand_in_queue_order(
    new_files: Callable[[], LocalFiles], file_format: str
) -> None:
    """Whatever their names are, and whether they were closed or not."""
    files, queue = new_files(), some(11)
    for number in range(5):
        batch = DrainingBatch(files, run(number), file_format, QUEUE)
        fill(batch, queue, 2)
        if number < 3:
            batch.finish()
    last_run(files, queue, file_format)
    entries = read_parts(files, part_names(files, folder_of(run(9))))
    assert numbers(enumerate(entries)) == list(range(11))


@EFFECTS
def test_batch_that_two_others_adopted_is_logged_once(
    new_files: Callable[[], LocalFiles], after_effect: bool
) -> None:
    """The first adopter died in its closing, and the second one too, and comes back."""
    for death in itertools.count():
        files, queue = new_files(), some(4)
        readers = Readers(files)
        put_three(files, queue)
        try:
            adopt_and_close(DyingFiles(files, death, after_effect), queue)
        except Died:
            readers.read_on()
            second = DrainingBatch(files, run(3), "ndjson", QUEUE)
            for record in second.not_handed_on():
                if record.batch_id == run(1):
                    second.adopt(record)
            DrainingBatch(files, run(3), "ndjson", QUEUE).finish()
            readers.read_on()
            last_run(files, queue)
            readers.check(4)
        else:
            break
    assert death > 20


def test_closings_at_the_same_time_share_the_log(new_files: Callable[[], LocalFiles]) -> None:
    """A batch of another queue is closed at each operation of one, and each row gets one position."""

    def close_another(files: LocalFiles, queue: list[Notification]) -> None:
        batch = DrainingBatch(files, "another/run/drain/-1", "ndjson", "another queue")
        for number in range(3):
            batch.put(Notification(1, {"timestamp": 1_700_000_100 + number}))
        batch.finish()

    for operations in itertools.count():
        files, queue = new_files(), some(3)
        put_three(files, queue)
        freezing = FreezingFiles(files, operations, lambda files=files: close_another(files, []))  # type: ignore[misc]
        close_own(freezing, queue)
        if not freezing.froze:
            break
        entries = FileStream(files, nullcontext).read(0, 100)
        assert [position for position, _ in entries] == list(range(1, 7))
        assert sorted(numbers(entries)) == [0, 1, 2, 100, 101, 102]


def test_log_goes_on_over_folders(
    new_files: Callable[[], LocalFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end, a page and a moment are found however many entries and folders there are."""
    monkeypatch.setattr(log, "_PER_FOLDER", 4)
    files, chance = new_files(), random.Random(4)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    received = sorted(start + timedelta(minutes=chance.randrange(600)) for _ in range(90))
    given = [Notification(1, {"timestamp": 1_700_000_000 + n}, at) for n, at in enumerate(received)]
    queue = given.copy()
    followed, position = FileStream(files, nullcontext), 0
    for number in itertools.count():
        batch = DrainingBatch(files, f"d/{number}/t/-1", "ndjson", QUEUE)
        fill(batch, queue, min(len(queue), chance.choice([0, 1, 2, 7])))
        batch.finish()
        page = followed.read(position, 3)
        assert numbers(page) == list(range(position, position + len(page)))
        position += len(page)
        stream = FileStream(files, nullcontext)
        assert stream.end() == followed.end() == len(given) - len(queue)
        if not queue:
            break
    assert len(files.names("log")) > 5
    for after, limit in itertools.product(range(0, 95, 3), (1, 5, 200)):
        page = stream.read(after, limit)
        assert numbers(page) == list(range(after, min(90, after + limit)))
    for minutes in range(-10, 620, 7):
        moment = start + timedelta(minutes=minutes)
        assert stream.before(moment) == sum(at < moment for at in received)


@FORMS
@pytest.mark.parametrize("begins", ["stream", "closing"])
def test_what_was_closed_before_there_was_a_log_is_logged_first(
    new_files: Callable[[], LocalFiles], file_format: str, begins: str
) -> None:
    """Whoever comes first logs it, in the order in which it was received, wherever an earlier one died."""
    for death in itertools.count():
        files, queue = new_files(), some(7)
        for number in (3, 1, 2):
            batch = DrainingBatch(files, run(number), file_format, QUEUE)
            fill(batch, queue, 2)
            batch.finish()
        for folder in files.names("log"):
            files.remove(f"log/{folder}/{name}" for name in _files_in(files, f"log/{folder}"))
        files.remove(["log/complete"])
        try:
            FileStream(DyingFiles(files, death, True), nullcontext)
        except Died:
            if begins == "closing":
                last_run(files, queue)
            readers = Readers(files)
            readers.read_on()
            if begins == "stream":
                last_run(files, queue)
            readers.check(7)
        else:
            break
    assert death > 10


def _files_in(files: LocalFiles, folder: str) -> list[str]:
    return [] if folder.endswith("complete") else files.names(folder)


@FORMS
def test_file_written_anew_without_a_line_keeps_the_positions_of_the_others(
    new_files: Callable[[], LocalFiles], file_format: str
) -> None:
    """What was erased has no position any more; all else is where it was, under another name."""
    files = new_files()
    batch = DrainingBatch(files, run(1), file_format, QUEUE)
    fill(batch, some(5))
    batch.finish()
    folder = folder_of(run(1))
    (old,) = part_names(files, folder)
    kept = [entry for entry in read_parts(files, [old]) if entry.notification.key != some(5)[2].key]
    write_part(files, folder, file_format, lambda: map(line_of, kept))
    files.remove([old])
    stream = FileStream(files, nullcontext)
    assert [position for position, _ in stream.read(0, 10)] == [1, 2, 4, 5]
    assert numbers(stream.read(0, 3)) == [0, 1, 3]
    assert stream.end() == 5


def test_batch_that_somebody_removed_is_passed_over(new_files: Callable[[], LocalFiles]) -> None:
    """A lifecycle rule on ``batches/`` takes rows away, not the stream."""
    files, queue = new_files(), some(4)
    for number in (1, 2):
        batch = DrainingBatch(files, run(number), "ndjson", QUEUE)
        fill(batch, queue, 2)
        batch.finish()
    files.remove(part_names(files, folder_of(run(1))))
    assert numbers(FileStream(files, nullcontext).read(0, 1)) == [2]


def test_rows_of_open_batches_are_offered_until_they_have_positions(file_store: ObjectStorageStore) -> None:
    """Each is in the one or in the other."""
    first, second = some(2)
    with file_store.open("d/r/t/-1") as batch:
        batch.put(first)
    stream = file_store.stream()
    with file_store.open("d/s/t/-1") as batch:
        batch.put(second)
        assert [entry.notification for entry in stream.open_entries()] == [second]
        assert numbers(stream.read(0, 10)) == [0]
    assert not list(stream.open_entries())
    assert numbers(stream.read(0, 10)) == [0, 1]


def test_closing_a_batch_adds_one_file_to_the_log(new_files: Callable[[], LocalFiles]) -> None:
    """However many others there are, nothing of them is read: the end of the log, and no more."""
    files = new_files()
    for number in range(30):
        batch = DrainingBatch(files, run(number), "ndjson", QUEUE)
        fill(batch, some(2, start=2 * number))
        batch.finish()
    (folder,) = {*files.names("log")} - {"complete"}
    assert len(files.names(f"log/{folder}")) == 30
    read: list[str] = []

    class Noting(LocalFiles):
        def read(self, names: Any) -> Iterator[tuple[str, bytes | None]]:
            names = [*names]
            read.extend(names)
            return super().read(names)

    batch = DrainingBatch(Noting(files._root), run(30), "ndjson", QUEUE)
    fill(batch, some(2, start=60))
    batch.finish()
    assert sum(name.startswith("log/") for name in read) == 1
    assert Log(files).last().end == 62


def test_entry_of_the_log_tells_where_its_lines_are(new_files: Callable[[], LocalFiles]) -> None:
    """Someone who looks into the folder finds keys and files as JSON."""
    files = new_files()
    batch = DrainingBatch(files, run(1), "ndjson", QUEUE)
    fill(batch, some(2))
    batch.finish()
    name = Log(files).last().name
    assert name == "log/000000001-000000000001/000000001-000000000001.json"
    ((_, content),) = files.read([name])
    assert json.loads(content or b"") == {
        "parts": [f"{folder_of(run(1))}/batch.ndjson"],
        "latest": json.loads(content or b"")["latest"],
        "keys": [each.key for each in some(2)],
    }
