"""The drains report of every store: what each drain into it came to, for thirty days."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.consume.erasing import purge
from airflow_green_notify.stores.drain_record import DrainRecord
from airflow_green_notify.stores.object_storage import drains as file_drains
from airflow_green_notify.stores.object_storage.drains import FileDrains
from tests.stores.conftest import some

NOW = datetime(2026, 12, 1, 11, 2, 3, 456789, tzinfo=UTC)
EVER = datetime(2020, 1, 1, tzinfo=UTC)


def record(ended_at: datetime = NOW, **changes: Any) -> DrainRecord:
    counts = {"received": 9, "stored": 7, "duplicates": 2, "deleted": 8, "dead_letters": 1}
    values = counts | {"doubtful_deletes": 3, "other_consumers": 4, "oldest_age": 12.5, "error": ""}
    values |= {"stopped_by": "empty", "batch_id": "d/r/t/-1", "conn_id": "a", "instance_id": "1101000001"}
    return DrainRecord(
        **values | {"began_at": ended_at - timedelta(seconds=5), "ended_at": ended_at} | changes
    )


def note(store: Any, *records: DrainRecord) -> None:
    with store.open("d/r/t/-1") as opened:
        opened.note_drains(records)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock by which files are named."""

    @contextmanager
    def moment(now: datetime) -> Iterator[None]:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return now

        with monkeypatch.context() as patch:
            patch.setattr(file_drains, "datetime", Clock)
            yield

    return moment


def test_record_is_read_as_it_was_written(store: Any) -> None:
    """Each value, also one that isn't known, and words that no alphabet holds."""
    now = datetime.now(UTC)
    written = [
        record(now - timedelta(hours=2), conn_id="b", oldest_age=None, stopped_by="error", error="Не так 😀"),
        record(now - timedelta(hours=1)),
        record(now - timedelta(hours=1), conn_id="b", instance_id="", received=0),
    ]
    note(store, *written)
    assert store.drains(EVER) == written
    assert store.drains(now - timedelta(hours=1)) == written[1:]
    assert store.drains(now) == []


def test_since_without_a_time_zone_is_refused(store: Any) -> None:
    """It would mean another hour on each machine."""
    note(store, record())
    with pytest.raises(ValueError, match="time zone"):
        store.drains(datetime(2026, 1, 1))


def test_records_older_than_thirty_days_are_removed_by_the_drain_that_writes(store: Any, at: Any) -> None:
    """The report doesn't grow for ever."""
    written = [record(NOW + timedelta(days=day), conn_id=str(day)) for day in (-32, -29, 0)]
    for each in written:
        with at(each.ended_at):
            note(store, each)
    assert [each.conn_id for each in store.drains(EVER)] == ["-29", "0"]


def test_purge_removes_what_ended_before(store: Any, at: Any) -> None:
    """Who keeps nothing for longer than a week keeps no report of it; a dry run removes nothing."""
    now = datetime.now(UTC)
    with at(now - timedelta(days=9)):
        note(store, record(now - timedelta(days=9), conn_id="old"))
    note(store, record(now, conn_id="new"))
    purge(store, timedelta(days=7), dry_run=True)
    assert [each.conn_id for each in store.drains(EVER)] == ["old", "new"]
    purge(store, timedelta(days=7))
    assert [each.conn_id for each in store.drains(EVER)] == ["new"]


