"""The dead letters of a store: read, found, marked and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.dead_letter import Failure, dead_letter, note_of

START = datetime(2026, 11, 1, tzinfo=UTC)
TASK = "dag/process"


def notification(number: int) -> Notification:
    return Notification(1, {"number": number}, START + timedelta(minutes=number))


def letter(number: int, task: str = TASK) -> tuple[Notification, dict[str, Any]]:
    failure = Failure.of(KeyError("name"), 3)
    return dead_letter(notification(number), note_of(failure, failure, task=task))


def put(store: Any, *numbers: int, batch_id: str = "dag/run/process/-1", task: str = TASK) -> None:
    """Put dead letters, and beside each a notification that none of this is about."""
    with store.open(batch_id) as opened:
        for number in numbers:
            opened.put(*letter(number, task))
            opened.put(notification(1000 + number))
            opened.put(notification(2000 + number), {"another": "note"})


def numbers(letters: Any) -> list[int]:
    return [each.notification.body["number"] for each in letters]


@pytest.fixture
def letters(store: Any) -> Iterator[Any]:
    """Those of a store of each kind, once it is filled."""
    with closing(store.dead_letters()) as letters:
        yield letters


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("sql", "object_storage"):
        monkeypatch.setattr(f"airflow_green_notify.stores.{kind}.dead_letters.PAGE", 2)


@pytest.mark.usefixtures("small_pages")
def test_all_are_read_in_the_order_of_their_receipt(store: Any, letters: Any) -> None:
    """From closed batches and an open one, a page at a time; nothing else is among them."""
    put(store, 7, 3, 5)
    put(store, 4, 6, batch_id="dag/next/process/-1")
    with store.open("dag/last/process/-1") as opened:
        opened.put(*letter(1))
        assert numbers(letters.all()) == [1, 3, 4, 5, 6, 7]
    (first, *_) = letters.all()
    assert (first.key, first.notification.key) == (letter(1)[0].key, notification(1).key)
    assert (first.task, first.note["reason"]) == (TASK, "max_attempts")


@pytest.mark.usefixtures("small_pages")
def test_all_of_one_moment_are_read(store: Any, letters: Any) -> None:
    """A page may end between two that were received at the same time."""
    with store.open("dag/run/process/-1") as opened:
        for number in range(5):
            received, note = letter(number)
            opened.put(replace(received, received_at=START), note)
    assert sorted(numbers(letters.all())) == [0, 1, 2, 3, 4]


def test_found_by_the_key_of_the_letter_or_of_the_notification(store: Any, letters: Any) -> None:
    """What no notification can have as its key finds nothing."""
    put(store, 1, 2, 3)
    put(store, 2, batch_id="dag/run/other/-1", task="dag/other")
    assert numbers(letters.find([letter(3)[0].key, notification(1).key])) == [1, 3]
    assert sorted(each.task for each in letters.find([notification(2).key])) == ["dag/other", TASK]
    assert letters.find(["%", "", notification(1001).key, "f" * 32, "../x"]) == []


def test_marked_are_those_of_a_task_in_order(store: Any, letters: Any) -> None:
    """Each with its rate, which a second mark changes; another task may be named."""
    put(store, 1, 2, 3)
    put(store, 4, batch_id="dag/run/other/-1", task="dag/other")
    assert letters.marked(TASK, 10) == []
    letters.mark(letters.find([notification(3).key]), 5.0)
    letters.mark(letters.find([notification(each).key for each in (1, 4)]), None)
    assert [(each.letter.notification.body["number"], each.rate) for each in letters.marked(TASK, 10)] == [
        (1, None),
        (3, 5.0),
    ]
    assert numbers(each.letter for each in letters.marked("dag/other", 10)) == [4]
    letters.mark([*letters.all()], 0.5, task="dag/renamed")
    assert letters.marked(TASK, 10) == letters.marked("dag/other", 10) == []
    assert [each.rate for each in letters.marked("dag/renamed", 3)] == [0.5] * 3
    assert letters.to_be_replayed() == {each.key for each in letters.all()}


def test_removed_is_no_dead_letter_any_more(store: Any, letters: Any) -> None:
    """Nor is it marked; everything else is where it was. Removing it twice is no error."""
    put(store, 1, 2, 3)
    letters.mark([*letters.all()], None)
    gone = letters.find([notification(2).key])
    for _ in range(2):
        letters.remove(gone)
        assert numbers(letters.all()) == [1, 3]
        assert numbers(each.letter for each in letters.marked(TASK, 10)) == [1, 3]
        assert letters.find([notification(2).key]) == []
        assert letters.to_be_replayed() == {letter(1)[0].key, letter(3)[0].key}
    letters.mark(gone, None)  # by somebody who had looked before
    assert numbers(each.letter for each in letters.marked(TASK, 10)) == [1, 3]
    assert letters.to_be_replayed() >= {letter(1)[0].key, letter(3)[0].key}


def test_letter_is_found_where_it_was_moved_to(store: Any, letters: Any) -> None:
    """Its batch was closed, or taken over by another, after it was looked for."""
    opened = store.open("dag/run/process/-1", "queue")
    opened.put(*letter(1))
    letters.mark([*letters.all()], None)
    opened.close()
    assert numbers(each.letter for each in letters.marked(TASK, 10)) == [1]
    with store.open("dag/next/process/-1", "queue") as following:
        (record,) = following.not_handed_on()
        assert following.adopt(record) == 1
    assert numbers(each.letter for each in letters.marked(TASK, 10)) == [1]


def test_marks_of_what_was_erased_are_passed_over(file_store: Any) -> None:
    """However many there are."""
    put(file_store, *range(5))
    with closing(file_store.dead_letters()) as letters:
        found = [*letters.all()]
        letters.mark(found, None)
        for name in letters._files.modified_since("batches", START.replace(year=2000)):
            letters._files.remove([name])
        put(file_store, 9, batch_id="dag/next/process/-1")
        letters.mark(letters.find([notification(9).key]), None)
        assert numbers(each.letter for each in letters.marked(TASK, 2)) == [9]


def test_store_that_is_not_there_is_not_created(sql_store: Any) -> None:
    """A wrong name is an error in words, whatever is asked for."""
    for look in (
        lambda letters: list(letters.all()),
        lambda letters: letters.find([notification(1).key]),
        lambda letters: letters.to_be_replayed(),
        lambda letters: letters.mark([], None),
    ):
        with closing(sql_store.dead_letters()) as letters, pytest.raises(NotificationStoreError):
            look(letters)
