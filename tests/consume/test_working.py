"""Working through a store: order within a chat, chats side by side, failures that hold up one chat alone."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_green_notify.consume import leases, working
from airflow_green_notify.consume.chat_context import ChatContext
from airflow_green_notify.consume.handlers import handlers_of
from airflow_green_notify.consume.report import WorkReport
from airflow_green_notify.consume.terms import Terms
from airflow_green_notify.consume.working import Working
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.batch import read_batch
from airflow_green_notify.stores.erasing import Wanted
from airflow_green_notify.stores.sql.work import SqlWork
from tests.stores.sql.test_work import anything, message
from tests.stores.test_stream import put

Run = Callable[..., WorkReport]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of life is a twentieth here."""
    monkeypatch.setattr(leases, "SPAN", 1.0)
    monkeypatch.setattr(leases, "MARGIN", 0.2)
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.25)
    monkeypatch.setattr(leases, "AGAIN_AFTER", 0.05)
    monkeypatch.setattr(working, "ASK_EVERY", 0.05)
    monkeypatch.setattr(working, "pause_after", lambda attempts: 0.05)


@pytest.fixture
def run(sql_store: Any) -> Run:
    """Work through the store as consumer ``bot``, with dead letters in the same table if asked for."""

    def run(
        handler: Any,
        *,
        timeout: float | None = None,
        dead_letters: bool = False,
        store: Any = None,
        sink: Any = None,
        **terms: Any,
    ) -> WorkReport:
        store = store or sql_store
        with closing(store.work("bot", anything, leases.SPAN)) as work:
            work.begin("beginning")
            handlers = handlers_of(handler, timeout)
            if not dead_letters:
                one = Working(work, handlers, Terms(**terms), sink)
                one.run()
                return one.report
            with store.open("dead/letters/task/-1") as opened:
                one = Working(work, handlers, Terms(**terms, task="dag/task"), opened)
                one.run()
                one.report.batch = opened.close()  # type: ignore[attr-defined]
                return one.report

    return run


def number_of(notification: Notification) -> int:
    number: int = notification.body["number"]
    return number


class Watch:
    """Notes what handlers do, and how many are at work at once; the first ones wait until that are five."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.at_work: set[str] = set()
        self.most = 0
        self.full = threading.Event()

    def begin(self, notification: Notification) -> None:
        assert str(notification.chat_id) not in self.at_work
        self.at_work.add(str(notification.chat_id))
        self.most = max(self.most, len(self.at_work))
        self.begun.append(number_of(notification))
        if self.most == 5:
            self.full.set()

    def end(self, notification: Notification) -> None:
        self.ended.append(number_of(notification))
        self.at_work.remove(str(notification.chat_id))

    def plain(self, notification: Notification) -> None:
        self.begin(notification)
        assert self.full.wait(60)
        self.end(notification)

    async def on_loop(self, notification: Notification) -> None:
        self.begin(notification)
        assert await asyncio.to_thread(self.full.wait, 60)
        self.end(notification)


@pytest.mark.parametrize("kind", ["plain", "on_loop"])
def test_chats_go_side_by_side_and_each_in_its_order(sql_store: Any, run: Run, kind: str) -> None:
    """As many handlers as are allowed at once, each notification once, none of a chat beside another."""
    put(sql_store, *(message(number, f"{number % 7}@c.us") for number in range(42)))
    watch = Watch()
    report = run(getattr(watch, kind), max_parallel=5)
    assert sorted(watch.ended) == list(range(42))
    for chat in range(7):
        assert [number for number in watch.ended if number % 7 == chat] == list(range(chat, 42, 7))
    assert watch.most == 5
    assert (report.handled, report.chats, report.lag, report.stopped_by) == (42, 7, 0, "nothing_left")


@pytest.mark.parametrize("kind", ["plain", "on_loop"])
def test_slow_chat_holds_up_itself_alone(sql_store: Any, run: Run, kind: str) -> None:
    """With two at once, the other chats are through before the slow one is."""
    put(sql_store, *(message(number, f"{min(number, 1)}@c.us") for number in range(20)))
    done = []
    others_done = threading.Event()

    def plain(notification: Notification) -> None:
        if number_of(notification) == 0:
            assert others_done.wait(30)
        done.append(number_of(notification))
        if len(done) == 19:
            others_done.set()

    async def on_loop(notification: Notification) -> None:
        if number_of(notification) == 0:
            await asyncio.to_thread(others_done.wait, 30)
        plain(notification)

    run(plain if kind == "plain" else on_loop, max_parallel=2)
    assert done == [*range(1, 20), 0]


def test_failing_chat_pauses_without_a_place_of_its_own(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one place, others are handled between its attempts, and what it has next waits for it."""
    monkeypatch.setattr(working, "pause_after", lambda attempts: 1.5)
    put(sql_store, message(0), message(1), *(message(number, "2@c.us") for number in range(2, 8)))
    calls = []

    def handler(notification: Notification) -> None:
        calls.append(number_of(notification))
        time.sleep(0.02)
        if calls.count(0) < 3 and number_of(notification) == 0:
            raise ValueError("not yet")

    report = run(handler, max_parallel=1)
    assert calls[:2] == [0, 2]
    assert [number for number in calls if number < 2] == [0, 0, 0, 1]
    assert [number for number in calls if number > 1] == [2, 3, 4, 5, 6, 7]
    assert report.handled == 8


