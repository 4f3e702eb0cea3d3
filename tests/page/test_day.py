"""A day of drains in little memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_green_notify.page.day import DAY, KEPT, Day, step_of
from airflow_green_notify.stores.drain_record import DrainRecord

NOW = datetime(2026, 12, 1, 12, 7, tzinfo=UTC)


def record(ago: timedelta, **values: Any) -> DrainRecord:
    fields: dict[str, Any] = dict.fromkeys(
        (
            "received",
            "stored",
            "duplicates",
            "deleted",
            "dead_letters",
            "doubtful_deletes",
            "other_consumers",
        ),
        1,
    )
    fields |= {"batch_id": "b", "conn_id": "c", "instance_id": "1", "oldest_age": 5.0, "stopped_by": "empty"}
    return DrainRecord(
        **fields | {"began_at": NOW - ago - timedelta(seconds=2), "ended_at": NOW - ago, "error": ""} | values
    )


def test_records_that_are_read_twice_count_once() -> None:
    """Reading begins a while before the last one: a drain writes its record after it ended."""
    day = Day()
    records = [record(timedelta(minutes=minutes)) for minutes in (9, 6, 3)]
    day.add(records[:2], NOW)
    assert day.read_from(NOW) < records[1].ended_at
    again = day.add(records[1:], NOW)
    assert sum(each.drains for each in again.bins.values()) == 3
    assert again.last["c", "1"] == tuple(reversed(records))


def test_what_is_older_than_a_day_is_let_go() -> None:
    """Pictures, last drains and signs of others alike."""
    day = Day()
    day.add([record(timedelta(0))], NOW)
    later = day.add([], NOW + DAY + timedelta(hours=1))
    assert (later.bins, later.last, later.others) == ({}, {}, {})


def test_memory_does_not_grow_with_the_number_of_drains() -> None:
    """What is kept are quarters of an hour, and the last drains of each instance."""
    day = Day()
    seconds = [record(timedelta(seconds=second)) for second in range(7200, 0, -1)]
    whole = day.add(seconds, NOW)
    assert len(whole.bins) <= 10
    assert len(whole.last["c", "1"]) == KEPT
    assert len(day._known) <= 302


def test_quarter_of_an_hour_has_the_longest_drain_and_the_oldest_notification() -> None:
    """Their greatest, and the sum of what was stored."""
    long = record(timedelta(minutes=1), began_at=NOW - timedelta(minutes=3), oldest_age=None, stored=4)
    old = record(timedelta(minutes=2), oldest_age=70.0, stored=5)
    [only] = Day().add([long, old], NOW).bins.values()
    assert (only.drains, only.stored, only.longest, only.oldest) == (2, 9, 120.0, 70.0)
    assert step_of(NOW) == NOW.replace(minute=0)
