"""Dead letters that a worker replays beside its rows, under the leases on their chats."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.consume import leases, replaying, working
from airflow_green_notify.consume.chat_context import ChatContext
from airflow_green_notify.consume.dead_letters import read_dead_letters, replay_dead_letters
from airflow_green_notify.drain import lease
from airflow_green_notify.drain.lease import ReaderLease
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiProcessStoredOperator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from airflow_green_notify.stores.sql.intake import Intake
from tests.operators.test_replaying import OwnStore, TaskInstance
from tests.stores.sql.test_work import anything, message
from tests.stores.test_stream import put


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of life is a fraction here."""
    monkeypatch.setattr(leases, "SPAN", 3.0)
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.5)
    monkeypatch.setattr(leases, "MARGIN", 0.2)
    monkeypatch.setattr(lease, "SPAN", 4.0)
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.5)
    monkeypatch.setattr(working, "ASK_EVERY", 0.05)
    monkeypatch.setattr(working, "pause_after", lambda attempts: 0.05)
    monkeypatch.setattr(replaying, "ASK_EVERY", 0.05)


def number_of(notification: Notification) -> int:
    number: int = notification.body["number"]
    return number


class Work:
    """Runs of one task as consumer ``bot``, whose handler fails on some numbers."""

    def __init__(self, store: SqlStore, dead_letter: Any) -> None:
        self.store = store
        self.dead_letter = dead_letter
        self.poison: set[int] = set()
        self.calls: list[int] = []
        self.times: list[float] = []
        self.at_work: set[str] = set()
        self.seconds = 0.0
        self._runs = 0

    def handle(self, notification: Notification) -> None:
        chat = str(notification.chat_id)
        assert chat not in self.at_work
        self.at_work.add(chat)
        self.times.append(time.monotonic())
        self.calls.append(number_of(notification))
        time.sleep(self.seconds)
        self.at_work.remove(chat)
        if number_of(notification) in self.poison:
            raise LookupError(f"no number {number_of(notification)}")

    def run(self, handler: Callable[..., None] | None = None, **arguments: Any) -> dict[str, Any]:
        self._runs += 1
        context: Any = TaskInstance(f"run-{self._runs}")
        options = {"consumer": "bot", "max_attempts": 2, "dead_letter": self.dead_letter} | arguments
        operator = GreenApiProcessStoredOperator(
            task_id="process", store=self.store, handler=handler or self.handle, **options
        )
        result: dict[str, Any] = operator.execute({"ti": context})
        return result

    def give_up(self, *messages: Notification) -> None:
        """Let some become dead letters with which nothing is wrong any more, and mark them."""
        put(self.store, *messages, batch_id=f"batch-{self._runs}")
        self.poison = set(map(number_of, messages))
        assert self.run(max_attempts=1)["dead_letters"] == len(messages)
        self.poison = set()
        self.calls.clear()
        self.times.clear()
        replay_dead_letters(self.dead_letter, everything=True)

    def dead(self) -> dict[int, Any]:
        """The note of each dead letter."""
        letters = [*read_dead_letters(self.dead_letter)]
        notes = {number_of(each.notification): each.note for each in letters}
        assert len(notes) == len(letters)
        return notes


@pytest.fixture(params=["same table", "other table", "files"])
def work(request: pytest.FixtureRequest, sql_store: Any, tmp_path: Path) -> Work:
    """Dead letters lie wherever they may."""
    places = {
        "same table": sql_store,
        "other table": SqlStore(sql_store.conn_id, table=f"{sql_store.table}_dead"),
        "files": ObjectStorageStore(tmp_path / "dead"),
    }
    return Work(sql_store, places[request.param])


@pytest.fixture
def plain_work(sql_store: Any) -> Work:
    """Dead letters lie in the same table."""
    return Work(sql_store, sql_store)


def test_marked_are_handled_in_order_within_a_chat_beside_its_rows(work: Work) -> None:
    """Each once, no chat twice at a time, with or without a row of the chat; they are dead no more."""
    work.give_up(*(message(number, f"{number % 3}@c.us") for number in range(9)), message(9, None))
    put(work.store, *(message(number, f"{number % 4}@c.us") for number in range(10, 22)), batch_id="later")
    work.seconds = 0.01
    result = work.run()
    assert (result["replayed"], result["handled"], result["dead_letters"]) == (10, 12, 0)
    assert Counter(work.calls) == Counter(range(22))
    for chat in range(3):
        assert [number for number in work.calls if number < 9 and number % 3 == chat] == [
            chat,
            chat + 3,
            chat + 6,
        ]
    assert work.dead() == {}
    assert work.run()["replayed"] == 0
    assert len(work.calls) == 22


def test_chat_that_the_consumer_never_saw_is_claimed_too(work: Work) -> None:
    """Nothing of it is noted for a consumer that starts later, and its first row is handled afterwards."""
    work.give_up(message(0), message(1))
    assert work.run(consumer="new", start="now")["replayed"] == 2
    put(work.store, message(2), batch_id="later")
    assert work.run(consumer="new")["handled"] == 1
    assert work.calls == [0, 1, 2]


