"""A store as a stream: positions that nobody can pass by, and consumers that remember theirs."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.row import to_row
from airflow_green_notify.stores.stream import Consumer


def notification(number: int, instance: int = 1, received_at: datetime | None = None) -> Notification:
    body = {
        "number": number,
        "instanceData": {"idInstance": instance},
        "senderData": {"chatId": f"{number % 7}@c.us"},
    }
    return Notification(1, body, received_at or datetime.now(UTC))


def numbers(found: list[Any]) -> list[int]:
    return [entry.notification.body["number"] for _, entry in found]


def put(store: Any, *items: Notification, batch_id: str = "d/r/t/-1") -> None:
    with store.open(batch_id) as opened:
        for each in items:
            opened.put(each)


def test_stream_gives_everything_in_pages_and_in_order(store: Any) -> None:
    """What is stored has positions from 1 on, in the order in which it came."""
    put(store, *map(notification, range(25)))
    with closing(store.stream()) as stream:
        first = stream.read(0, 10)
        rest = stream.read(first[-1][0], 100)
        assert [position for position, _ in first + rest] == list(range(1, 26))
        assert numbers(first + rest) == list(range(25))
        assert stream.read(25, 10) == []
        assert stream.end() == 25
        put(store, notification(25), batch_id="another")
        assert numbers(stream.read(25, 10)) == [25]


def test_rows_of_one_queue_that_were_put_together_keep_their_order(sql_store: Any) -> None:
    """A group is inserted by key, and its keys come in any order."""
    given = [notification(number, instance) for number in range(20) for instance in (1, 2)]
    with sql_store.open("d/r/t/-1") as opened, closing(sql_store.stream()) as stream:
        assert opened.put_all(given) == [True] * len(given)
        for instance in ("1", "2"):
            own = [each for each in stream.read(0, 100) if each[1].notification.instance_id == instance]
            assert numbers(own) == [*range(20)]


def test_more_rows_than_are_numbered_at_once(sql_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part after part, by whoever comes, and without a gap."""
    monkeypatch.setattr("airflow_green_notify.stores.sql.stream._AT_ONCE", 7)
    put(sql_store, *map(notification, range(50)))
    with closing(sql_store.stream()) as stream, closing(sql_store.stream()) as other:
        assert numbers(stream.read(0, 10)) == [*range(10)]
        assert other.end() == 50
        assert [position for position, _ in stream.read(0, 100)] == [*range(1, 51)]
        assert numbers(other.read(10, 100)) == [*range(10, 50)]


def test_empty_store_has_a_stream(store: Any) -> None:
    """Before anything was drained there is nothing to read, and the end is 0."""
    with closing(store.stream()) as stream:
        assert (stream.end(), stream.read(0, 10), stream.consumers()) == (0, [], [])


