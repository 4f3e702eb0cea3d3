"""Personal data goes, does not come back, and nobody else's goes with it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseHook
from sqlalchemy import Engine, event, text

from airflow_green_notify.consume.dead_letters import replay_dead_letters
from airflow_green_notify.consume.erasing import erase, purge
from airflow_green_notify.consume.person import Person
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.files.media_names import media_name
from airflow_green_notify.message import journal_key, message_of
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch
from airflow_green_notify.stores.dead_letter import dead_letter
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.erasing import Wanted
from airflow_green_notify.stores.held import JOURNAL
from airflow_green_notify.stores.object_storage.eraser import FileEraser
from tests.stores.dying_files import Died, DyingFiles

PHONE, LID = "12025550101@c.us", "200000000000042@lid"
OTHER = "12025550102@c.us"
GROUP = "120363025550000042@g.us"
NOW = datetime.now(UTC)


def message(number: int, sender: str, chat: str = GROUP, text: str = "Hello", **options: Any) -> Notification:
    body = {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001, "wid": "12025550199@c.us"},
        "timestamp": 1_700_000_000 + number,
        "idMessage": f"3EB0{number}",
        "senderData": {"chatId": chat, "sender": sender, "senderName": "A name"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
    }
    return Notification(number, body, **options)


def from_journal(notification: Notification) -> Notification:
    """What a backfill would put for the message."""
    found = message_of(notification)
    assert found is not None
    return replace(notification, body=notification.body | {"journalEntry": {}}, key=journal_key(found))


def put(store: Any, *items: Notification, batch_id: str = "dag/run/drain/-1") -> dict[str, Any]:
    with store.open(batch_id, "queue") as opened:
        for each in items:
            assert opened.put(each) is True
    return dict(opened.close())


def bodies(store: Any) -> list[Any]:
    """All that the store holds, in the order of positions."""
    with closing(store.stream()) as stream:
        return [entry.notification.body for _, entry in stream.read(0, 10_000)]


MINE = [message(1, PHONE, PHONE), message(2, PHONE), message(3, OTHER, text="@12025550101, look")]
THEIRS = [message(11, OTHER, OTHER), message(12, OTHER), message(13, OTHER, text="12025550101")]


# --- one person ---


def test_erased_person_is_gone_and_the_others_stay_where_they_were(store: Any) -> None:
    """Rows of the person, and what mentions the person; the others keep positions, and batches are read."""
    batch = put(store, THEIRS[0], *MINE, *THEIRS[1:])
    with closing(store.stream()) as stream:
        before = {entry.notification.key: position for position, entry in stream.read(0, 100)}
    assert erase(store, [PHONE]) == {"notifications": 3, "media": 0}
    with closing(store.stream()) as stream:
        after = {entry.notification.key: position for position, entry in stream.read(0, 100)}
    assert after == {each.key: before[each.key] for each in THEIRS}
    assert [each.body for each in read_batch(batch)] == [each.body for each in THEIRS]
    assert len(read_batch(batch)) == 3
    assert erase(store, [PHONE]) == {"notifications": 0, "media": 0}


def test_person_is_erased_under_the_other_id_too(store: Any) -> None:
    """One row shows whose the LID is; by either id the rows of both go."""
    shown = message(1, LID, PHONE)
    hidden = [message(number, LID) for number in range(2, 5)]
    put(store, *hidden, shown, THEIRS[1])
    assert erase(store, [PHONE])["notifications"] == 4
    assert bodies(store) == [THEIRS[1].body]


def test_dry_run_counts_and_changes_nothing(store: Any) -> None:
    """Neither rows nor tombstones."""
    put(store, *MINE, *THEIRS)
    assert erase(store, [PHONE], dry_run=True) == {"notifications": 3, "media": 0}
    assert purge(store, timedelta(microseconds=1), dry_run=True) == {"notifications": 6, "media": 0}
    assert bodies(store) == [each.body for each in MINE + THEIRS]


def test_log_names_nobody(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It counts."""
    put(store, *MINE)
    with caplog.at_level(logging.INFO, "airflow_green_notify"):
        erase(store, [PHONE])
    assert "Erased 3 notifications of the contacts" in caplog.text
    assert "12025550101" not in caplog.text