def test_pause_that_ends_while_the_process_stands_still_is_waited_for(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing was to be claimed, and much later it isn't worth waiting any more, it is asked again."""
    monkeypatch.setattr(working, "pause_after", lambda attempts: 1.2)
    claim, stood_still = SqlWork.claim, []

    def claim_and_stand_still(work: SqlWork, busy: Any) -> Any:
        claimed = claim(work, busy)
        if claimed is None and calls == [0] and not stood_still:
            stood_still.append(True)
            time.sleep(1.5)
        return claimed

    monkeypatch.setattr(SqlWork, "claim", claim_and_stand_still)
    put(sql_store, message(0))
    calls: list[int] = []

    def handler(notification: Notification) -> None:
        calls.append(number_of(notification))
        if len(calls) == 1:
            raise ValueError("not yet")

    assert run(handler).handled == 1
    assert stood_still


def test_what_keeps_failing_is_set_aside_and_its_chat_goes_on(sql_store: Any, run: Run) -> None:
    """The dead letter tells of the errors, and a later run handles neither it nor the notification."""
    put(sql_store, *map(message, range(3)))
    attempts = []

    def handler(notification: Notification, context: ChatContext) -> None:
        attempts.append((number_of(notification), context.attempt))
        if number_of(notification) == 1:
            raise ValueError(f"attempt {context.attempt}")

    report = run(handler, dead_letters=True, max_attempts=2)
    assert attempts == [(0, 1), (1, 1), (1, 2), (2, 1)]
    assert (report.handled, report.dead_letters) == (2, 1)
    [(letter, note)] = read_batch(report.batch).with_notes()  # type: ignore[attr-defined]
    assert letter.key == message(1).key
    assert (note["attempts"], note["error_text"], note["first_error_text"]) == (2, "attempt 2", "attempt 1")
    assert note["task"] == "dag/task"
    assert run(handler, dead_letters=True).handled == 0
    assert len(attempts) == 4


def test_chat_without_dead_letters_stops_at_what_fails(sql_store: Any, run: Run) -> None:
    """Others go on, the report names it, and the next run begins there with attempts counted anew."""
    put(sql_store, message(0), message(1, "2@c.us"), message(2), message(3, "2@c.us"))
    calls = []

    def handler(notification: Notification, context: ChatContext) -> None:
        calls.append((number_of(notification), context.attempt))
        if number_of(notification) == 0 and len(calls) < 7:
            raise ValueError("broken")

    report = run(handler, max_attempts=3)
    assert [call for call in calls if call[0] in (0, 2)] == [(0, 1), (0, 2), (0, 3)]
    assert [each.notification.key for each in report.stopped] == [message(0).key]
    assert message(0).key in report.complaint()
    assert "ValueError" in report.complaint()
    assert (report.handled, report.lag) == (2, 4)
    report = run(handler, max_attempts=3)
    assert calls[5:] == [(0, 1), (0, 2), (2, 1)]
    assert (report.handled, report.stopped, report.complaint()) == (2, [], "")


def test_broken_handler_stops_the_task_after_so_many_chats(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every chat would stop there is no use in calling it for all."""
    monkeypatch.setattr(working, "MAX_STOPPED", 3)
    put(sql_store, *(message(number, f"{number}@c.us") for number in range(10)))
    calls = []

    def handler(notification: Notification) -> None:
        calls.append(number_of(notification))
        raise ValueError("broken")

    report = run(handler, max_attempts=1, max_parallel=1)
    assert (calls, report.stopped_by, len(report.stopped)) == ([0, 1, 2], "failures", 3)


def test_handler_ends_its_attempts_itself(sql_store: Any, run: Run) -> None:
    """``AirflowFailException``: trying again is in vain. ``AirflowSkipException``: it is handled."""
    put(sql_store, *map(message, range(2)))

    def handler(notification: Notification) -> None:
        raise (AirflowSkipException if number_of(notification) else AirflowFailException)("so it is")

    report = run(handler, dead_letters=True)
    assert (report.handled, report.dead_letters) == (1, 1)


def test_attempts_count_over_processes_that_died(sql_store: Any, run: Run) -> None:
    """What takes its process down again and again is set aside without another call."""
    put(sql_store, message(0))
    with closing(sql_store.work("bot", anything, leases.SPAN)) as work:
        work.begin("beginning")
        work.take_in(100)
        for _ in range(2):
            work.give_back(work.claim([]), 0, 0)  # that of a worker that lived
        work.give_back(work.claim([]), 0.0, 2)
    report = run(lambda notification: pytest.fail("called"), dead_letters=True, max_attempts=2)
    assert (report.handled, report.dead_letters) == (0, 1)
    [(_, note)] = read_batch(report.batch).with_notes()  # type: ignore[attr-defined]
    assert (note["reason"], note["attempts"]) == ("process_died", 2)


def test_chat_of_a_dead_worker_is_waited_for(sql_store: Any, run: Run) -> None:
    """A retry that begins at once handles what its predecessor had under way, too."""
    put(sql_store, *map(message, range(2)))
    with closing(sql_store.work("bot", anything, leases.SPAN)) as dead:
        dead.begin("beginning")
        dead.take_in(100)
        assert dead.claim([])
    handled = []
    report = run(lambda notification: handled.append(number_of(notification)))
    assert (handled, report.handled) == ([0, 1], 2)


@pytest.mark.slow
def test_lease_is_renewed_while_a_handler_is_at_work(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, nobody else gets its chat."""
    monkeypatch.setattr(leases, "SPAN", 3.0)
    put(sql_store, message(0))
    taken = []

    def handler(notification: Notification) -> None:
        with closing(sql_store.work("bot", anything, leases.SPAN)) as other:
            for _ in range(20):
                time.sleep(0.2)
                taken.append(other.claim([]))

    assert run(handler).taken_over == 0
    assert taken == [None] * 20


def test_worker_that_stood_still_leaves_the_chat_to_its_successor(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The note of its handler doesn't count, it claims nothing of that chat meanwhile, and says so."""
    put(sql_store, *map(message, range(3)))
    monkeypatch.setattr(leases, "RENEW_EVERY", 60.0)  # it stands still
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        handled.append(f"{number_of(notification)}")
        if handled == ["0"]:
            time.sleep(1.2)
            run(lambda notification: handled.append(f"{number_of(notification)} by the other"))

    report = run(handler)
    assert handled == ["0", "0 by the other", "1 by the other", "2 by the other"]
    assert (report.handled, report.taken_over) == (0, 1)
    assert "handles it again" in caplog.text


def test_worker_that_stood_still_gives_up_nothing(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed for good there may be handled by another worker now: it is no dead letter."""
    put(sql_store, message(0))
    monkeypatch.setattr(leases, "RENEW_EVERY", 60.0)  # it stands still
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        time.sleep(1.2)
        run(lambda notification: handled.append("by the other"))
        raise AirflowFailException("so it is")

    report = run(handler, dead_letters=True)
    assert handled == ["by the other"]
    assert (report.dead_letters, report.taken_over, report.stopped) == (0, 1, [])


def test_claim_that_was_long_ago_calls_no_handler(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stood still between claim and call asks anew, and the attempt doesn't count."""
    put(sql_store, message(0))
    attempts = []
    read = SqlWork.read
    stood_still: list[bool] = []

    def slow_read(self: Any, claim: Any) -> Any:
        if not stood_still:
            stood_still.append(True)
            time.sleep(1.0)
        return read(self, claim)

    monkeypatch.setattr(SqlWork, "read", slow_read)
    run(lambda notification, context: attempts.append(context.attempt))
    assert (attempts, stood_still) == ([1], [True])


def test_async_handler_is_cancelled_when_its_time_is_over(sql_store: Any, run: Run) -> None:
    """The attempt has failed, other chats went on meanwhile, and the next attempt may do better."""
    put(sql_store, message(0), message(1, "2@c.us"))
    ended = []

    async def handler(notification: Notification, context: ChatContext) -> None:
        if number_of(notification) == 0 and context.attempt == 1:
            await asyncio.sleep(60)
        ended.append((number_of(notification), context.attempt))

    report = run(handler, timeout=0.3)
    assert ended == [(1, 1), (0, 2)]
    assert report.handled == 2


@pytest.mark.slow
def test_plain_handler_that_outlasts_its_time_counts_when_it_returns(
    sql_store: Any, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It can't be ended, and what it did is done; the log tells of it meanwhile."""
    put(sql_store, message(0))

    def handler(notification: Notification) -> None:
        while "can't be ended" not in caplog.text:
            time.sleep(0.02)

    report = run(handler, timeout=0.1, linger=6.0)
    assert (report.handled, report.complaint()) == (1, "")


def test_plain_handler_that_hangs_fails_the_task_and_its_attempt_counts(sql_store: Any, run: Run) -> None:
    """Others are handled; nobody gets the chat until the lease has run out, as it does with the process."""
    put(sql_store, message(0), message(1), message(2, "2@c.us"))
    forever = threading.Event()
    handled = []

    def handler(notification: Notification, context: ChatContext) -> None:
        if number_of(notification) == 0 and context.attempt == 1:
            forever.wait(60)
        else:
            handled.append((number_of(notification), context.attempt))

    report = run(handler, timeout=0.1)
    assert handled == [(2, 1)]
    assert message(0).key in report.complaint()
    report = run(handler, timeout=0.1)
    forever.set()
    assert handled == [(2, 1), (0, 2), (1, 1)]


def test_handlers_that_all_hang_end_the_task(sql_store: Any, run: Run) -> None:
    """With no place left there is nothing that could be done, however much is waiting."""
    put(sql_store, *(message(number, f"{number}@c.us") for number in range(9)))
    forever = threading.Event()
    report = run(lambda notification: forever.wait(60), timeout=0.1, max_parallel=2, linger=60.0)
    forever.set()
    assert len(report.hanging) == 2


def test_async_handler_that_blocks_the_loop_is_one_that_hangs(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can cancel it; the task ends all the same."""
    monkeypatch.setattr("airflow_green_notify.consume.handlers._GRACE", 0.1)
    put(sql_store, message(0))
    forever = threading.Event()

    async def handler(notification: Notification) -> None:
        forever.wait(60)

    report = run(handler, timeout=0.1)
    forever.set()
    assert len(report.hanging) == 1


@pytest.mark.slow
def test_max_seconds_begins_nothing_later_and_lets_end_what_began(sql_store: Any, run: Run) -> None:
    """What is left is left for the next run, and is the lag."""
    put(sql_store, *map(message, range(5)))
    ended = []

    def handler(notification: Notification) -> None:
        time.sleep(4.2)
        ended.append(number_of(notification))

    report = run(handler, max_seconds=4.0)
    assert (ended, report.handled, report.lag, report.stopped_by) == ([0], 1, 4, "max_seconds")


@pytest.mark.slow
def test_lingering_worker_handles_what_comes_meanwhile(sql_store: Any, run: Run) -> None:
    """An empty store is no end then, until the time is over."""
    handled = []

    def handler(notification: Notification) -> None:
        handled.append(number_of(notification))
        if len(handled) < 3:
            put(sql_store, message(len(handled), f"{len(handled)}@c.us"), batch_id=f"batch {len(handled)}")

    writer = threading.Timer(0.4, put, (sql_store, message(0)))
    with closing(sql_store.stream()):
        writer.start()
    started = time.monotonic()
    report = run(handler, linger=5.0)
    writer.join()
    assert (handled, report.handled) == ([0, 1, 2], 3)
    assert time.monotonic() - started >= 5.0


def test_history_is_there_for_plain_and_async_handlers(sql_store: Any, run: Run) -> None:
    """The last messages of the chat, oldest first, the one that is handled among them."""
    put(sql_store, *(message(number, f"{number % 2}@c.us") for number in range(6)))
    shown = {}

    def plain(notification: Notification, context: ChatContext) -> None:
        shown[number_of(notification)] = [number_of(each) for each in context.history(2)]

    async def on_loop(notification: Notification, context: ChatContext) -> None:
        shown[number_of(notification)] = [number_of(each) for each in await context.ahistory(2)]

    for handler, store in ((plain, sql_store), (on_loop, sql_store)):
        run(handler, store=store)
        put(sql_store, message(6), batch_id="later")
    assert shown == {0: [0], 1: [1], 2: [0, 2], 3: [1, 3], 4: [2, 4], 5: [3, 5], 6: [5, 6]}


def test_database_that_is_away_for_a_moment_costs_no_handler_its_work(
    sql_store: Any, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The note is tried again; the handler is not called again."""
    put(sql_store, *map(message, range(2)))
    finish = SqlWork.finish
    failures = iter([True, True])

    def flaky(self: Any, claim: Any) -> bool:
        if next(failures, False):
            raise NotificationStoreError("The database is away.")
        return bool(finish(self, claim))

    monkeypatch.setattr(SqlWork, "finish", flaky)
    handled = []
    with caplog.at_level(logging.WARNING):
        report = run(lambda notification: handled.append(number_of(notification)))
    assert (handled, report.handled) == ([0, 1], 2)
    assert caplog.text.count("The database is away.") == 2


def test_what_is_erased_while_its_handler_fails_is_no_dead_letter(run: Run, sql_store: Any) -> None:
    """The chat goes on behind it, also where dead letters lie in a store that knows of no erasing."""
    put(sql_store, message(0, "12025550101@c.us"), message(1, "12025550101@c.us"))
    handled: list[int] = []

    def handler(notification: Notification) -> None:
        if number_of(notification) == 0:
            with closing(sql_store.eraser()) as eraser:
                eraser.erase(Wanted(lambda entry: number_of(entry.notification) == 0), lambda _: None)
            raise AirflowFailException
        handled.append(number_of(notification))

    with SqlStore("store", table=f"{sql_store.table}_dead").open("dead/letters/task/-1") as others:
        report = run(handler, sink=others)
        assert others.close()["count"] == 0
    assert (handled, report.dead_letters, report.stopped) == ([1], 0, [])