def test_drains_that_write_at_once_lose_no_record(store: Any) -> None:
    """Two Dags of one minute, into one store."""
    errors: list[Exception] = []
    stores = [store.open(f"d/r{number}/t/-1") for number in range(4)]
    threads = [threading.Thread(target=_writing(*each, errors)) for each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in stores:
        opened.release()
    assert not errors
    assert len({each.conn_id for each in store.drains(EVER)}) == 12


def _writing(number: int, opened: Any, errors: list[Exception]) -> Any:
    def write() -> None:
        try:
            for part in range(3):
                opened.note_drains([record(datetime.now(UTC), conn_id=f"{number}-{part}")])
        except Exception as error:
            errors.append(error)

    return write


def test_record_that_is_written_twice_is_there_once(sql_store: Any) -> None:
    """A statement is repeated whose connection was lost, whether or not it had its effect."""
    each = record(datetime.now(UTC))
    note(sql_store, each)
    note(sql_store, each)
    assert sql_store.drains(EVER) == [each]


# --- files ---


def files_of(store: Any) -> Any:
    with store.open("d/r/t/-1") as opened:
        return opened._batch._files


def test_files_of_a_day_that_is_over_become_one(file_store: Any, at: Any) -> None:
    """Nothing is lost, and the day itself stays one file per drain, since buckets can't be added to."""
    store, written = file_store, []
    for hours in (0, 5, 13, 25):
        written.append(record(NOW + timedelta(hours=hours), conn_id=f"{hours}"))
        with at(NOW + timedelta(hours=hours)):
            note(store, written[-1])
    names = sorted(files_of(store).names("drains"))
    assert names[0] == "2026-12-01.1.ndjson"
    assert [name[:13] for name in names[1:]] == ["2026-12-02T00", "2026-12-02T12"]
    assert store.drains(EVER) == written


def test_file_that_was_written_late_gets_into_a_second_one(file_store: Any, at: Any) -> None:
    """A drain whose process stood still over midnight."""
    first, late, next_day = (record(NOW, conn_id=name) for name in ("first", "late", "next"))
    with at(NOW):
        note(file_store, first)
    with at(NOW + timedelta(days=1)):
        note(file_store, next_day)
    with at(NOW + timedelta(hours=1)):
        note(file_store, late)
    with at(NOW + timedelta(days=1, hours=1)):
        note(file_store, replace(next_day, id="another"))
    names = {*files_of(file_store).names("drains")}
    assert {"2026-12-01.1.ndjson", "2026-12-01.2.ndjson"} <= names
    assert not any(name.startswith("2026-12-01T") for name in names)
    assert {each.conn_id for each in file_store.drains(EVER)} == {"first", "late", "next"}


def test_one_drain_puts_but_so_many_files_together(
    file_store: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day of a stream the first drain of the next one has yet to end; those behind it do the rest."""
    monkeypatch.setattr(file_drains, "_AT_ONCE", 2)
    written = [record(NOW + timedelta(minutes=number), conn_id=f"{number}") for number in range(5)]
    for each in written:
        with at(each.ended_at):
            note(file_store, each)
    drains = FileDrains(files_of(file_store))
    for left in (3, 1, 0):
        drains._put_days_together("2026-12-02")
        assert sum(1 for name in drains._names() if name.startswith("2026-12-01T")) == left
    assert drains._names() == [f"2026-12-01.{number}.ndjson" for number in (1, 2, 3)]
    assert file_store.drains(EVER) == written


def test_files_of_others_are_neither_read_nor_removed(file_store: Any) -> None:
    """A file browser leaves some, and one would hide the whole report."""
    files, others = files_of(file_store), {".DS_Store", "notes.txt"}
    for name in others:
        files.create(f"drains/{name}", [b"not JSON"])
    note(file_store, each := record(datetime.now(UTC)))
    assert file_store.drains(EVER) == [each]
    assert {*files.names("drains")} > others


def test_crash_between_the_file_of_a_day_and_those_that_went_into_it_doubles_nothing(
    file_store: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in two files is read once, and goes with the next drain."""
    with at(NOW):
        note(file_store, record(NOW, conn_id="one"), record(NOW, conn_id="two"))
    drains = FileDrains(files_of(file_store))
    with monkeypatch.context() as patch, at(NOW + timedelta(days=1)):
        patch.setattr(drains._files, "remove", _crashing)
        with pytest.raises(KeyboardInterrupt):
            drains._put_days_together("2026-12-02")
    assert len(drains._names()) == 2
    assert [each.conn_id for each in file_store.drains(EVER)] == ["one", "two"]
    drains._put_days_together("2026-12-02")
    assert drains._names() == ["2026-12-01.1.ndjson"]
    assert [each.conn_id for each in file_store.drains(EVER)] == ["one", "two"]


def _crashing(names: Any) -> None:
    if [*names]:
        raise KeyboardInterrupt


def test_report_is_no_part_of_what_a_store_holds(store: Any) -> None:
    """Neither a stream nor a search for dead letters takes it for notifications."""
    with store.open("d/r/t/-1") as opened:
        for each in some(3):
            opened.put(each)
        opened.note_drains([record(datetime.now(UTC))])
    stream = store.stream()
    assert len(stream.read(0, 10)) == 3
    stream.close()
    assert list(store.dead_letters().all()) == []