def test_open_batch_of_a_drain_goes_on_without_what_was_erased(store: Any) -> None:
    """Its count and its reader tell what is there, and its next puts are stored behind."""
    drain = store.open("dag/run/drain/-1", "queue")
    for each in (MINE[0], THEIRS[0], MINE[1]):
        assert drain.put(each)
    assert erase(store, [PHONE])["notifications"] == 2
    assert drain.put_all([MINE[1], THEIRS[1], MINE[0], THEIRS[2]]) == [False, True, False, True]
    assert drain.put(MINE[2]) is True  # it was not there, so it is no redelivery
    description = drain.close()
    assert description["count"] == 4
    assert [each.body for each in read_batch(description)] == [
        each.body for each in (THEIRS[0], THEIRS[1], THEIRS[2], MINE[2])
    ]


# --- what would come back ---


def test_redelivery_and_backfill_bring_nothing_back(store: Any) -> None:
    """Singly and in a group, in the same batch and in another one, whichever of the two had brought it."""
    queued, backfilled = message(1, PHONE), message(2, PHONE)
    put(store, queued)
    put(store, from_journal(backfilled), batch_id=f"backfill{JOURNAL}")
    in_vain = message(4, PHONE)
    dead = store.open("backfill-that-died", f"queue{JOURNAL}")
    assert dead.put(from_journal(in_vain), {"source": "journal"})
    dead.release()
    assert erase(store, [PHONE])["notifications"] == 3
    for number, each in enumerate((queued, from_journal(queued), from_journal(backfilled))):
        with store.open(f"single-{number}", "queue") as opened:
            assert opened.put(each) is False
            assert opened.put_all([each, THEIRS[number]]) == [False, True]
    with store.open("dag/run/drain/-1", "queue") as opened:
        assert opened.put(backfilled) is False
        assert opened.put_all([backfilled, in_vain, message(3, PHONE)]) == [False, False, True]


def test_attempt_at_an_erased_notification_does_not_begin(store: Any) -> None:
    """It counts as finished, though nothing of it is there; what was never stored is counted from 1."""
    letter, note = dead_letter(MINE[0], {"error_type": "KeyError"})
    with store.open("dead", "queue") as opened:
        assert opened.begin_attempt(MINE[0].key) == 1
        opened.put(letter, note)
    assert erase(store, [PHONE])["notifications"] == 1
    with store.open("dead", "queue") as opened:
        assert opened.begin_attempt(MINE[0].key) == 0
        assert opened.begin_attempt(MINE[1].key) == 1
        assert opened.begin_attempt(MINE[1].key) == 2
        assert opened.put(*dead_letter(MINE[0], {"error_type": "KeyError"})) is False


def test_dead_letter_of_what_was_erased_is_not_kept(store: Any) -> None:
    """A handler may be at work on it when it goes, and fail on it afterwards."""
    put(store, MINE[0])
    with store.open("dag/run/process/-1", "another") as opened:
        assert opened.put(*dead_letter(THEIRS[0], {"task": "dag/process"}))
        assert erase(store, [PHONE])["notifications"] == 1
        assert opened.put(*dead_letter(MINE[0], {"task": "dag/process"})) is False
        assert opened.put(*dead_letter(THEIRS[1], {"task": "dag/process"}))
        assert opened.close()["count"] == 2