def test_position_before_a_moment(store: Any) -> None:
    """Behind it lies everything that was received then or later; at a later moment, everything to come."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    put(store, *(notification(day, received_at=start + timedelta(days=day)) for day in range(10)))
    with closing(store.stream()) as stream:
        assert stream.before(start + timedelta(days=4)) == 4
        assert stream.before(start - timedelta(days=4)) == 0
        assert stream.before(start + timedelta(days=40)) == 10


def test_consumer_is_saved_by_who_knows_its_last_version(store: Any) -> None:
    """Of two that save the same version one is told that it was too late."""
    with closing(store.stream()) as stream:
        assert stream.consumer("billing") is None
        assert stream.save(Consumer("billing", 0))
        assert not stream.save(Consumer("billing", 7))
        known = stream.consumer("billing")
        assert (known.name, known.position, known.version) == ("billing", 0, 1)
        assert stream.save(replace(known, position=5, page_end=9, reader="me"))
        assert not stream.save(replace(known, position=6))
        assert [(each.name, each.position, each.page_end) for each in stream.consumers()] == [
            ("billing", 5, 9)
        ]
        assert stream.forget("billing")
        assert not stream.forget("billing")
        assert (stream.consumer("billing"), stream.consumers()) == (None, [])
        assert not stream.save(replace(known, version=2))
        assert stream.save(Consumer("billing", 3, version=0))
        assert stream.consumer("billing").version == 3


def test_who_read_as_a_consumer_before_it_was_forgotten_saves_nothing_any_more(store: Any) -> None:
    """Though the one that began anew was saved as often by now."""
    with closing(store.stream()) as stream:
        assert stream.save(Consumer("billing", 0))
        assert stream.save(replace(stream.consumer("billing"), page_end=10))
        former = stream.consumer("billing")
        assert stream.forget("billing")
        assert stream.save(Consumer("billing", 100))
        assert stream.save(replace(stream.consumer("billing"), page_end=110))
        assert not stream.save(replace(former, position=10, page_end=0, changed_at=datetime.now(UTC)))
        assert stream.consumer("billing").position == 100


def test_nobody_passes_a_row_by(store: Any, store_kind: str) -> None:
    """Writers commit in any order, and readers at any pace see each row once, in order per instance."""
    writers, readers, each_writes = 4, 3, 20 if store_kind.startswith("s3") else 60
    seen: list[list[tuple[int, int]]] = [[] for _ in range(readers)]
    failures: list[BaseException] = []

    def write(instance: int) -> None:
        for batch in range(0, each_writes, 10):
            with store.open(f"d/{batch}/t/{instance}") as opened:
                for number in range(batch, batch + 10):
                    opened.put(notification(number, instance))
                    time.sleep(random.random() * 0.004)

    def read(into: list[tuple[int, int]]) -> None:
        position = 0
        with closing(store.stream()) as stream:
            while len(into) < writers * each_writes:
                page = stream.read(position, random.randint(1, 20))
                bodies = [entry.notification.body for _, entry in page]
                into += [(body["instanceData"]["idInstance"], body["number"]) for body in bodies]
                position = page[-1][0] if page else position
                if not page:
                    time.sleep(0.01)

    def noting(work: Any, argument: Any) -> None:
        try:
            work(argument)
        except BaseException as error:
            failures.append(error)

    with closing(store.stream()):
        threads = [
            threading.Thread(target=noting, args=(write, each), daemon=True) for each in range(writers)
        ]
        threads += [threading.Thread(target=noting, args=(read, each), daemon=True) for each in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert all(not thread.is_alive() for thread in threads)
    for rows in seen:
        assert len(rows) == len(set(rows)) == writers * each_writes
        assert all(
            [number for instance, number in rows if instance == writer] == list(range(each_writes))
            for writer in range(writers)
        )
    assert seen[0] == seen[1] == seen[2]


def test_row_that_is_committed_late_is_not_passed_by(sql_store: Any) -> None:
    """It came in first, and a reader has seen what came in after it: it is what that reads next."""
    is_in, go_on = threading.Event(), threading.Event()
    with closing(sql_store.stream()) as stream:
        if stream.database.dialect == "sqlite":
            pytest.skip("one writer at a time")
        other = stream.database.beside()
        row = to_row(Entry(notification(1), "late")) | {"sequence": 1}

        def insert(connection: Any) -> None:
            connection.execute(stream.rows.insert(), row)
            is_in.set()
            go_on.wait(60)

        writer = threading.Thread(target=other.transaction, args=[insert])
        writer.start()
        assert is_in.wait(60)
        put(sql_store, notification(2))
        first = stream.read(0, 10)
        go_on.set()
        writer.join(60)
        other.close()
        assert (numbers(first), numbers(stream.read(first[-1][0], 10))) == ([2], [1])


def test_database_without_streams_is_refused_in_words(
    sql_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name and what to do stand in the error."""
    monkeypatch.setattr("airflow_green_notify.stores.sql.stream._DIALECTS", ())
    with pytest.raises(Exception, match="hand batches on"):
        sql_store.stream()
