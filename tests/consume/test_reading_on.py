"""Named consumers: each page at least once, none skipped, one reader at a time."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.consume import Page, read_new
from airflow_green_notify.drain import lease
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.dead_letter import dead_letter
from airflow_green_notify.stores.page import PageLost
from tests.stores.test_stream import notification, put


def numbers(page: Page) -> list[int]:
    return [each.body["number"] for each in page]


def read(store: Any, consumer: str = "billing", **options: Any) -> list[int]:
    with read_new(store, consumer, **options) as page:
        return numbers(page)


def record_of(store: Any, consumer: str = "billing") -> Any:
    with closing(store.stream()) as stream:
        return stream.consumer(consumer)


class Stopped(Exception):
    pass


def read_and_fail(store: Any, **options: Any) -> list[int]:
    with suppress(Stopped), read_new(store, "billing", **options) as page:
        found = numbers(page)
        raise Stopped
    return found


def test_consumer_reads_page_after_page_and_then_what_is_new(sql_store: Any) -> None:
    """Oldest first; a page tells where it stands and whether more lies behind it, and an empty one too."""
    put(sql_store, *map(notification, range(5)))
    with read_new(sql_store, "billing", page_size=3) as page:
        assert (numbers(page), len(page)) == ([0, 1, 2], 3)
        assert (page.after, page.until, page.has_more) == (0, 3, True)
    with read_new(sql_store, "billing", page_size=2) as page:
        assert (numbers(page), page.after, page.until, page.has_more) == ([3, 4], 3, 5, False)
    with read_new(sql_store, "billing") as page:
        assert (numbers(page), len(page), page.after, page.until, page.has_more) == ([], 0, 5, 5, False)
    put(sql_store, notification(5), batch_id="another")
    assert read(sql_store) == [5]


def test_each_consumer_has_a_pace_of_its_own(sql_store: Any) -> None:
    """What one has read is new to the other."""
    put(sql_store, *map(notification, range(4)))
    assert read(sql_store, "billing") == [0, 1, 2, 3]
    assert read(sql_store, "support", page_size=2) == [0, 1]
    assert (record_of(sql_store, "billing").position, record_of(sql_store, "support").position) == (4, 2)


def test_exception_in_the_block_commits_nothing(sql_store: Any) -> None:
    """The next reader gets the same page, whatever page size it asks for and whatever came meanwhile."""
    put(sql_store, *map(notification, range(5)))
    assert read_and_fail(sql_store, page_size=3) == [0, 1, 2]
    put(sql_store, notification(5), batch_id="another")
    assert read_and_fail(sql_store, page_size=100) == [0, 1, 2]
    with read_new(sql_store, "billing", page_size=1) as page:
        assert (numbers(page), page.after, page.until, page.has_more) == ([0, 1, 2], 0, 3, True)
    assert read(sql_store) == [3, 4, 5]


def test_spans_without_a_match_are_passed_in_one_call(sql_store: Any) -> None:
    """An empty page means that there is nothing new; where it stands is committed."""
    put(sql_store, *map(notification, range(10)))
    late = {"body": {"number": [7, 9]}}
    assert read(sql_store, matching=late, page_size=2) == [7]
    assert record_of(sql_store).position == 8
    assert read(sql_store, matching=NotificationFilter(body={"number": 100}), page_size=1) == []
    assert record_of(sql_store).position == 10


def test_filter_that_fails_keeps_the_notification(sql_store: Any) -> None:
    """An error is never a miss."""
    put(sql_store, *map(notification, range(3)))
    assert read(sql_store, matching=lambda it: 1 / it.body["number"] < 0.9) == [0, 2]


@pytest.mark.parametrize(
    ("start", "expected"),
    [("beginning", [0, 1, 2, 3]), ("now", [3]), (datetime(2026, 11, 2, tzinfo=UTC), [1, 2, 3])],
)
def test_start_counts_for_a_new_consumer_only(sql_store: Any, start: Any, expected: list[int]) -> None:
    """From then on its own position does."""
    first = datetime(2026, 11, 1, tzinfo=UTC)
    put(sql_store, *(notification(day, received_at=first + timedelta(days=day)) for day in range(3)))
    read_and_fail(sql_store, start=start)
    put(sql_store, notification(3, received_at=first + timedelta(days=3)), batch_id="another")
    found = read(sql_store, start="now") + read(sql_store, start="now")
    assert found == expected


def test_dead_letters_are_read_as_they_were_received(sql_store: Any) -> None:
    """Under the key that the queue's notification has."""
    received = notification(1)
    with sql_store.open("d/r/t/-1") as opened:
        opened.put(*dead_letter(received, {"error_type": "ValueError"}))
    with read_new(sql_store, "billing") as page:
        assert [each.key for each in page] == [received.key]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"consumer": ""}, "consumer is ''"),
        ({"consumer": " billing"}, "consumer is ' billing'"),
        ({"consumer": "bil\nling"}, "consumer is"),
        ({"consumer": None}, "consumer is None"),
        ({"start": "today"}, "start is 'today'; it must be 'beginning', 'now' or a time with a time zone"),
        ({"start": datetime(2026, 1, 1)}, "start is .*time zone"),
        ({"page_size": 0}, "page_size is 0"),
        ({"wait_for_reader": -1}, "wait_for_reader is -1"),
        ({"matching": 5}, "matching is 5"),
        ({"matching": {"txt": "x"}}, "matching: 'txt' is no part of a filter"),
        ({"store": "warehouse"}, "store is 'warehouse'"),
    ],
)
def test_wrong_argument_is_refused_before_the_store_is_opened(wrong: dict[str, Any], text: str) -> None:
    """The text names the argument, what it was, and what is allowed."""
    arguments = {"store": SqlStore("nowhere"), "consumer": "billing"} | wrong
    with pytest.raises(ValueError, match=f"^{text}"), read_new(**arguments):
        pass


