"""Work on a table, chat by chat: claims, what is next, and what nobody may forget."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.consume import read_new
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.dead_letter import dead_letter
from airflow_green_notify.stores.stream import Consumer
from tests.stores.test_stream import put

SPAN = 20.0


def message(number: int, chat: str | None = "1@c.us", instance: int = 1, **fields: Any) -> Notification:
    body = {
        "typeWebhook": "incomingMessageReceived",
        "number": number,
        "instanceData": {"idInstance": instance},
    }
    return Notification(1, body | ({"senderData": {"chatId": chat}} if chat else {}) | fields)


def anything(notification: Notification) -> bool:
    return True


@contextmanager
def working(
    store: Any,
    is_meant: Callable[[Notification], bool] = anything,
    span: float = SPAN,
    start: Any = "beginning",
) -> Iterator[Any]:
    with closing(store.work("bot", is_meant, span)) as work:
        work.begin(start)
        yield work


def handle_all(work: Any) -> list[int]:
    """The numbers of all that is there, in the order in which it is handed out."""
    numbers = []
    while work.take_in(3):
        pass
    while claim := work.claim([]):
        numbers.append(work.read(claim).body["number"])
        assert work.finish(claim)
    return numbers


def test_oldest_waiting_is_handed_out_first_and_each_once(sql_store: Any) -> None:
    """Whatever chats they belong to; afterwards nothing is left, and there is no lag."""
    put(sql_store, *(message(number, f"{number % 3}@c.us") for number in range(20)))
    with working(sql_store) as work:
        assert handle_all(work) == list(range(20))
        assert not work.is_left([])
        assert work.lag() == 0
        put(sql_store, message(20, "1@c.us"), batch_id="later")
        assert work.lag() == 1
        assert handle_all(work) == [20]


def test_chat_that_is_claimed_is_nobody_elses(sql_store: Any) -> None:
    """The next claim gets the next chat, and none if all are taken or to be left alone."""
    put(sql_store, *(message(number, f"{number % 3}@c.us") for number in range(9)))
    with working(sql_store) as one, working(sql_store) as other:
        one.take_in(100)
        first, second = one.claim([]), other.claim([])
        third = one.claim([first.chat])
        assert [claim.position for claim in (first, second, third)] == [1, 2, 3]
        assert other.claim([]) is None
        assert other.is_left([first.chat, second.chat])
        assert not other.is_left([first.chat, second.chat, third.chat])
        assert one.finish(first)
        assert other.claim([first.chat]) is None
        assert other.claim([]).position == 4


def test_lease_runs_out_unless_it_is_renewed_and_its_former_owner_changes_nothing(sql_store: Any) -> None:
    """Whoever stood still finds the chat in other hands: neither its end nor its return counts."""
    put(sql_store, message(0), message(1), message(2, "2@c.us"))
    with working(sql_store, span=1.5) as frozen, working(sql_store) as other:
        frozen.take_in(100)
        lost, kept = frozen.claim([]), frozen.claim([])
        for _ in range(4):
            time.sleep(0.5)
            frozen.renew({kept.owner: kept.chat})
        taken = other.claim([])
        assert (taken.position, taken.attempt) == (1, 2)
        assert other.claim([]) is None
        frozen.renew({lost.owner: lost.chat})
        frozen.give_back(lost, 0, 0)
        assert not frozen.finish(lost)
        assert frozen.finish(kept)
        assert other.claim([]) is None
        assert other.finish(taken)
        assert other.claim([]).position == 2


def test_chat_that_is_given_back_pauses_with_its_attempts(sql_store: Any) -> None:
    """It is nobody's until the pause is over; attempts count on, or anew where they are forgotten."""
    put(sql_store, message(0))
    with working(sql_store) as work:
        work.take_in(100)
        work.give_back(work.claim([]), 1.5, 1)
        assert work.claim([]) is None
        assert work.is_left([])
        time.sleep(1.6)
        claim = work.claim([])
        assert claim.attempt == 2
        work.forget_attempts(claim)
        work.give_back(claim, 0, 0)
        assert work.claim([]).attempt == 1


def test_row_taken_in_while_the_last_one_was_handled_is_next(sql_store: Any) -> None:
    """A claim that knows of nothing behind its row looks again."""
    put(sql_store, message(0))
    with working(sql_store) as work:
        work.take_in(100)
        claim = work.claim([])
        put(sql_store, message(1), batch_id="later")
        work.take_in(100)
        assert work.finish(claim)
        assert handle_all(work) == [1]


def test_filter_chooses_what_is_next(sql_store: Any) -> None:
    """Rows between that aren't meant are passed by, also many of them, at the intake and behind a row."""
    put(sql_store, *(message(number) for number in range(60)))
    with working(sql_store, lambda notification: notification.body["number"] % 25 == 7) as work:
        assert handle_all(work) == [7, 32, 57]
        assert work.lag() == 0


def test_notifications_without_a_chat_are_one_queue_per_instance(sql_store: Any) -> None:
    """Those of one instance follow each other; those of another don't wait for them."""
    put(sql_store, *(message(number, None, number % 2) for number in range(6)), message(6))
    with working(sql_store) as work:
        work.take_in(100)
        claims = [work.claim([]) for _ in range(4)]
        assert [claim and claim.position for claim in claims] == [1, 2, 7, None]
        assert work.finish(claims[1])
        assert work.claim([]).position == 4
        assert work.history(claims[0], 5) == []


def test_row_that_was_erased_is_passed_by(sql_store: Any) -> None:
    """What is next may be gone, what is behind it too, and what was the last."""
    put(sql_store, *(message(number) for number in range(5)))
    with working(sql_store) as work:
        work.take_in(100)
        rows = work._stream.rows
        work._database.execute(rows.delete().where(rows.c.position.in_([1, 2, 5])))
        claim = work.claim([])
        assert (claim.position, work.read(claim)) == (1, None)
        assert work.finish(claim)
        assert handle_all(work) == [2, 3]
        assert not work.is_left([])