@pytest.fixture
def careless_sqlite() -> Iterator[None]:
    """SQLite as it is built in most places; Debian's overwrites what is deleted by itself."""

    def let_it_stand(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA secure_delete=OFF")

    event.listen(Engine, "connect", let_it_stand)
    yield
    event.remove(Engine, "connect", let_it_stand)


@pytest.mark.usefixtures("careless_sqlite")
def test_erased_text_is_not_in_the_file_of_sqlite(make_store: Any, tmp_path: Path) -> None:
    """Also if the connection was lost, and made anew, in the middle of it."""
    store = make_store("sqlite")
    put(store, *(message(number, PHONE, text=f"Secret {number}. " * 50) for number in range(50)))
    with closing(store.eraser()) as eraser:
        eraser.erase(Wanted(), lambda _: eraser._database._give_up_connection())
        (busy, *_) = eraser._database.rows(text("PRAGMA wal_checkpoint(TRUNCATE)"))[0]
    assert busy == 0
    assert b"Secret" not in (tmp_path / "store.db").read_bytes()


def test_mark_for_a_replay_goes_with_its_dead_letter(store: Any) -> None:
    """Those of others stay."""
    with store.open("dag/run/process/-1") as opened:
        for each in (MINE[0], THEIRS[0]):
            assert opened.put(*dead_letter(each, {"task": "dag/process"}))
        opened.close()
    assert replay_dead_letters(store, everything=True) == {"dag/process": 2}
    erase(store, [PHONE])
    with closing(store.dead_letters()) as letters:
        assert letters.to_be_replayed() == {letter.key for letter in letters.all()}
        assert [letter.notification.key for letter in letters.all()] == [THEIRS[0].key]


def test_salt_is_one_for_all_and_another_in_each_store(sql_store: Any) -> None:
    """A tombstone tells nobody who has the key of another sql_store's what it stands for."""
    other = SqlStore("store", table=f"{sql_store.table}2")
    for each in (sql_store, other):
        put(each, MINE[0])
        erase(each, [PHONE])
    with closing(sql_store.eraser()) as one, closing(other.eraser()) as two, closing(other.eraser()) as three:
        salts = [each._tombstones.salt for each in (one, two, three)]
        marks = [each._tombstones.mark_of(MINE[0].key) for each in (one, two)]
        assert one._tombstones.among(marks) == {marks[0]}
    assert salts[0] != salts[1] == salts[2]


# --- at the same time, and cut short ---


def test_erasing_that_dies_goes_on_when_it_is_run_again(sql_store: Any) -> None:
    """Between two pages: what is gone stays gone, what is there is whole, and the rest goes the next time."""
    mine = [message(number, PHONE) for number in range(4500)]
    put_many(sql_store, mine, THEIRS)
    pages: list[int] = []

    def die_at_the_second(entries: Sequence[Entry]) -> None:
        pages.append(len(entries))
        if len(pages) == 2:
            raise Died

    with closing(sql_store.eraser()) as eraser, pytest.raises(Died):
        eraser.erase(
            Wanted(lambda entry: entry.notification.sender == PHONE, {"12025550101"}), die_at_the_second
        )
    assert len(bodies(sql_store)) == 4503 - pages[0]
    assert erase(sql_store, [PHONE])["notifications"] == 4500 - pages[0]
    assert {body["idMessage"] for body in bodies(sql_store)} == {each.id_message for each in THEIRS}
    with sql_store.open("again", "queue") as opened:
        assert opened.put_all(mine) == [False] * 4500


@pytest.fixture(params=["REPEATABLE READ", "READ COMMITTED"])
def isolation(sql_store: Any, request: pytest.FixtureRequest) -> Iterator[None]:
    """What an administrator may have set as the default of MySQL; the others have one."""
    if BaseHook.get_connection("store").conn_type == "mysql":
        run(f"SET GLOBAL TRANSACTION ISOLATION LEVEL {request.param}")
        yield
        run("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    elif request.param == "REPEATABLE READ":
        yield
    else:
        pytest.skip("this database has one")


def run(statement: str) -> None:
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def put_many(store: Any, *groups: list[Notification]) -> None:
    with store.open("many", "queue") as opened:
        for group in groups:
            opened.put_all(group)


def test_puts_at_the_same_time_bring_nothing_back(sql_store: Any, isolation: None) -> None:
    """Several redeliver all the time, singly and in groups; a row that is erased is never seen again."""
    mine = [message(number, PHONE) for number in range(600)]
    put_many(sql_store, mine)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def redeliver(name: int) -> None:
        try:
            with sql_store.open(f"redelivering-{name}", "queue") as opened:
                while not is_over.is_set():
                    outcomes = opened.put_all(mine) if name % 2 else [opened.put(each) for each in mine[:60]]
                    assert {*outcomes} == {False}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=redeliver, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert erase(sql_store, [PHONE])["notifications"] == 600
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert bodies(sql_store) == []


def test_erasing_waits_for_who_keeps_the_lock_and_keeps_no_put_waiting(
    make_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL a VACUUM by hand keeps it for long; a dump of the table does not."""
    monkeypatch.setattr("airflow_green_notify.stores.sql.eraser._PAUSE", 0.1)
    store = make_store("postgres")
    put(store, *MINE)
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    with engine.connect() as dump, ThreadPoolExecutor(1) as other:
        dump.execute(text(f"LOCK TABLE {store.table}, {store.table}_tombstones IN ACCESS SHARE MODE"))
        assert erase(store, ["12025550177@c.us"]) == {"notifications": 0, "media": 0}
        with engine.connect() as vacuum:
            vacuum.execute(text(f"LOCK TABLE {store.table} IN SHARE UPDATE EXCLUSIVE MODE"))
            erased = other.submit(erase, store, [PHONE])
            for number in range(5):
                put(store, message(50 + number, OTHER), batch_id=f"meanwhile-{number}")
                assert not erased.done()
        assert erased.result() == {"notifications": 3, "media": 0}
    engine.dispose()


def test_consumer_on_an_erased_page_goes_on_behind_it(sql_store: Any) -> None:
    """Nothing behind is passed by, and nothing that it has committed comes again."""
    put(sql_store, *THEIRS[:1], *MINE, *THEIRS[1:])
    with closing(sql_store.stream()) as stream:
        page = stream.read(0, 3)
        erase(sql_store, [PHONE])
        assert [entry.notification.key for _, entry in stream.read(0, 3)] == [each.key for each in THEIRS]
        behind = stream.read(page[-1][0], 100)
        assert [entry.notification.key for _, entry in behind] == [each.key for each in THEIRS[1:]]


@pytest.mark.parametrize("after_effect", [False, True])
def test_files_are_whole_wherever_erasing_dies(after_effect: bool, tmp_path: Path) -> None:
    """At each operation: others' lines are there once and in order, and the next run goes on to the end."""
    for operations in range(60):
        store = ObjectStorageStore(tmp_path / str(operations))
        batch = put(store, THEIRS[0], *MINE, THEIRS[1])
        left_open = store.open("open", "queue")
        assert left_open.put_all([message(20, PHONE), THEIRS[2]]) == [True, True]
        files = DyingFiles(LocalFiles(str(tmp_path / str(operations))), operations, after_effect)
        try:
            eraser = FileEraser(files, "here", nullcontext)
            eraser.erase(Wanted(lambda entry: Person([PHONE]).is_named_in(entry.notification.body)), len)
            is_over = True
        except Died:
            is_over = False
        seen = [each.key for each in read_batch(batch)]
        assert [key for key in seen if key in {each.key for each in THEIRS}] == [
            each.key for each in THEIRS[:2]
        ]
        assert len(seen) == len(set(seen)) == len(read_batch(batch))
        erase(store, [PHONE])
        assert [each.key for each in read_batch(batch)] == [each.key for each in THEIRS[:2]]
        with store.open("again", "queue") as opened:
            assert opened.put_all([*MINE, message(20, PHONE)]) == [False] * 4
        assert [each.key for each in read_batch(left_open.close())] == [THEIRS[2].key]
        assert [body["idMessage"] for body in bodies(store)] == [each.id_message for each in THEIRS]
        names = "".join(path.read_text() for path in (tmp_path / str(operations)).rglob("*.ndjson"))
        assert "12025550101@c.us" not in names
        if is_over:
            return
    raise AssertionError("erasing took more operations than were tried")


def test_batch_that_loses_all_is_read_as_empty_and_purged_away(file_store: Any, tmp_path: Path) -> None:
    """The task that was handed it has nothing to do; after a purge it is told that the file is gone."""
    batch = put(file_store, *MINE)
    erase(file_store, [PHONE])
    assert (list(read_batch(batch)), len(read_batch(batch))) == ([], 0)
    old = put(
        file_store, message(5, OTHER, received_at=NOW - timedelta(days=91)), batch_id="dag/old/drain/-1"
    )
    assert purge(file_store, timedelta(days=90))["notifications"] == 1
    with pytest.raises(NotificationStoreError, match="no file any more"):
        list(read_batch(old))


def test_batch_that_lost_lines_is_adopted_with_the_others(file_store: Any) -> None:
    """Whether its file was written anew before the adoption, or behind it and before its end."""
    queue = "gateway/1101000001"
    for number, is_before in enumerate((True, False)):
        mine, theirs = message(30 + number, PHONE), message(40 + number, OTHER)
        with file_store.open(f"dag/dead-{number}/drain/-1", queue) as dead:
            assert dead.put_all([mine, theirs]) == [True, True]
        if is_before:
            erase(file_store, [PHONE])
        adopter = file_store.open(f"dag/next-{number}/drain/-1", queue)
        records = {record.batch_id: record for record in adopter.not_handed_on()}
        adopter.adopt(records[f"dag/dead-{number}/drain/-1"])
        erase(file_store, [PHONE])
        description = adopter.close()
        assert [each.key for each in read_batch(description)] == [theirs.key]
        assert theirs.body in bodies(file_store)
        later = file_store.open(f"dag/later-{number}/drain/-1", queue)
        assert f"dag/dead-{number}/drain/-1" not in {r.batch_id for r in later.not_handed_on()}
        later.release()


# --- an age ---


def test_purge_erases_what_was_received_before(store: Any) -> None:
    """By the time at which it was received, whatever time it bears; and it does not come back."""
    count = 700 if isinstance(store, SqlStore) else 12
    old = [message(number, OTHER, received_at=NOW - timedelta(days=91)) for number in range(count)]
    young = [message(number, OTHER, received_at=NOW - timedelta(days=89)) for number in range(800, 803)]
    put_many(store, old, young)
    assert purge(store, timedelta(days=90)) == {"notifications": count, "media": 0}
    assert {body["idMessage"] for body in bodies(store)} == {each.id_message for each in young}
    with store.open("again", "queue") as opened:
        assert opened.put_all(old) == [False] * count


@pytest.mark.parametrize("older_than", [timedelta(0), timedelta(days=-1), timedelta.max, 90, "90d", None])
def test_age_that_is_none_is_refused(older_than: Any, quick_store: Any) -> None:
    """Nothing is erased by mistake."""
    put(quick_store, THEIRS[0])
    with pytest.raises(GreenApiConfigError, match="older_than"):
        purge(quick_store, older_than)


# --- files of media ---


def with_file(number: int, sender: str, **options: Any) -> Notification:
    told = message(number, sender, **options)
    data = {
        "typeMessage": "imageMessage",
        "fileMessageData": {"downloadUrl": "https://x/y", "fileName": "a.jpg", "jpegThumbnail": "AAAA"},
    }
    return Notification(number, told.body | {"messageData": data}, received_at=told.received_at)


def test_media_of_a_person_go_with_the_rows(quick_store: Any, tmp_path: Path) -> None:
    """In each folder, also under the name that a notification has behind XCom; others' stay."""
    mine, theirs = with_file(1, PHONE), with_file(2, OTHER)
    put(quick_store, mine, theirs)
    through_xcom = Notification.from_dict(mine.as_dict(thumbnails=False))
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        (folder / media_name(theirs)).write_bytes(b"theirs")
    (folders[0] / media_name(mine)).write_bytes(b"mine")
    (folders[1] / media_name(through_xcom)).write_bytes(b"mine")
    assert erase(quick_store, [PHONE], folders, dry_run=True) == {"notifications": 1, "media": 2}
    assert erase(quick_store, [PHONE], folders) == {"notifications": 1, "media": 2}
    assert [path.name for folder in folders for path in folder.iterdir()] == [media_name(theirs)] * 2


def test_media_of_a_dead_letter_are_named_by_what_was_received(quick_store: Any, tmp_path: Path) -> None:
    """It has a key of its own, and its file has not."""
    letter, note = dead_letter(with_file(1, PHONE), {"error_type": "KeyError"})
    with quick_store.open("dead") as opened:
        opened.put(letter, note)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / media_name(with_file(1, PHONE))).write_bytes(b"mine")
    assert erase(quick_store, [PHONE], [tmp_path / "media"]) == {"notifications": 1, "media": 1}


def test_purge_erases_old_files_of_ours_and_no_strangers(quick_store: Any, tmp_path: Path) -> None:
    """Also one whose notification is gone; what has no name of ours is not ours."""
    folder = tmp_path / "media"
    folder.mkdir()
    put(quick_store, THEIRS[0])
    old = (NOW - timedelta(days=100)).timestamp()
    for name, time in ((f"{'a' * 32}.jpg", old), ("budget.xlsx", old), (f"{'b' * 32}.jpg", NOW.timestamp())):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time, time))
    assert purge(quick_store, timedelta(days=90), [folder]) == {"notifications": 0, "media": 1}
    assert {path.name for path in folder.iterdir()} == {"budget.xlsx", f"{'b' * 32}.jpg"}


def test_folder_of_media_that_is_not_there_is_refused(quick_store: Any, tmp_path: Path) -> None:
    """Before anything is erased, since nothing would tell the names of its files afterwards."""
    put(quick_store, MINE[0])
    with pytest.raises(GreenApiConfigError, match="no folder"):
        erase(quick_store, [PHONE], [tmp_path / "typo"])
    assert erase(quick_store, [PHONE])["notifications"] == 1


def test_store_that_is_not_there_is_refused_and_not_made(
    sql_store: Any, tmp_path: Path, make_store: Any
) -> None:
    """A wrong table or path is an error in words."""
    with pytest.raises(NotificationStoreError, match=sql_store.table):
        erase(sql_store, [PHONE])
    with pytest.raises(NotificationStoreError, match=sql_store.table):
        purge(sql_store, timedelta(days=90))
    with pytest.raises(NotificationStoreError, match="nowhere"):
        erase(ObjectStorageStore(tmp_path / "nowhere"), [PHONE])
    assert not (tmp_path / "nowhere").exists()
