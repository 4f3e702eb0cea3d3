"""What a store notes of finished work, and for how long: as much as a retry may need, and not for ever."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airflow_green_notify.consume.erasing import purge
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from airflow_green_notify.stores.dead_letter import DeadLetter, Failure, dead_letter, note_of
from airflow_green_notify.stores.held import JOURNAL
from airflow_green_notify.stores.ledger import BatchRecord
from airflow_green_notify.stores.object_storage import attempts as file_attempts
from airflow_green_notify.stores.object_storage import closed_keys
from airflow_green_notify.stores.sql.attempts import SqlAttempts
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.ledger import SqlBatches, remove_empty_batches
from airflow_green_notify.stores.sql.tables import StoreTables
from airflow_green_notify.stores.sql.tombstones import SqlTombstones
from tests.stores.conftest import some

QUEUE = "gateway/1101000001"
LONG = timedelta(days=31)


def run(number: int) -> str:
    return f"dag/run-{number}/drain/-1"


def confirm_all(batch: Any) -> None:
    """Do what a drain does at its start if all tasks before it succeeded."""
    for record in batch.not_handed_on():
        assert record.state == "closed"
        batch.settle(record, "confirmed")


def noted_batches(store: Any) -> int:
    """Count the rows, or the files, of the ledger of batches."""
    if isinstance(store, SqlStore):
        return len(rows(store, "batches"))
    files = store.stream()._files
    return sum(len(files.names(f"ledger/{task}")) for task in files.names("ledger"))


def rows(store: SqlStore, table: str) -> list[Any]:
    database = Database(store.conn_id)
    try:
        return database.rows(getattr(StoreTables(store.table), table).select())
    finally:
        database.close()


def age_notes_of_batches(store: Any, age: timedelta) -> None:
    """Let all that was noted of batches until now lie a while back."""
    if isinstance(store, SqlStore):
        database, batches = Database(store.conn_id), StoreTables(store.table).batches
        database.execute(batches.update().values(changed_at=batches.c.changed_at - age.total_seconds()))
        database.close()
        return
    then = time.time() - age.total_seconds()
    for path in Path(store.path).glob("ledger/*/*"):
        os.utime(path, (then, then))


@pytest.fixture
def make_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Let all attempts that were noted until now lie a while back."""

    def shift(store: Any, age: timedelta) -> None:
        if isinstance(store, SqlStore):
            database, attempts = Database(store.conn_id), StoreTables(store.table).attempts
            database.execute(attempts.update().values(at=attempts.c.at - age.total_seconds()))
            database.close()
        elif str(store.path).startswith("s3"):  # nothing sets the time of an object: let less be enough
            kept_for = timedelta(seconds=-5) if age > timedelta(days=30) else timedelta(days=30)
            monkeypatch.setattr(file_attempts, "KEPT_FOR", kept_for)
        else:
            then = time.time() - age.total_seconds()
            for path in Path(store.path).glob("attempts/*/*"):
                os.utime(path, (then, then))

    return shift


# --- batches ---


def test_batches_that_were_handed_on_leave_nothing_in_the_ledger(store: Any) -> None:
    """A Dag that streams makes hundreds of batches a day: the ledger has the last one, and no more."""
    seen = set()
    for number, notification in enumerate(some(6)):
        with store.open(run(number), QUEUE) as batch:
            confirm_all(batch)
            batch.put(notification)
        seen.add(noted_batches(store))
    assert len(seen) == 1


def test_backfills_that_were_handed_on_are_forgotten_after_thirty_days(sql_store: Any) -> None:
    """What they stored a queue may yet bring: their notes tell what that is, and nobody looks after them."""
    for number in range(5):
        if number:
            age_notes_of_batches(sql_store, timedelta(days=20))
        with sql_store.open(run(number), f"{QUEUE}{JOURNAL}") as batch:
            confirm_all(batch)
            batch.put(some(1, start=number)[0], {"source": "journal"})
    left = {(row.name, row.state) for row in rows(sql_store, "batches")}
    assert left == {(run(2), "confirmed"), (run(3), "confirmed"), (run(4), "closed")}
    assert [record.batch_id for record in sql_store.unconfirmed_batches()] == [run(4)]


