"""Many notifications put at once: stored as if each was put alone, and told of each by itself."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, read_batch
from airflow_green_notify.stores.held import JOURNAL
from airflow_green_notify.stores.object_storage.batch import DrainingBatch
from tests.stores.conftest import some
from tests.stores.dying_files import Died, DyingFiles
from tests.stores.test_held import from_journal, message
from tests.stores.test_odd_bodies import BODIES, exactly, notifications


def test_group_is_stored_in_order_and_tells_new_from_already_there(store: Any) -> None:
    """In this batch, in another that is open, in one that is closed, and twice in the same group."""
    given = some(8)
    with store.open("closed") as closed:
        assert closed.put_all(given[:1]) == [True]
    with store.open("other") as other, store.open("this") as opened:
        assert other.put_all(given[1:2]) == [True]
        assert opened.put(given[2]) is True
        again = Notification(99, given[5].body)
        outcomes = opened.put_all([given[7], *given[:6], given[7], again, given[6]])
        assert outcomes == [True, False, False, False, True, True, True, False, False, True]
        assert opened.put_all(given) == [False] * 8
        assert opened.put_all([]) == []
    expected = [given[number] for number in (2, 7, 3, 4, 5, 6)]
    assert [(n.key, n.body) for n in read_batch(opened.close())] == [(n.key, n.body) for n in expected]


def test_thousand_in_one_call_are_stored_in_order(store: Any, store_kind: str) -> None:
    """However many go into one statement."""
    given = some(100 if store_kind.startswith("s3") else 1000)
    with store.open("batch") as opened:
        assert opened.put_all(given) == [True] * len(given)
    assert [n.key for n in read_batch(opened.close())] == [n.key for n in given]


def test_group_is_durable_when_it_is_told_of(store: Any) -> None:
    """A kill behind it loses nothing: the retry of the task has it all, and goes on behind it in order."""
    given = some(6)
    killed = store.open("batch")
    assert killed.put_all(given[:3]) == [True] * 3
    with store.open("batch") as retried:
        assert retried.put_all(given[2:]) == [False, True, True, True]
    assert [n.key for n in read_batch(retried.close())] == [n.key for n in given]
    killed.release()


def test_odd_bodies_of_a_group_come_back_exactly(store: Any) -> None:
    """Whatever JSON a body is: NUL, lone surrogates, numbers of any size, nested as deeply as it may be."""
    given = notifications(*BODIES)
    with store.open("batch") as opened:
        assert opened.put_all(given) == [True] * len(given)
    assert [exactly(each) for each in read_batch(opened.close())] == [exactly(each) for each in given]


def test_notification_whose_key_was_not_checked_fails_alone(store: Any) -> None:
    """The text says why, as that of put does."""
    first, second, third = some(3)
    odd = replace(second, key_is_checked=False)
    with store.open("batch") as opened:
        before, refused, behind = opened.put_all([first, odd, third])
        assert (before, behind) == (True, True)
        assert isinstance(refused, NotificationStoreError)
        assert "its key is not that of its body" in str(refused)
    assert len(read_batch(opened.close())) == 2


def test_messages_that_a_backfill_stored_are_already_there(store: Any) -> None:
    """A queue brings a message again that came from the journal, among others that did not."""
    with store.open("dag/run/backfill/-1", f"queue{JOURNAL}") as backfill:
        backfill.put(from_journal(message(1)), {"source": "journal"})
    with store.open("dag/run/drain/-1", "queue") as opened:
        assert opened.put_all([message(0), message(1), message(2)]) == [True, False, True]
    assert len(read_batch(opened.close())) == 2


def test_writers_with_overlapping_keys_store_each_once(store: Any, store_kind: str) -> None:
    """Four write at once, each in another order: no circle of waiting, no error, none twice."""
    if store_kind.startswith("s3"):
        pytest.skip("the S3 server of these tests doesn't write conditionally between its threads")
    given = some(60)
    outcomes: list[Any] = []
    start = threading.Barrier(4)
    batches = [store.open(f"batch-{number}") for number in range(4)]

    def write(number: int) -> None:
        mine = given[number * 10 :] + given[: number * 10]
        start.wait()
        for first in range(0, 60, 30):
            outcomes.extend(batches[number].put_all(mine[first : first + 30]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {True: 60, False: 180}
    stored = Counter(n.key for batch in batches for n in read_batch(batch.close()))
    assert stored == Counter(n.key for n in given)


def test_store_that_is_not_open_is_an_error(quick_store: Any) -> None:
    """There is no outcome to tell."""
    with pytest.raises(NotificationStoreError, match="not open"):
        quick_store.put_all(some(1))


# --- files ---


@pytest.mark.parametrize("operations", range(14))
@pytest.mark.parametrize("after_effect", [False, True])
def test_files_of_a_group_that_a_kill_cuts_short_are_each_there_or_not(
    operations: int, after_effect: bool, tmp_path: Any
) -> None:
    """The retry tells rightly of each, and the batch holds each once, in order."""
    given = some(5)
    files = LocalFiles(str(tmp_path))
    files.prepare()
    try:
        killed = DrainingBatch(DyingFiles(files, operations, after_effect), "batch", "ndjson")
        killed.put_all(given)
    except Died:
        pass
    retried = DrainingBatch(files, "batch", "ndjson")
    assert set(retried.put_all(given)) <= {True, False}
    assert retried.finish() == 5
    names = [path.read_text() for path in tmp_path.glob("batches/**/*.ndjson")]
    assert [line.count(n.key) for line, n in zip("".join(names).splitlines(), given, strict=True)] == [1] * 5


def test_file_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    """A folder stands in the place of one; the others are stored."""
    given = some(3)
    with ObjectStorageStore(tmp_path).open("batch") as opened:
        opened.put(some(1, start=9)[0])
        barred = tmp_path / "draining" / f"{given[1].key}.json"
        barred.mkdir()
        first, refused, last = opened.put_all(given)
        assert (first, last) == (True, True)
        assert isinstance(refused, NotificationStoreError)
        barred.rmdir()
    assert len(read_batch(opened.close())) == 3
