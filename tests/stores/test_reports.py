"""What watchers and examinations report into a store: the last word of each, for thirty days."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_green_notify.consume.erasing import erase, purge
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.json_text import to_text
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.report import MAX_BODY, Report
from tests.stores.conftest import some

NOW = datetime.now(UTC)
HOSTILE = "a'; DROP TABLE x; --/../\x00\x1b[2J\ud800<script>" + "\N{GRINNING FACE}" * 300


def of_watcher(conn_id: str = "a", at: datetime = NOW, **changes: Any) -> Report:
    body = {"state": "looking", "waiting_since": None, "rang_at": None, "why": "nothing waits"}
    fields: dict[str, Any] = {"kind": "watcher", "name": "doorbell of 'a'", "instance_id": "1101000001"}
    return Report(**fields | {"conn_id": conn_id, "at": at, "body": body} | changes)


def of_examination(conn_id: str = "a", **changes: Any) -> Report:
    findings = [{"check": "state", "ok": None, "found": "Не так \N{GRINNING FACE}", "remedy": ""}]
    body = {"healthy": True, "connection": conn_id, "instance": "1", "host": "h", "findings": findings}
    return replace(of_watcher(conn_id), kind="examination", name=conn_id, body=body, **changes)


def test_report_is_read_as_it_was_written(store: Any) -> None:
    """No batch is open, and no table or folder was there."""
    assert store.reports() == []
    there = timezone(timedelta(hours=5))
    store.report([of_watcher("b"), of_watcher("a", NOW.astimezone(there)), of_examination()])
    found = store.reports()
    assert found == [of_examination(), of_watcher("a"), of_watcher("b")]
    assert all(each.at.utcoffset() == timedelta(0) for each in found)


def test_newest_report_of_kind_name_and_connection_is_kept(store: Any) -> None:
    """A writer that was held up takes nothing back."""
    old, new = of_watcher(at=NOW - timedelta(minutes=2)), of_watcher(body={"why": "new"})
    others = [of_watcher(name="another"), of_watcher("b"), of_examination()]
    store.report([old, *others])
    store.report([new])
    store.report([old])
    assert new in store.reports()
    assert len(store.reports()) == 4


def test_writers_at_once_lose_nothing(store: Any) -> None:
    """Two triggerers, each with its own watchers, and with one that both have for a moment."""
    errors: list[Exception] = []
    threads = [threading.Thread(target=_writing(store, number, errors)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    found = store.reports()
    assert [each.name for each in found] == ["of 0", "of 1", "of 2", "of 3", "shared"]
    assert {each.body["why"] for each in found} == {"2"}


def _writing(store: Any, number: int, errors: list[Exception]) -> Any:
    def write() -> None:
        try:
            for part in range(3):
                fields: dict[str, Any] = {"at": NOW + timedelta(seconds=part), "body": {"why": f"{part}"}}
                store.report([of_watcher(name=name, **fields) for name in (f"of {number}", "shared")])
        except Exception as error:
            errors.append(error)

    return write


def test_report_of_a_thousand_connections_is_kept_whole(store: Any, store_kind: str) -> None:
    """The fleet as a whole can be away."""
    count = 50 if store_kind.startswith("s3") else 1000  # the S3 of these tests is slow
    reports = [of_watcher(f"c{number:04}") for number in range(count)]
    store.report(reports)
    later = [replace(each, at=NOW + timedelta(seconds=1)) for each in reports]
    store.report(later)
    assert store.reports() == later


def test_hostile_names_stay_apart_and_harm_nothing(store: Any) -> None:
    """Whatever a connection is called, of what instance, and whatever the words."""
    hostile = of_watcher(HOSTILE, name=HOSTILE, instance_id=HOSTILE, body={"why": HOSTILE})
    store.report([hostile, of_watcher(f"{HOSTILE}2", name=HOSTILE), of_watcher()])
    store.report([hostile])
    found = store.reports()
    assert len(found) == 3
    kept = next(each for each in found if each.body["why"].startswith("a';"))
    assert max(map(len, (kept.name, kept.conn_id, kept.instance_id))) <= 250
    assert "\x1b" not in kept.body["why"]
    assert "\\x1b" in kept.body["why"]


def test_body_that_is_too_long_is_cut(quick_store: Any) -> None:
    """An error may quote a whole page; a report has an end."""
    findings = [{"found": "x" * 100_000, "ok": False}] * 40
    quick_store.report([of_watcher(body={"findings": findings}), of_watcher("b", body={"a": ["x"] * 99_999})])
    cut, nothing = quick_store.reports()
    assert len(to_text(cut.body)) <= MAX_BODY
    assert [each["ok"] for each in cut.body["findings"]] == [False] * 40
    assert nothing.body == {}


def test_report_older_than_thirty_days_goes_with_the_next_one(store: Any) -> None:
    """A watcher that was removed is forgotten."""
    store.report([of_watcher(f"{days}", NOW - timedelta(days=days)) for days in (29, 31)])
    store.report([of_watcher("new")])
    assert [each.conn_id for each in store.reports()] == ["29", "new"]


def test_purge_removes_what_was_reported_before(store: Any) -> None:
    """A dry run, and an erasure, remove nothing: a report says nothing of people."""
    with store.open("d/r/t/-1") as opened:
        opened.put(some(1)[0])
    purge(store, timedelta(days=1))  # where nothing was ever reported
    store.report([of_watcher("old", NOW - timedelta(days=9)), of_watcher("new")])
    purge(store, timedelta(days=7), dry_run=True)
    erase(store, ["12025550101@c.us"])
    assert [each.conn_id for each in store.reports()] == ["new", "old"]
    purge(store, timedelta(days=7))
    assert [each.conn_id for each in store.reports()] == ["new"]


def test_report_is_no_part_of_what_a_store_holds(store: Any) -> None:
    """Neither a stream nor a search for dead letters takes it for notifications."""
    store.report([of_watcher()])
    with store.open("d/r/t/-1") as opened:
        opened.put(some(1)[0])
    stream = store.stream()
    assert len(stream.read(0, 10)) == 1
    stream.close()
    assert list(store.dead_letters().all()) == []


def test_report_from_the_future_is_no_last_word(store: Any) -> None:
    """A machine whose clock was a year ahead must not silence its watcher for a year."""
    store.report([of_watcher(at=NOW + timedelta(days=365))])
    store.report([of_watcher(body={"why": "new"})])
    assert [each.body for each in store.reports()] == [{"why": "new"}]


def test_nothing_to_report_needs_no_store() -> None:
    """A fleet of which all is well may have nothing to say."""
    SqlStore("missing").report([])


def test_time_without_a_zone_is_refused() -> None:
    """It would mean another hour on each machine."""
    with pytest.raises(ValueError, match="time zone"):
        of_watcher(at=datetime(2026, 12, 1))


def test_store_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words of its own, without what the database quotes."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", "postgres://nobody:secret@127.0.0.1:1/db")
    for work in (lambda: SqlStore("store").report([of_watcher()]), SqlStore("store").reports):
        with pytest.raises(NotificationStoreError, match="connection 'store'") as caught:
            work()
        assert "secret" not in str(caught.value)


# --- SQL ---


@pytest.mark.parametrize("body", ["no JSON", "[]", ""])
def test_row_that_cant_be_read_hides_no_other(sql_store: Any, body: str) -> None:
    """Somebody repaired a table by hand."""
    sql_store.report([of_watcher("a"), of_watcher("b")])
    view = sql_store._view()
    table = view.reports._table
    view._database.execute(table.update().where(table.c.conn_id == "a").values(body=body))
    view.close()
    assert [each.conn_id for each in sql_store.reports()] == ["b"]


def test_drain_doesnt_make_the_table(sql_store: Any) -> None:
    """After an upgrade, a user who may create no tables drains on."""
    with sql_store.open("d/r/t/-1") as opened:
        opened.put(some(1)[0])
    view = sql_store._view()
    assert not view._database.there_is(view.reports._table)
    view.close()


# --- files ---


def test_files_of_others_are_neither_read_nor_removed(file_store: Any) -> None:
    """A file browser leaves some; and of each report there is one file."""
    files = file_store._view().reports._files
    files.prepare()
    files.create("reports/.DS_Store", [b"not JSON"])
    for seconds in range(3):
        file_store.report([of_watcher(at=NOW + timedelta(seconds=seconds))])
    assert len(file_store.reports()) == 1
    assert len(files.names("reports")) == 2
    assert ".DS_Store" in files.names("reports")


@pytest.mark.parametrize(
    "content",
    [b"no JSON", b"", b"[]", b"\xff", b'{"kind": "watcher"}', b'{"at": 7}', b'{"at": "2026-12-01T00:00:00"}'],
)
def test_file_that_cant_be_read_hides_no_other(file_store: Any, content: bytes) -> None:
    """A disk was full, or another version of this package wrote it."""
    files = file_store._view().reports._files
    file_store.report([of_watcher("a")])
    files.create(f"reports/{'0' * 32}-20261201T000000.000000-00000000.json", [content])
    assert [each.conn_id for each in file_store.reports()] == ["a"]


def test_file_with_more_in_it_is_read(file_store: Any) -> None:
    """A later version may say more, while this one's triggerer is still up."""
    report = of_watcher("a")
    content = to_text(report.as_dict() | {"later": 1}).encode()
    files = file_store._view().reports._files
    files.prepare()
    files.create(f"reports/{report.id}-20261201T000000.000000-00000000.json", [content])
    assert file_store.reports() == [report]


def test_folder_that_cant_be_written_says_so(tmp_path: Any) -> None:
    """A file is in the folder's place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotificationStoreError, match="object storage"):
        ObjectStorageStore(tmp_path / "file").report([of_watcher()])
