"""What a wait wants, and how it is found."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.consume.waiting import Waits, Wanted, first_found, quick_part
from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.filters import NotificationFilter, Verdict
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore
from tests.stores.conftest import body

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EXAMPLES = [Notification(1, item["body"]) for item in example_notifications()]


class Waiting:
    """One who waits."""

    def __init__(self, **parts: Any) -> None:
        self.wanted = Wanted(NotificationFilter(**parts), LONG_AGO)


def parts_that_match(notification: Notification) -> list[dict[str, Any]]:
    """Filters of one part each that a notification fits, some of them by another form of an id."""
    names = ("quoted_id", "id_message", "chat_id", "sender", "type_message", "type_webhook", "status")
    parts = [{name: value} for name in names if (value := getattr(notification, name)) is not None]
    people = [{"chat_id": each} for each in notification.contact_ids]
    return [*parts, *people, *({"chat_id": each["chat_id"].removesuffix("@c.us")} for each in people), {}]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_filter_that_matches_is_among_those_that_may_want_it(number: int) -> None:
    """Looking waits up by signs rules out none that a filter would have matched."""
    notification = EXAMPLES[number]
    matching = [parts for parts in parts_that_match(notification) if meets(parts, notification)]
    assert len(matching) >= 2
    waits: Waits[Waiting] = Waits()
    for parts in matching:
        waits.add(each := Waiting(**parts))
        assert each in waits.that_may_want(notification), parts
        waits.remove(each)
        assert waits.that_may_want(notification) == set()


def meets(parts: dict[str, Any], notification: Notification) -> bool:
    return NotificationFilter(**parts).verdict(notification) is Verdict.MATCH


def test_waits_for_others_are_ruled_out() -> None:
    """Of many that wait for other messages, none is asked."""
    waits: Waits[Waiting] = Waits()
    own = Waiting(id_message=EXAMPLES[0].id_message, text="nothing like it")
    for each in (own, *(Waiting(quoted_id=f"3EB0{number}") for number in range(50))):
        waits.add(each)
    assert waits.that_may_want(EXAMPLES[0]) == {own}


@pytest.mark.parametrize(
    ("pattern", "is_quick"),
    [
        ("yes", True),
        (r"(?i)^\s*(yes|no)\b", True),
        ("[a-z]{1,9}", True),
        ("(?:please )?colou?r[.!]?", True),
        ("a?" * 30 + "a" * 30, False),
        ("(a+)+", False),
        ("(a|aa)+$", False),
        (".*a.*", False),
        ("(a){2,}", False),
        (r"(.)\1", False),
        (r"(?P<a>.)(?P=a)", False),
    ],
)
def test_pattern_with_nested_or_many_repetitions_is_for_no_event_loop(pattern: str, is_quick: bool) -> None:
    """What others write could hold up all triggers of a process by it."""
    given = NotificationFilter(text=pattern, quoted_id="1")
    parts = given.as_dict() if is_quick else {"quoted_id": ["1"]}
    assert quick_part(given) == (parts, is_quick)


def test_function_is_for_no_event_loop() -> None:
    """A triggerer has not read the Dag file that it stands in; anything may match it."""
    assert quick_part(bool) == ({}, False)


def test_open_batches_of_files_are_looked_at_and_the_oldest_wins(tmp_path: Path) -> None:
    """What a stream just stored is found before its batch is closed; when that is done, it is found there."""
    pytest.importorskip("airflow_green_notify.stores.object_storage.stream")
    store = ObjectStorageStore(tmp_path)
    wanted = Wanted(NotificationFilter(type_message="textMessage"), LONG_AGO)
    with store.open("d/r/closed/-1") as closed:
        closed.put(Notification(1, body(0)))
    with closing(store.stream()) as stream, store.open("d/r/open/-1") as opened:
        assert first_found(stream, wanted, 0) == (None, 1)
        for number in (2, 1):
            text = body(number, messageData={"typeMessage": "textMessage"})
            opened.put(Notification(1, text, datetime(2026, 1, number, tzinfo=UTC)))
        found, after = first_found(stream, wanted, 1)
        assert found is not None
        assert (found.notification.body["timestamp"], found.after, after) == (1_700_000_001, 1, 1)
        opened.close()
        assert first_found(stream, wanted, 1)[0] is not None