def test_task_that_is_cleared_long_after_its_batch_was_handed_on_returns_it_again(store: Any) -> None:
    """Nothing is noted of it any more, and what it stored is there: with a new notification, and without."""
    given = some(3)
    with store.open(run(1), QUEUE) as batch:
        for notification in given[:2]:
            batch.put(notification)
    with store.open(run(2), QUEUE) as following:
        confirm_all(following)
    again = store.open(run(1), QUEUE).close()
    assert again["count"] == 2
    assert [each.key for each in read_batch(again)] == [each.key for each in given[:2]]
    with store.open(run(1), QUEUE) as cleared:
        confirm_all(cleared)
        assert not cleared.put(given[0])
        assert cleared.put(given[2])
    more = cleared.close()
    assert more["count"] == 3
    assert {each.key for each in read_batch(more)} == {each.key for each in given}


@pytest.mark.parametrize("after", range(3))
def test_batch_whose_note_goes_while_its_task_comes_back_is_noted_anew(sql_store: Any, after: int) -> None:
    """A task is cleared in the moment in which another drain finds that it had succeeded."""
    with sql_store.open(run(1), QUEUE) as batch:
        batch.put(some(1)[0])
    tables, database = StoreTables(sql_store.table), Database("store")

    class Slow(Database):
        """Somebody confirms the batch between two of its statements."""

        left = after

        def execute(self, statement: Any, values: Any = None) -> int:
            self._wait()
            return super().execute(statement, values)

        def rows(self, statement: Any) -> list[Any]:
            self._wait()
            return super().rows(statement)

        def _wait(self) -> None:
            if self.left == 0:
                database.execute(tables.batches.delete().where(tables.batches.c.state == "closed"))
            self.left -= 1

    slow = Slow("store")
    batches = SqlBatches(slow, tables, run(1), QUEUE)
    batches.open()
    assert batches.close(), "the batch is nobody's: each put would fail"
    slow.close()
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb", "files", "files-parquet"])
def test_purge_removes_the_notes_of_batches_of_which_nothing_is_left(make_store: Any, kind: str) -> None:
    """What failed runs left was adopted, months ago; what is still to be handed on keeps its note."""
    store = make_store(kind)
    for number, notification in enumerate(some(3)):
        with store.open(run(number), QUEUE) as batch:
            batch.put(notification)
    assert store.give_to_next_drain(run(2))
    with store.open("dag/adopter/drain/-1", QUEUE) as adopter:
        for record in adopter.not_handed_on():
            if record.batch_id != run(2):
                assert adopter.adopt(record) == 1
    age_notes_of_batches(store, timedelta(days=100))
    with store.open("other/run/drain/-1", QUEUE) as other:  # adopted just now
        other.put(some(1, start=9)[0])
    with store.open("other/next/drain/-1", QUEUE) as following:
        (record,) = following.not_handed_on()
        following.adopt(record)
    purge(store, timedelta(days=90))
    left = {(record.batch_id, record.state) for record in store.unconfirmed_batches()}
    assert left == {
        (run(2), "released"),
        ("dag/adopter/drain/-1", "closed"),
        ("other/run/drain/-1", "adopted"),
        ("other/next/drain/-1", "closed"),
    }