def test_dead_letter_in_the_same_table_is_handled_by_nobody(sql_store: Any) -> None:
    """It would fail again, for ever; nor is it a message of the chat's history."""
    put(sql_store, message(0))
    with sql_store.open("dead") as opened:
        opened.put(*dead_letter(message(0), {"attempts": 3}))
    put(sql_store, message(1), batch_id="later")
    with working(sql_store) as work:
        assert handle_all(work) == [0, 1]


def test_history_is_the_last_messages_of_the_chat_oldest_first(sql_store: Any) -> None:
    """Up to the one that is handled; no status, no other chat, no dead letter among them."""
    put(
        sql_store,
        *(message(number, "1@c.us" if number % 2 else "2@c.us") for number in range(9)),
        message(9, typeWebhook="outgoingMessageStatus"),
        message(11),
    )
    with sql_store.open("dead") as opened:
        opened.put(*dead_letter(message(1), {"attempts": 3}))
    put(sql_store, message(13), message(15), batch_id="later")
    with working(sql_store, lambda notification: notification.body["number"] == 13) as work:
        work.take_in(100)
        claim = work.claim([])
        shown = {count: [each.body["number"] for each in work.history(claim, count)] for count in (1, 4, 50)}
    assert shown == {1: [13], 4: [5, 7, 11, 13], 50: [1, 3, 5, 7, 11, 13]}


@pytest.mark.parametrize(("start", "first"), [("beginning", 0), ("now", 10), ("moment", 4)])
def test_new_consumer_starts_where_it_is_told_and_a_known_one_goes_on(
    sql_store: Any, start: Any, first: int
) -> None:
    """Where it started is kept from then on."""
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    received = [begin + timedelta(days=day) for day in range(10)]
    notifications = [
        Notification(1, message(day).body, received_at=moment) for day, moment in enumerate(received)
    ]
    put(sql_store, *notifications)
    with working(sql_store, start=received[4] if start == "moment" else start):
        pass
    put(sql_store, message(10), batch_id="later")
    with working(sql_store, start="beginning") as work:
        assert handle_all(work) == list(range(first, 11))


def test_consumer_that_reads_in_pages_is_refused(sql_store: Any) -> None:
    """Its position would be moved from two sides."""
    with closing(sql_store.stream()) as stream:
        stream.save(Consumer("bot", 5))
    refused = pytest.raises(GreenApiConfigError, match="consumer 'bot' reads this store in pages")
    with refused, working(sql_store):
        pass


def test_consumer_that_works_chat_by_chat_reads_no_pages(sql_store: Any) -> None:
    """The pages would be passed by in its chats."""
    put(sql_store, message(0))
    with working(sql_store) as work:
        refused = pytest.raises(
            GreenApiConfigError, match="consumer 'bot' works through this store chat by chat"
        )
        with refused, read_new(sql_store, "bot"):
            pass
        assert handle_all(work) == [0]


def test_consumer_that_was_removed_begins_anew(sql_store: Any) -> None:
    """Nothing of its chats is left; who works for it meanwhile is told."""
    put(sql_store, message(0), message(1))
    with working(sql_store) as work, closing(sql_store.stream()) as stream:
        work.take_in(100)
        claim = work.claim([])
        assert stream.forget("bot")
        assert not work.finish(claim)
        with pytest.raises(NotificationStoreError, match="consumer 'bot' was removed"):
            work.take_in(100)
    with working(sql_store) as work:
        assert handle_all(work) == [0, 1]


def test_two_consumers_share_nothing(sql_store: Any) -> None:
    """Neither what is done nor the attempts."""
    put(sql_store, message(0))
    with working(sql_store) as work, closing(sql_store.work("other", anything, SPAN)) as other:
        other.begin("beginning")
        assert handle_all(work) == [0]
        other.take_in(100)
        assert other.claim([]).attempt == 1


@pytest.mark.slow
def test_many_workers_forget_nothing_and_keep_each_chat_in_order(sql_store: Any) -> None:
    """While writers write: each notification once, within a chat one at a time and in order."""
    writers, workers, each_writes, chats = 2, 4, 60, 5
    done: list[tuple[str, int]] = []
    under_way: set[str] = set()
    failures: list[BaseException] = []

    def write(instance: int) -> None:
        with sql_store.open(f"d/{instance}/t/-1") as opened:
            for number in range(each_writes):
                opened.put(message(number, f"{random.randrange(chats)}@c.us", instance))
                time.sleep(random.random() * 0.01)

    def work_on(_: int) -> None:
        with working(sql_store) as work:
            while len(done) < writers * each_writes:
                claim = work.claim([])
                if claim is None:
                    work.take_in(random.randint(1, 20))
                    continue
                assert claim.chat not in under_way
                under_way.add(claim.chat)
                time.sleep(random.random() * 0.005)
                done.append((claim.chat, claim.position))
                under_way.remove(claim.chat)
                assert work.finish(claim)

    def noting(job: Callable[[int], None], argument: int) -> None:
        try:
            job(argument)
        except BaseException as error:
            failures.append(error)
            raise

    with working(sql_store):  # the tables are there
        jobs = [(write, each) for each in range(writers)] + [(work_on, each) for each in range(workers)]
    threads = [threading.Thread(target=noting, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert sorted(position for _, position in done) == list(range(1, writers * each_writes + 1))
    for chat in {chat for chat, _ in done}:
        positions = [position for each, position in done if each == chat]
        assert positions == sorted(positions)
