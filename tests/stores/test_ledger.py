"""The ledgers of every store: leases that one reader has at a time, batches that are handed on once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from typing import Any

import pytest

from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, read_batch
from airflow_green_notify.stores.ledger import BatchTaken
from airflow_green_notify.stores.object_storage.batch import DrainingBatch
from airflow_green_notify.stores.object_storage.leases import FileLeases
from tests.stores.conftest import some
from tests.stores.dying_files import Died, DyingFiles

QUEUE = "gateway/1101000001"


def run(number: int) -> str:
    return f"dag/run-{number}/drain/-1"


def opened(store: NotificationStore, number: int) -> NotificationStore:
    return store.open(run(number), QUEUE)


def adopt_all(batch: NotificationStore, state: str = "failed") -> int:
    """Do what a drain does at its start, with this answer of Airflow for closed batches."""
    count = 0
    for record in batch.not_handed_on():
        if record.state == "closed" and state == "success":
            batch.settle(record, "confirmed")
        else:
            count += batch.adopt(record) or 0
    return count


def keys(*batches: dict[str, Any]) -> Counter[str]:
    return Counter(notification.key for batch in batches for notification in read_batch(batch))


def once(notifications: list[Notification]) -> Counter[str]:
    return Counter({notification.key: 1 for notification in notifications})


# --- leases ---


def test_lease_is_taken_by_one_at_a_time(store: NotificationStore) -> None:
    """Held, renewed, released; the next one is told who had it."""
    with opened(store, 1) as one, opened(store, 2) as two:
        assert one.leases.take_leases([QUEUE], "one", 20)[QUEUE] == ("one", "")
        assert two.leases.take_leases([QUEUE], "two", 20)[QUEUE] == ("one", "one")
        assert two.leases.take_leases(["another queue"], "two", 20)["another queue"][0] == "two"
        assert one.leases.renew_leases([QUEUE], "one", 20)
        assert not two.leases.renew_leases([QUEUE], "two", 20)
        two.leases.release_leases([QUEUE], "two")
        assert two.leases.take_leases([QUEUE], "two", 20)[QUEUE][0] == "one"
        one.leases.release_leases([QUEUE], "one")
        assert two.leases.take_leases([QUEUE], "two", 20)[QUEUE] == ("two", "one")
        assert not one.leases.renew_leases([QUEUE], "one", 20)


def test_lease_that_ran_out_is_taken_and_its_old_holder_cannot_renew_it(store: NotificationStore) -> None:
    """Also when the one who took it has released it again, and was renewed many times in between."""
    with opened(store, 1) as one, opened(store, 2) as two:
        one.leases.take_leases([QUEUE], "one", 0.2)
        deadline = time.monotonic() + 10
        while two.leases.take_leases([QUEUE], "two", 20)[QUEUE][0] != "two":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for _ in range(5):
            assert two.leases.renew_leases([QUEUE], "two", 20)
        assert not one.leases.renew_leases([QUEUE], "one", 20)
        two.leases.release_leases([QUEUE], "two")
        assert not one.leases.renew_leases([QUEUE], "one", 20)


def test_leases_of_many_queues_are_each_had_by_themselves(store: NotificationStore) -> None:
    """Half of what a fleet asks for is another's: it has, renews and releases the rest alone."""
    queues = [f"gateway/{number}" for number in range(12)]
    evens, odds = queues[::2], queues[1::2]
    with opened(store, 1) as one, opened(store, 2) as two:
        assert two.leases.take_leases(odds, "two", 20) == dict.fromkeys(odds, ("two", ""))
        assert one.leases.take_leases(queues, "one", 20) == (
            dict.fromkeys(evens, ("one", "")) | dict.fromkeys(odds, ("two", "two"))
        )
        assert one.leases.renew_leases(queues, "one", 20) == {*evens}
        one.leases.release_leases(queues, "one")
        assert two.leases.renew_leases(queues, "two", 20) == {*odds}
        two.leases.release_leases(odds[:2], "two")
        assert one.leases.take_leases(queues, "one", 20) == (
            dict.fromkeys(evens, ("one", "one"))
            | dict.fromkeys(odds[:2], ("one", "two"))
            | dict.fromkeys(odds[2:], ("two", "two"))
        )
        assert one.leases.renew_leases(queues, "one", 20) == {*evens, *odds[:2]}


def test_no_leases_are_none(store: NotificationStore) -> None:
    """A fleet of which nothing is left asks for nothing."""
    with opened(store, 1) as one:
        assert one.leases.take_leases([], "one", 20) == {}
        assert one.leases.renew_leases([], "one", 20) == set()
        one.leases.release_leases([], "one")