def test_what_fails_again_is_a_dead_letter_with_its_history(work: Work) -> None:
    """Attempts add up and the first error stays; the next letter of the chat waits for it."""
    work.give_up(*map(message, range(3)))
    first = work.dead()[1]
    work.poison = {1}
    result = work.run(max_attempts=3)
    assert (result["replayed"], result["dead_letters"], result["handled"]) == (2, 1, 0)
    assert work.calls == [0, 1, 1, 1, 2]
    note = work.dead()[1]
    assert (note["attempts"], note["replays"], note["task"]) == (4, 1, "dag/process")
    assert note["first_failed_at"] == first["first_failed_at"] < note["failed_at"]
    assert [number_of(each) for each in read_batch(result["dead_letter_batch"])] == [1]
    assert work.run()["dead_letters"] == 0  # it is not marked any more
    work.poison = set()
    replay_dead_letters(work.dead_letter, everything=True)
    assert work.run()["replayed"] == 1
    assert work.dead() == {}


def test_letter_whose_message_is_not_in_the_store_stays_one_if_it_fails_again(work: Work) -> None:
    """It was purged there, perhaps, and the letters weren't; or another task's queue brought it."""
    work.give_up(message(0))
    with closing(work.store.stream()) as stream:
        rows = stream.rows
        stream.database.execute(rows.delete().where(rows.c.key == message(0).key))
    work.poison = {0}
    assert work.run()["dead_letters"] == 1
    assert work.dead()[0]["replays"] == 1