def test_purge_keeps_the_note_of_a_batch_with_which_its_task_went_on(make_store: Any) -> None:
    """It was adopted, and its task came back and died again: the retry has to find what that stored."""
    store, (first, second) = make_store("files"), some(2)
    with store.open(run(1), QUEUE) as batch:
        batch.put(first)
    with store.open(run(2), QUEUE) as adopter:
        (record,) = adopter.not_handed_on()
        assert adopter.adopt(record) == 1
    back = store.open(run(1), QUEUE)
    back.put(second)
    back.release()
    age_notes_of_batches(store, timedelta(days=100))
    purge(store, timedelta(days=90))
    retried = store.open(run(1), QUEUE).close()
    assert [each.key for each in read_batch(retried)] == [second.key]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_purge_removes_notes_in_pages_and_waits_for_no_put(
    make_store: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A put locks the note of its own batch."""
    monkeypatch.setattr("airflow_green_notify.stores.sql.ledger._AT_ONCE", 2)
    store = make_store(kind)
    for number in range(5):
        with store.open(run(number), QUEUE) as batch:
            batch.adopt(BatchRecord("none", "closed", "", QUEUE))  # which opens it, and there is none
    age_notes_of_batches(store, timedelta(days=100))
    putting, purging = Database(store.conn_id), Database(store.conn_id)
    tables = StoreTables(store.table)
    locked = tables.batches.select().where(tables.batches.c.batch_id == run(9)).with_for_update(read=True)
    with store.open(run(9), QUEUE) as batch:
        batch.put(some(1)[0])
        if kind == "mariadb":
            purging.execute_text("SET SESSION innodb_lock_wait_timeout = 1", ())

        def put(connection: Any) -> None:
            connection.execute(locked)
            if kind != "sqlite":  # which has one lock for all
                remove_empty_batches(purging, tables, datetime.now(UTC) - timedelta(days=90))

        putting.transaction(put)
        remove_empty_batches(purging, tables, datetime.now(UTC) - timedelta(days=90))
    purging.close()
    putting.close()
    assert [row.name for row in rows(store, "batches")] == [run(9)]


# --- attempts ---


def test_attempts_are_forgotten_after_thirty_days(store: Any, make_old: Any) -> None:
    """The gateway keeps its queue for a day, so nobody asks for them; a month is for clocks and outages."""
    with store.open(run(1)) as opened:
        opened.begin_attempt("handled")
        opened.finish("handled")
        opened.begin_attempt("begun")
    make_old(store, LONG)
    with store.open(run(2)) as opened:
        opened.forget_old()
    if isinstance(store, SqlStore):
        assert rows(store, "attempts") == []
    else:
        assert store.stream()._files.names("attempts") == []


def test_attempts_of_a_month_are_kept(store: Any, make_old: Any) -> None:
    """A notification that comes again is not handled again, whenever its task is retried."""
    with store.open(run(1)) as opened:
        opened.begin_attempt("handled")
        opened.finish("handled")
        opened.begin_attempt("begun")
    make_old(store, timedelta(days=29))
    with store.open(run(2)) as opened:
        opened.forget_old()
        assert opened.begin_attempt("handled") == 0
        assert opened.begin_attempt("begun") == 2


def test_attempts_at_a_dead_letter_that_waits_for_its_replay_are_kept(store: Any, make_old: Any) -> None:
    """Its Dag was paused for months just after the handler had returned: it is not called again."""
    failure = Failure.of(ValueError(), 3)
    given, note = dead_letter(some(1)[0], note_of(failure, failure, task="dag/process"))
    with store.open(run(1)) as opened:
        opened.put(given, note)
    letters = store.dead_letters()
    (letter,) = letters.all()
    assert isinstance(letter, DeadLetter)
    letters.mark([letter], None)
    with store.open(run(2)) as opened:
        opened.begin_attempt(letter.key)
        opened.finish(letter.key)
    make_old(store, 4 * LONG)
    with store.open(run(3)) as opened:
        opened.forget_old()
        assert opened.begin_attempt(letter.key) == 0
    letters.close()


def test_attempts_are_forgotten_in_pages(
    sql_store: Any, make_old: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, each transaction is a short one; those of today stay."""
    monkeypatch.setattr("airflow_green_notify.stores.sql.attempts._AT_ONCE", 3)
    with sql_store.open(run(1)) as opened:
        for number in range(8):
            opened.begin_attempt(f"old-{number}")
        make_old(sql_store, LONG)
        opened.begin_attempt("new")
        opened.forget_old()
    assert [row.key for row in rows(sql_store, "attempts")] == ["new"]


def test_old_attempts_are_found_by_their_index(make_store: Any) -> None:
    """Each drain looks for them at its end, in a table with a row for each notification of a month."""
    store = make_store("postgres")
    with store.open(run(1)) as opened:
        opened.begin_attempt("one")
    plans: list[str] = []

    class Explaining(Database):
        def rows(self, statement: Any) -> list[Any]:
            words = statement.compile(dialect=self.driver, compile_kwargs={"literal_binds": True})
            plans.append(str(super().rows(text(f"EXPLAIN {words}"))))
            return []

        def execute(self, statement: Any, values: Any = None) -> int:
            return len(self.rows(statement))

    database, tables = Explaining(store.conn_id), StoreTables(store.table)
    database.execute_text("SET enable_seqscan = off", ())
    SqlAttempts(database, tables, SqlTombstones(database, tables)).forget_old()
    database.close()
    assert len(plans) == 2
    for plan in plans:
        assert "Index Cond: (at < " in plan, plan


def test_files_of_attempts_are_looked_through_once_a_day(tmp_path: Path, make_old: Any) -> None:
    """A look at all names is dear where there are many."""
    store = ObjectStorageStore(tmp_path)
    for key in ("one", "two"):
        with store.open(run(1)) as opened:
            opened.begin_attempt(key)
            make_old(store, LONG)
            opened.forget_old()
    assert store.stream()._files.names("attempts") == ["two"]


def test_attempts_in_a_bucket_are_looked_through_by_its_listing(
    make_store: Any, make_old: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request for each of 100,000 would keep the drain from its end for minutes, and none would go."""
    store = make_store("s3")
    with store.open(run(1)) as opened:
        for number in range(9):
            opened.begin_attempt(f"key-{number}")
    make_old(store, LONG)
    asked: list[str] = []
    with store.open(run(2)) as opened:
        files = opened._batch._files
        ask = files._fs._info
        monkeypatch.setattr(
            files._fs, "_info", lambda path, **options: asked.append(path) or ask(path, **options)
        )
        opened.forget_old()
    assert [path for path in asked if "/attempts/" in path] == []
    assert files.names("attempts") == []


def test_time_of_a_bucket_is_asked_where_nobody_looks(
    make_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty object among the records of a batch, if only for a moment, would hide them from a drain."""
    store = make_store("s3")
    with store.open(run(1), QUEUE) as batch:
        batch.put(some(1)[0])
    files = store.stream()._files
    (folder,) = files.names("ledger")
    names = [f"ledger/{folder}/{name}" for name in files.names(f"ledger/{folder}")]
    seen: list[Any] = []
    ask = files._written
    monkeypatch.setattr(
        files, "_written", lambda asked: seen.extend(store.unconfirmed_batches()) or ask(asked)
    )
    assert None not in files.ages(sorted(names)[-1:]).values()
    assert [record.batch_id for record in seen] == [run(1)]


def test_worker_whose_clock_is_ahead_forgets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How old a file is, the place itself tells."""
    store = ObjectStorageStore(tmp_path)
    with store.open(run(1)) as opened:
        opened.put(some(1)[0])
        opened.begin_attempt("handled")
        opened.finish("handled")
    next_year = datetime.now(UTC) + timedelta(days=400)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return next_year

    monkeypatch.setattr(file_attempts, "datetime", Ahead)
    monkeypatch.setattr(closed_keys, "_today", next_year.date)
    with store.open(run(2)) as opened:
        opened.put(some(1, start=1)[0])
        opened.forget_old()
    monkeypatch.undo()
    with store.open(run(3)) as opened:
        assert opened.begin_attempt("handled") == 0
        assert not opened.put(some(1)[0]), "a redelivered notification would be stored twice"


# --- keys ---


def test_index_of_keys_is_cut_back(file_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days that nobody looks at any more go; those of a month stay, and what isn't the store's does."""
    files = file_store.stream()._files
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in (400, 31, 29, 2, 0)]
    for day in days:
        monkeypatch.setattr(closed_keys, "_today", lambda day=day: day)
        closed_keys.ClosedKeys(files).add([f"key of {day}"])
    files.create("keys/notes.txt", [b"somebody's own"])
    if str(file_store.path).startswith("s3"):
        monkeypatch.setattr(closed_keys, "KEPT_BY_PLACE", timedelta(seconds=-5))
    else:
        for path in Path(file_store.path).glob("keys/*/*"):
            then = datetime.fromisoformat(path.parent.name).timestamp()
            os.utime(path, (then, then))
    monkeypatch.setattr(closed_keys, "_today", lambda: today)
    with file_store.open(run(1)) as opened:
        opened.put(some(1)[0])
    assert sorted(files.names("keys")) == sorted([*(day.isoformat() for day in days[2:]), "notes.txt"])