def test_odd_names_are_consumers_of_their_own(sql_store: Any) -> None:
    """Long ones that differ at their ends, other scripts, and what SQL takes for something else."""
    put(sql_store, notification(0))
    names = ["x" * 300 + "a", "x" * 300 + "b", "Билли 🐘", "billing", "BILLING", "'; drop table x; --", "%s"]
    for name in names:
        assert read(sql_store, name) == [0]
        assert read(sql_store, name) == []
    with closing(sql_store.stream()) as stream:
        assert len(stream.consumers()) == len(names)


# --- two readers ---


def test_second_reader_waits_for_the_first(sql_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that live never work on one page; the second goes on with the next one."""
    monkeypatch.setattr("airflow_green_notify.consume.turn.ASK_EVERY", 0.05)
    put(sql_store, *map(notification, range(4)))
    at_work, events = threading.Event(), list[str]()

    def second() -> None:
        at_work.wait(30)
        with read_new(sql_store, "billing", page_size=2) as page:
            events.append(f"second reads {numbers(page)}")

    thread = threading.Thread(target=second)
    thread.start()
    with read_new(sql_store, "billing", page_size=2) as page:
        at_work.set()
        with (
            pytest.raises(NotificationStoreError, match=r"has a page open, on which process .* is at work"),
            read_new(sql_store, "billing", wait_for_reader=0),
        ):
            pass
        events.append(f"first reads {numbers(page)}")
    thread.join(30)
    assert events == ["first reads [0, 1]", "second reads [2, 3]"]


@pytest.fixture
def lost_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease of three seconds that nobody renews, as that of a process that stands still."""
    monkeypatch.setattr(lease, "SPAN", 3.0)
    monkeypatch.setattr(lease, "MARGIN", 0.0)
    monkeypatch.setattr(lease, "RENEW_EVERY", 1000.0)


@pytest.mark.usefixtures("lost_lease")
@pytest.mark.slow
def test_reader_that_stood_still_commits_nothing_of_a_page_that_another_has(sql_store: Any) -> None:
    """It is told so at its next notification, and at its commit; the other's work stays."""
    put(sql_store, *map(notification, range(4)))

    def stand_still() -> None:
        with read_new(sql_store, "billing", page_size=2) as page:
            assert read(sql_store) == [0, 1]
            with pytest.raises(NotificationStoreError, match="was lost, since this process stood still"):
                numbers(page)

    with pytest.raises(PageLost, match="1 to 2 of consumer 'billing' is not this reader's any more: process"):
        stand_still()
    record = record_of(sql_store)
    assert (record.position, record.page_end) == (2, 0)
    assert read(sql_store) == [2, 3]


@pytest.mark.usefixtures("lost_lease")
@pytest.mark.slow
def test_reader_that_stood_still_alone_commits_its_page(sql_store: Any) -> None:
    """Nobody else had the page, so it was worked on once."""
    put(sql_store, notification(0))
    with read_new(sql_store, "billing") as page:
        assert len(page) == 1
        opened = sql_store.open("consumer/billing")
        while opened.leases.take_leases(["consumer/billing"], "other", 1)["consumer/billing"][0] != "other":
            pass
        opened.release()
    assert record_of(sql_store).position == 1


def test_consumer_that_was_forgotten_meanwhile_is_told(sql_store: Any) -> None:
    """Its page is nobody's; it begins anew."""
    put(sql_store, notification(0))
    with (
        closing(sql_store.stream()) as stream,
        pytest.raises(PageLost, match="it was forgotten meanwhile"),
        read_new(sql_store, "billing"),
    ):
        stream.forget("billing")
    assert read(sql_store) == [0]


def test_page_of_a_task_is_left_to_its_run(sql_store: Any) -> None:
    """Plain Python can't ask whether that run has ended."""
    put(sql_store, notification(0))
    read_and_fail(sql_store)
    with closing(sql_store.stream()) as stream:
        stream.save(replace(stream.consumer("billing"), reader="task d/r/read/-1"))
    with (
        pytest.raises(NotificationStoreError, match="on which task d/r/read/-1 is at work"),
        read_new(sql_store, "billing", wait_for_reader=0),
    ):
        pass
    assert record_of(sql_store).reader == "task d/r/read/-1"


def test_rows_that_were_erased_leave_gaps_that_are_read_over(sql_store: Any) -> None:
    """A page that was open keeps its boundaries; what is gone is not in it."""
    kept = [notification(number) for number in range(6)]
    put(sql_store, *kept)
    assert read_and_fail(sql_store, page_size=4) == [0, 1, 2, 3]
    with closing(sql_store.stream()) as stream:
        rows = stream.rows
        gone = [each.key for each in (*kept[1:3], kept[4])]
        stream.database.execute(rows.delete().where(rows.c.key.in_(gone)))
    with read_new(sql_store, "billing") as page:
        assert (numbers(page), page.until) == ([0, 3], 4)
    assert read(sql_store) == [5]


def test_notification_is_what_a_page_holds(sql_store: Any) -> None:
    """Not the entry of a store."""
    put(sql_store, notification(0))
    with read_new(sql_store, "billing") as page:
        (found,) = page
        assert isinstance(found, Notification)
        assert repr(page) == "<Page of 1 notifications, 1 to 1>"


def test_consumer_that_works_chat_by_chat_is_not_read_in_pages(sql_store: Any) -> None:
    """A reader in pages would take what the other has yet to handle, and then keep it from working at all."""
    put(sql_store, *map(notification, range(3)))
    with closing(sql_store.work("billing", lambda _: True, 20.0)) as work:
        work.begin("beginning")
        with pytest.raises(GreenApiConfigError, match="a consumer of its own"):
            read(sql_store)
        work.begin("beginning")
        assert work.take_in(100) == 3