@pytest.mark.slow
def test_two_workers_share_the_chats_of_rows_and_letters(work: Work) -> None:
    """Within a chat one handler at a time, whoever calls it; each notification once."""
    work.give_up(*(message(number, f"{number % 4}@c.us") for number in range(24)))
    put(work.store, *(message(number, f"{number % 4}@c.us") for number in range(24, 64)), batch_id="later")
    work.seconds = 0.03
    results: list[dict[str, Any]] = []
    workers = [
        threading.Thread(target=lambda: results.append(work.run(max_parallel=3)), daemon=True)
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [sum(each[name] for each in results) for name in ("replayed", "handled", "dead_letters")] == [
        24,
        40,
        0,
    ]
    assert all(each["replayed"] + each["handled"] for each in results)
    assert Counter(work.calls) == Counter(range(64))
    assert work.dead() == {}


@pytest.mark.slow
def test_letter_waits_for_the_lease_that_another_worker_has_on_its_chat(plain_work: Work) -> None:
    """And is handled when that has given the chat back, without an attempt that counts meanwhile."""
    work = plain_work
    work.give_up(message(0), message(1, "2@c.us"))
    put(work.store, message(2), batch_id="later")
    with closing(work.store.work("bot", anything, 60.0)) as other:
        other.begin("beginning")
        while other.take_in(100):
            pass
        claim = other.claim([])
        assert work.run()["replayed"] == 1
        assert work.calls == [1]
        other.give_back(claim, 0.0, 0)
    attempts = []
    work.run(lambda notification, context: attempts.append((number_of(notification), context.attempt)))
    assert sorted(attempts) == [(0, 1), (2, 1)]


@pytest.mark.slow
def test_worker_that_lost_the_chat_notes_nothing_of_its_letter(
    plain_work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still while its handler was at work: it stays marked for whoever took the chat over."""
    work = plain_work
    work.give_up(message(0))
    (letter,) = read_dead_letters(work.dead_letter)
    monkeypatch.setattr(leases, "RENEW_EVERY", 60.0)
    with closing(work.store.work("bot", anything, 60.0)) as other:
        other.begin("beginning")
        claims: list[Any] = []

        def handler(notification: Notification) -> None:
            while not any(claims):
                claims.append(other.claim_for(letter))
                time.sleep(0.1)

        result = work.run(handler)
        assert (result["replayed"], result["taken_over"]) == (0, 1)
        assert list(work.dead()) == [0]
        other.give_back(claims[-1], 0.0)
    assert work.run()["replayed"] == 1


def test_rate_is_a_limit_of_calls_and_rows_do_not_wait_for_it(plain_work: Work) -> None:
    """Of all letters, those of several chats and repeated attempts included."""
    work = plain_work
    work.give_up(*(message(number, f"{number}@c.us") for number in range(4)))
    replay_dead_letters(work.dead_letter, everything=True, rate=5)
    put(work.store, *(message(number, f"{number}@c.us") for number in range(10, 20)), batch_id="later")
    work.poison = {3}
    result = work.run()
    assert (result["replayed"], result["dead_letters"], result["handled"]) == (3, 1, 10)
    times = [at for at, number in zip(work.times, work.calls, strict=True) if number < 10]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 5
    assert min(gaps) > 0.15


@pytest.mark.slow
def test_slow_rate_keeps_no_task_waiting(plain_work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there was no time for stays marked."""
    work = plain_work
    work.give_up(*map(message, range(3)))
    monkeypatch.setattr(replaying, "AT_LEAST", 0.1)
    replay_dead_letters(work.dead_letter, everything=True, rate=0.001)
    assert work.run()["replayed"] == 1
    replay_dead_letters(work.dead_letter, everything=True)
    assert work.run()["replayed"] == 2


@pytest.mark.slow
def test_replay_has_one_runner(plain_work: Work) -> None:
    """Another worker handles rows meanwhile, and takes the replay over when the lease has run out."""
    work = plain_work
    work.give_up(message(0))
    put(work.store, message(1), batch_id="later")
    other = work.dead_letter.open("dag/other/process/-1")
    held = ReaderLease(other.leases, "dead letters of dag/process", "dag/other/process/-1 (try 1)")
    assert held.take()
    with lease.renewed(held):
        result = work.run()
    assert (result["replayed"], result["handled"]) == (0, 1)
    other.release()
    assert work.run()["replayed"] == 1


def test_history_is_that_of_the_chat_up_to_the_letter(plain_work: Work) -> None:
    """What was written later isn't among it; where the message is gone, it is all up to now."""
    work = plain_work
    work.give_up(message(1))
    put(work.store, *map(message, range(2, 5)), batch_id="later")
    shown = {}

    def handler(notification: Notification, context: ChatContext) -> None:
        shown[number_of(notification)] = list(map(number_of, context.history(3)))

    assert work.run(handler)["replayed"] == 1
    assert shown[1] == [1]
    work.give_up(message(5))
    put(work.store, message(6), batch_id="latest")
    with closing(work.store.work("bot", anything, 60.0)) as other:
        rows = other._stream.rows
        other._database.execute(rows.delete().where(rows.c.key == message(5).key))
    assert work.run(handler)["replayed"] == 1
    assert shown[5] == [3, 4, 6]


def test_letter_that_was_finished_is_not_handled_again(plain_work: Work) -> None:
    """A run that ended between the note and the removal leaves just the removal."""
    work = plain_work
    work.give_up(message(0))
    (letter,) = read_dead_letters(work.dead_letter)
    with work.dead_letter.open("dag/dead/process/-1") as opened:
        opened.begin_attempt(letter.key)
        opened.finish(letter.key)
    assert work.run()["replayed"] == 0
    assert (work.calls, work.dead()) == ([], {})


def test_chats_that_are_new_to_the_intake_and_claimed_at_once_are_both_noted(
    plain_work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of either is lost when a chat's row is inserted from two sides."""
    work = plain_work
    work.give_up(message(0))
    (letter,) = read_dead_letters(work.dead_letter)
    with (
        closing(work.store.work("new", anything, 60.0)) as one,
        closing(work.store.work("new", anything, 60.0)) as two,
    ):
        one.begin("beginning")
        there = Intake._there
        claims: list[Any] = []

        def claim_once() -> None:
            if not claims:
                claims.append(two.claim_for(letter))

        def late(self: Any, lanes: Any, connection: Any) -> set[str]:
            found = there(self, lanes, connection)
            claim_once()
            return found

        monkeypatch.setattr(Intake, "_there", late)
        if one._database.dialect == "sqlite":  # which lets nobody else write in between
            claim_once()
        while one.take_in(100):
            pass
        assert one.claim([]) is None
        two.give_back(claims[0], 0.0)
        claim = one.claim([])
        assert number_of(one.read(claim)) == 0


def test_claim_for_a_letter_changes_nothing_of_what_is_next(plain_work: Work) -> None:
    """Neither the row that is next, nor its attempts; and nobody else has the chat meanwhile."""
    work = plain_work
    work.give_up(message(0))
    put(work.store, message(1), batch_id="later")
    (letter,) = read_dead_letters(work.dead_letter)
    with (
        closing(work.store.work("bot", anything, 60.0)) as one,
        closing(work.store.work("bot", anything, 60.0)) as two,
    ):
        one.begin("beginning")
        while one.take_in(100):
            pass
        one.give_back(one.claim([]), 0.0, 1)
        claim = one.claim_for(letter)
        assert claim is not None
        assert two.claim([]) is two.claim_for(letter) is None
        assert one.hold(claim)
        one.give_back(claim, 0.0)
        assert not one.hold(claim)
        following = two.claim([])
        assert following is not None
        assert (following.attempt, number_of(two.read(following))) == (2, 1)
        assert one.claim_for(letter) is None


def test_store_of_ones_own_has_no_replays(plain_work: Work) -> None:
    """It isn't asked for what it doesn't know."""
    work = plain_work
    work.give_up(message(0))
    put(work.store, message(1), batch_id="later")
    work.dead_letter = OwnStore(work.store)
    assert work.run()["handled"] == 1


def test_task_that_says_nothing_of_dead_letters_replays_none(plain_work: Work) -> None:
    """They belong to the one that names their store."""
    work = plain_work
    work.give_up(message(0))
    assert work.run(dead_letter=None)["replayed"] == 0