def test_leases_of_many_queues_that_ran_out_are_taken_together(store: NotificationStore) -> None:
    """A fleet died: the next one has all of its queues, and what is asked for twice counts once."""
    queues = [f"gateway/{number}" for number in range(8)]
    with opened(store, 1) as one, opened(store, 2) as two:
        one.leases.take_leases(queues, "one", 0.2)
        deadline = time.monotonic() + 10
        while two.leases.take_leases(queues * 2, "two", 20) != dict.fromkeys(queues, ("two", "one")):
            assert time.monotonic() < deadline
            if two.leases.renew_leases(queues, "two", 20):
                two.leases.release_leases(queues, "two")
                one.leases.take_leases(queues, "one", 0.2)
            time.sleep(0.1)
        assert one.leases.renew_leases(queues, "one", 20) == set()


def test_lease_that_many_want_at_once_is_had_by_one(store: NotificationStore, store_kind: str) -> None:
    """Eight ask at the same moment, again and again."""
    if store_kind.startswith("s3"):
        pytest.skip("the S3 server of these tests doesn't write conditionally between its threads")
    readers = [opened(store, number) for number in range(8)]
    for round_number in range(10):
        start = threading.Barrier(8)
        holders: list[str] = []

        def ask(number: int, queue: str, start: threading.Barrier, holders: list[str]) -> None:
            start.wait()
            if (
                readers[number].leases.take_leases([queue], f"reader {number}", 20)[queue][0]
                == f"reader {number}"
            ):
                holders.append(f"reader {number}")

        threads = [
            threading.Thread(target=ask, args=(number, f"queue {round_number}", start, holders))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(holders) == 1
    for reader in readers:
        reader.release()


def test_lease_where_the_place_tells_no_times_is_taken_after_it_was_watched(tmp_path: Any) -> None:
    """Nobody's clock is trusted: it has to stay as it is for a whole span."""

    class Timeless(LocalFiles):
        def ages(self, names: Any) -> dict[str, float | None]:
            return dict.fromkeys(names)

    files = Timeless(str(tmp_path))
    files.prepare()
    one, two = (FileLeases(files, LocalFilesErrors) for _ in range(2))
    one.take_leases([QUEUE], "one", 0.4)
    began = time.monotonic()
    while two.take_leases([QUEUE], "two", 0.4)[QUEUE][0] != "two":
        time.sleep(0.05)
    assert time.monotonic() - began >= 0.4


class LocalFilesErrors:
    """Lets errors be."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_lease_taker_that_was_frozen_before_it_created_its_generation_is_too_late(tmp_path: Any) -> None:
    """Its number is gone long since, and free; the lease has gone on without it."""
    files = LocalFiles(str(tmp_path))
    files.prepare()
    leases = FileLeases(files, LocalFilesErrors)

    class Frozen(LocalFiles):
        def create_all(self, contents: Any) -> dict[str, bool | Exception]:
            for number in range(4):
                assert leases.take_leases([QUEUE], f"other {number}", 0.0)[QUEUE][0] == f"other {number}"
            assert leases.take_leases([QUEUE], "holder", 20)[QUEUE][0] == "holder"
            return super().create_all(contents)

    late = FileLeases(Frozen(str(tmp_path)), LocalFilesErrors)
    assert late.take_leases([QUEUE], "late", 20)[QUEUE][0] == "holder"
    assert leases.renew_leases([QUEUE], "holder", 20)


def test_lease_whose_renewal_had_its_effect_but_no_answer_is_still_its_owners(tmp_path: Any) -> None:
    """A request that is repeated finds the name taken by what it had written itself."""
    files = LocalFiles(str(tmp_path))
    files.prepare()

    class Repeating(LocalFiles):
        repeats = 1

        def create_all(self, contents: Any) -> dict[str, bool | Exception]:
            if self.repeats:
                self.repeats -= 1
                super().create_all(contents)
            return super().create_all(contents)

    FileLeases(files, LocalFilesErrors).take_leases([QUEUE], "one", 20)
    leases = FileLeases(Repeating(str(tmp_path)), LocalFilesErrors)
    assert leases.renew_leases([QUEUE], "one", 20) == {QUEUE}


# --- batches ---


def test_batches_of_other_queues_are_found_when_they_are_named(store: NotificationStore) -> None:
    """A fleet that an instance was added to looks for what that had as one of its own."""
    for number, queue in enumerate(("one", "two", "three")):
        with store.open(run(number), queue) as batch:
            batch.put(some(1, start=number)[0])
    with store.open(run(9), "one") as fleet:
        assert [record.queue for record in fleet.not_handed_on()] == ["one"]
        found = fleet.not_handed_on({"two", "one", "four"})
        assert sorted(record.queue for record in found) == ["one", "two"]
        assert sum(fleet.adopt(record) or 0 for record in found) == 2


def test_open_and_closed_batches_are_adopted_once(store: NotificationStore) -> None:
    """What a reader that is gone left open, and what a failed task had closed, is in the adopter's batch."""
    given = some(6)
    with opened(store, 1) as closed:
        for notification in given[:2]:
            closed.put(notification)
    left_open = opened(store, 2)
    for notification in given[2:4]:
        left_open.put(notification)
    with opened(store, 3) as adopter:
        assert adopt_all(adopter) == 4
        assert adopt_all(adopter) == 0
        for notification in given[4:]:
            adopter.put(notification)
    batch = adopter.close()
    assert (batch["count"], keys(batch)) == (6, once(given))
    with opened(store, 4) as following:
        assert [record.batch_id for record in following.not_handed_on()] == [run(3)]
        assert adopt_all(following, "success") == 0
        assert following.not_handed_on() == []
    left_open.release()


def test_confirmed_batch_is_never_offered_again(store: NotificationStore) -> None:
    """Neither to the next run nor to later ones, and its own notifications stay known."""
    (notification,) = some(1)
    with opened(store, 1) as first:
        first.put(notification)
    with opened(store, 2) as second:
        adopt_all(second, "success")
        assert not second.put(notification)
    for number in (3, 4):
        with opened(store, number) as later:
            assert run(1) not in [record.batch_id for record in later.not_handed_on()]
    assert keys(first.close()) == once([notification])


def test_adopter_that_died_is_adopted_with_what_it_took(store: NotificationStore) -> None:
    """A chain of runs that die one after the other ends in one batch."""
    given = some(4)
    dead = [opened(store, number) for number in range(4)]
    for notification, batch in zip(given, dead, strict=True):
        adopt_all(batch)
        batch.put(notification)
    with opened(store, 9) as last:
        assert adopt_all(last) == 4
    assert keys(last.close()) == once(given)
    for batch in dead:
        batch.release()


def test_adopter_is_continued_by_its_retry(store: NotificationStore) -> None:
    """What it adopted is its own, whichever try of it goes on."""
    given = some(3)
    dead = opened(store, 1)
    dead.put(given[0])
    first_try = opened(store, 2)
    adopt_all(first_try)
    first_try.put(given[1])
    with opened(store, 2) as retry:
        retry.put(given[2])
    assert keys(retry.close()) == once(given)
    for batch in (dead, first_try):
        batch.release()


def test_batch_that_its_own_task_takes_back_keeps_what_it_held(store: NotificationStore) -> None:
    """Its adopter died, and then the task was cleared: what it closed before is written anew, not removed."""
    given = some(3)
    with opened(store, 1) as first:
        for notification in given[:2]:
            first.put(notification)
    dead = opened(store, 2)
    adopt_all(dead)
    dead.release()
    with opened(store, 1) as cleared:
        adopt_all(cleared)
        cleared.put(given[2])
    assert keys(cleared.close()) == once(given)
    assert len(read_batch(cleared.close())) == 3


def test_batch_whose_adopter_died_is_not_handed_on_by_its_own_task_too(store: NotificationStore) -> None:
    """From the moment of the adoption it is the adopter's, or that of the batch that adopts this one."""
    given = some(2)
    with opened(store, 1) as first:
        first.put(given[0])
    dead = opened(store, 2)
    adopt_all(dead)
    dead.release()
    with opened(store, 1) as cleared:
        cleared.put(given[1])
    before = keys(cleared.close())
    with opened(store, 3) as following:
        adopt_all(following, "success")
    assert before == once(given[1:])
    assert keys(cleared.close(), following.close()) == once(given)


def test_batch_that_goes_back_and_forth_stays_with_the_last_that_took_it(store: NotificationStore) -> None:
    """Also when the one before runs again: it doesn't take the file once more that it took then."""
    given = some(2)
    with opened(store, 1) as first:
        first.put(given[0])
    with opened(store, 2) as second:
        adopt_all(second)
    with opened(store, 1) as cleared:
        adopt_all(cleared)
    assert keys(cleared.close()) == once(given[:1])
    with opened(store, 2) as again:
        again.put(given[1])
    assert keys(again.close()) == once(given[1:])
    assert keys(cleared.close()) == once(given[:1])


def test_frozen_try_that_wakes_after_its_batch_was_adopted_hands_nothing_on_twice(
    store: NotificationStore,
) -> None:
    """It may put one more, and close; each notification is in one batch all the same."""
    given = some(4)
    frozen = opened(store, 1)
    for notification in given[:2]:
        frozen.put(notification)
    with opened(store, 2) as adopter:
        adopt_all(adopter)
        adopter.put(given[2])
    with suppress(BatchTaken):
        frozen.put(given[3])
    woken = frozen.close()
    with opened(store, 3) as following:
        adopt_all(following, "success")
        for notification in given:
            following.put(notification)
    assert keys(woken, adopter.close(), following.close()) == once(given)


def test_old_description_of_an_adopted_batch_says_who_has_it(
    store: NotificationStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It reads as what is left, and names the batch that has the rest."""
    given = some(2)
    with opened(store, 1) as first:
        for notification in given:
            first.put(notification)
    old = first.close()
    with opened(store, 2) as second:
        adopt_all(second)
    assert keys(old) == Counter()
    assert f"2 notifications of batch {run(1)} were handed on by batch {run(2)}" in caplog.text
    assert len(read_batch(old)) == 0
    assert keys(second.close()) == once(given)


def test_batch_of_another_queue_or_task_is_not_offered(store: NotificationStore) -> None:
    """Each task hands on its own."""
    with opened(store, 1) as first:
        first.put(some(1)[0])
    for other in (store.open(run(2), "another queue"), store.open("dag/run-2/another/-1", QUEUE)):
        assert other.not_handed_on() == []
        other.release()


def test_batch_that_changed_since_it_was_seen_is_not_adopted(store: NotificationStore) -> None:
    """Its own task came back in between."""
    first = opened(store, 1)
    first.put(some(1)[0])
    with opened(store, 2) as second:
        (seen,) = second.not_handed_on()
        with opened(store, 1) as back:
            back.put(some(1, start=1)[0])
        assert second.adopt(seen) is None
    assert keys(back.close(), second.close()) == once(some(2))
    first.release()


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_adopter_that_dies_at_any_operation_leaves_each_in_one_batch(
    after_effect: bool, tmp_path: Any
) -> None:
    """Whichever file operation it dies before or after, the next run makes it whole."""
    given = some(5)
    deaths = 0
    while True:
        files = LocalFiles(str(tmp_path / str(deaths)))
        files.prepare()
        closed = DrainingBatch(files, run(1), "ndjson", QUEUE)
        for notification in given[:2]:
            closed.put(notification, None)
        closed.finish()
        left_open = DrainingBatch(files, run(2), "ndjson", QUEUE)
        for notification in given[2:4]:
            left_open.put(notification, None)
        try:
            adopter = DrainingBatch(DyingFiles(files, deaths, after_effect), run(3), "ndjson", QUEUE)
            for record in adopter.not_handed_on():
                adopter.adopt(record)
            adopter.put(given[4], None)
            adopter.finish()
        except Died:
            deaths += 1
        else:
            break
        last = DrainingBatch(files, run(4), "ndjson", QUEUE)
        for record in last.not_handed_on():
            last.adopt(record)
        last.put(given[4], None)
        assert last.finish() == 5, f"death at operation {deaths}"
    assert deaths > 10


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.slow
def test_random_tries_that_interleave_leave_each_in_one_batch(seed: int, quick_store: Any) -> None:
    """Tries begin, put, stand still, wake, end and are adopted in any order; a last run finds all the rest.

    A consumer that reads on in between sees each once.

    As in a drain, who puts holds the lease and deletes what it put; who woke without it deletes nothing.
    """
    chance = random.Random(seed)
    waiting = some(30)
    states: dict[int, str] = {}
    frozen: list[tuple[int, NotificationStore]] = []
    returned: dict[int, dict[str, Any]] = {}
    number = 0

    consumed, position = Counter[str](), 0

    def read_on() -> None:
        nonlocal position
        with closing(quick_store.stream()) as stream:
            while page := stream.read(position, 3):
                consumed.update(entry.notification.key for _, entry in page)
                position = page[-1][0]

    def settle(batch: NotificationStore) -> None:
        for record in batch.not_handed_on():
            state = states[int(record.batch_id.split("/")[1].removeprefix("run-"))]
            if record.state == "closed" and state == "success":
                batch.settle(record, "confirmed")
            elif record.state != "closed" or state == "failed":
                batch.adopt(record)

    while waiting or frozen:
        number += 1
        batch = opened(quick_store, number)
        states[number] = "running"
        settle(batch)
        for _ in range(min(len(waiting), chance.randrange(5))):
            batch.put(waiting[0])
            if chance.random() < 0.9:  # else it dies, or loses the lease, between the put and the delete
                waiting.pop(0)
        fate = chance.choice(("returns", "returns", "dies before it returns", "freezes"))
        if fate == "freezes" and waiting:
            frozen.append((number, batch))
            states[number] = "failed"
        else:
            description = batch.close()
            states[number] = "failed" if fate == "dies before it returns" else "success"
            if states[number] == "success":
                returned[number] = description
        if frozen and chance.random() < 0.5:
            _, woken = frozen.pop(0)
            if waiting:
                with suppress(BatchTaken):
                    woken.put(chance.choice(waiting))
            woken.close()
        read_on()
    for _ in range(2):
        number += 1
        with opened(quick_store, number) as last:
            settle(last)
        states[number] = "success"
        returned[number] = last.close()
    assert keys(*returned.values()) == once(some(30))
    read_on()
    assert consumed == once(some(30))
