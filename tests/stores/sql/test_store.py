"""The SQL store: its table, its connection, and what goes wrong there."""

from __future__ import annotations

import gc
import json
import multiprocessing
import re
import resource
import traceback
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseHook
from sqlalchemy import Engine, inspect, text

from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.stores.ledger import BatchTaken
from airflow_green_notify.stores.sql.errors import without_values
from tests.stores.conftest import body, some
from tests.stores.cutting_proxy import CuttingProxy

DESIGNED_COLUMNS = {
    "key", "batch_id", "instance_id", "type_webhook", "type_message", "notified_at", "received_at", "chat_id",
    "sender", "sender_name", "id_message", "text", "status", "download_url", "file_name", "mime_type",
    "quoted_id", "note", "body", "sequence", "chat", "arrival", "position",
}  # fmt: skip


@contextmanager
def engine() -> Iterator[Engine]:
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    yield engine
    engine.dispose()


def query(sql: str) -> list[dict[str, Any]]:
    with engine() as opened, opened.connect() as connection:
        return [dict(row) for row in connection.execute(text(sql)).mappings()]


def run(*statements: str) -> None:
    with engine() as opened, opened.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_table_has_the_designed_columns_keyed_by_key(sql_store: SqlStore) -> None:
    """Anyone can query the table: the columns are those of as_row, with indexes for batches and readers."""
    sql_store.open("batch").close()
    with engine() as opened:
        inspector = inspect(opened)
        assert {column["name"] for column in inspector.get_columns(sql_store.table)} == DESIGNED_COLUMNS
        assert inspector.get_pk_constraint(sql_store.table)["constrained_columns"] == ["key"]
        indexes = {tuple(index["column_names"]) for index in inspector.get_indexes(sql_store.table)}
        assert indexes - {("arrival",)} == {  # MySQL has one on what it counts
            ("batch_id",),
            ("chat", "position"),
            ("position", "arrival"),
            ("received_at", "position"),
        }


def test_row_of_odd_text_keeps_all_in_body_and_what_fits_in_columns(sql_store: SqlStore) -> None:
    """NUL and lone surrogates are U+FFFD in columns; body has them, and them alone, as JSON escapes."""
    odd = Notification(1, body(1, senderData={"senderName": "a\0b\ud800c \U0001f600 ж"}))
    with sql_store.open("batch") as opened:
        opened.put(odd)
    (row,) = query(f"SELECT sender_name, body FROM {sql_store.table}")
    assert row["sender_name"] == "a\ufffdb\ufffdc \U0001f600 ж"
    assert "a\\u0000b\\ud800c \U0001f600 ж" in row["body"]
    assert json.loads(row["body"]) == odd.body


def test_times_are_stored_in_utc_to_the_microsecond(sql_store: SqlStore) -> None:
    """Where the database has no time zones, what stands there is UTC."""
    east = timezone(timedelta(hours=5))
    received = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=east)
    with sql_store.open("batch") as opened:
        opened.put(Notification(1, body(1), received_at=received))
    (row,) = query(f"SELECT received_at, notified_at FROM {sql_store.table}")
    assert as_utc(row["received_at"]) == received.astimezone(UTC)
    assert as_utc(row["notified_at"]) == datetime.fromtimestamp(1_700_000_001, UTC)


def as_utc(value: datetime | str) -> datetime:
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def test_table_in_a_named_schema(sql_store: SqlStore, request: pytest.FixtureRequest) -> None:
    """``schema.table`` names a table outside the default schema."""
    schema = {"sqlite": "main", "mysql": "store"}.get(BaseHook.get_connection("store").conn_type, "landing")
    if schema == "landing":
        run("CREATE SCHEMA IF NOT EXISTS landing")
    store = SqlStore("store", table=f"{schema}.{sql_store.table}")
    with store.open("batch") as opened:
        assert [opened.put(n) for n in some(2)] == [True, True]
        assert opened.begin_attempt("a") == 1
    assert len(list(read_batch(opened.close()))) == 2
    assert query(f"SELECT count(*) AS n FROM {schema}.{sql_store.table}") == [{"n": 2}]


def test_table_created_by_many_at_once_is_created_once(sql_store: SqlStore) -> None:
    """Losing the race to create the table is harmless."""
    with ThreadPoolExecutor(6) as openers:
        counts = list(openers.map(lambda n: sql_store.open(f"batch-{n}").close()["count"], range(6)))
    assert counts == [0] * 6


def test_table_of_something_else_is_refused(sql_store: SqlStore) -> None:
    """A table that isn't a store's is left alone, and the error says to name another."""
    run(f"CREATE TABLE {sql_store.table} (id INTEGER PRIMARY KEY, body VARCHAR(10))")
    with pytest.raises(NotificationStoreError, match=r"not a store of notifications.*lacks.*batch_id"):
        sql_store.open("batch")


def test_store_that_is_refused_leaves_no_connection_open(sql_store: SqlStore) -> None:
    """A task that is tried again and again doesn't use up the database's connections."""
    run(f"CREATE TABLE {sql_store.table} (id INTEGER PRIMARY KEY, body VARCHAR(10))")
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(NotificationStoreError):
            sql_store.open("batch")
        gc.collect()
    assert not [str(each.message) for each in caught if each.category is ResourceWarning]


def test_table_without_its_primary_key_is_refused(sql_store: SqlStore) -> None:
    """A table copied without its key would keep everything twice."""
    columns = ", ".join(
        f"{'`key`' if n == 'key' and is_mysql() else n} VARCHAR(10)" for n in DESIGNED_COLUMNS
    )
    run(f"CREATE TABLE {sql_store.table} ({columns})")
    with pytest.raises(NotificationStoreError, match="primary key"):
        sql_store.open("batch")


def is_mysql() -> bool:
    return BaseHook.get_connection("store").conn_type == "mysql"


WRONG_TABLES = ["", " ", "x.", ".x", "a..b", "%(a)s", "a%b", "a\0b", "a\nb", "\ud800", None, 5, Path("x")]


@pytest.mark.parametrize("table", WRONG_TABLES, ids=ascii)
def test_table_name_that_is_none_is_refused_where_the_dag_is_parsed(table: Any) -> None:
    """The text names the argument, what it was and what is allowed."""
    with pytest.raises(ValueError, match=r"table is '.*'; it must be the name of a table, or schema.table"):
        SqlStore("store", table=table)


@pytest.mark.parametrize("table", WRONG_TABLES, ids=ascii)
def test_table_name_that_a_template_hid_fails_without_a_retry(table: Any) -> None:
    """What was rendered is judged before any connection is made, and no retry fixes it."""
    store = SqlStore("absent", table="{{ params.table }}")
    store.table = table
    for use in (lambda: store.open("batch"), store.unconfirmed_batches):
        with pytest.raises(GreenApiConfigError, match="it must be the name of a table"):
            use()


@pytest.mark.parametrize("table", ["Robert'); DROP TABLE x;--", 'a"b', "a`b", "a:b", ":a", "é ж", "x" * 40])
def test_table_name_of_any_other_text_is_a_table(sql_store: SqlStore, table: str) -> None:
    """Names are quoted, whatever they look like."""
    store = SqlStore("store", table=f"{table}{sql_store.table[:8]}")
    with store.open("batch") as opened:
        assert opened.put(some(1)[0])
    assert len(read_batch(opened.close())) == 1


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (None, "absent"),
        ({"conn_type": "http", "host": "127.0.0.1"}, "no SQL database"),
        ({"conn_type": "sqlite", "host": "/nowhere/at/all.db"}, "unable to open"),
        (
            {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "password": "topsecret"},
            "Is the database up",
        ),
    ],
)
def test_connection_that_cant_be_used_says_so(
    connection: dict[str, Any] | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong connection is an error of the store that names it, and shows no password."""
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_ABSENT", json.dumps(connection))
    with pytest.raises(NotificationStoreError, match=words) as raised:
        SqlStore("absent").open("batch")
    assert raised.value.retryable
    assert "absent" in str(raised.value)
    assert "topsecret" not in "".join(traceback.format_exception(raised.value))


def test_error_shows_no_text_of_a_notification(sql_store: SqlStore) -> None:
    """The error of a put names what happened without quoting the conversation."""
    private = Notification(1, body(1, senderData={"senderName": "word " * 3}))
    opened = sql_store.open("batch")
    run(f"DROP TABLE {sql_store.table}")
    with pytest.raises(NotificationStoreError) as raised:
        opened.put(private)
    opened.release()
    assert sql_store.table in str(raised.value)
    assert "word word word" not in "".join(traceback.format_exception(raised.value))


ALTERED = {
    "unique": {
        "sqlite": "CREATE UNIQUE INDEX one_{0} ON {0} (text)",
        "postgres": "CREATE UNIQUE INDEX one_{0} ON {0} (text)",
        "mysql": "CREATE UNIQUE INDEX one_{0} ON {0} (text(200))",
    },
    "type": {
        "postgres": "ALTER TABLE {0} ALTER COLUMN text TYPE integer USING 0",
        "mysql": "ALTER TABLE {0} MODIFY text INTEGER",
    },
    "cast": {
        "postgres": "CREATE INDEX number_{0} ON {0} (CAST(text AS integer))",
    },
    "check": {
        "postgres": "ALTER TABLE {0} ADD CHECK (text NOT LIKE '%secret%')",
        "mysql": "ALTER TABLE {0} ADD CHECK (text NOT LIKE '%secret%')",
    },
}
"""What a person may have done to the table, where that database refuses a row for it."""


@pytest.mark.parametrize("altered", ALTERED.values(), ids=ALTERED)
def test_error_of_a_table_that_was_altered_shows_no_text_of_a_notification(
    altered: dict[str, str], sql_store: SqlStore
) -> None:
    """Databases quote the row, or the value, that they refuse: in the error, behind it, and in its cause."""
    statement = altered.get(BaseHook.get_connection("store").conn_type)
    if statement is None:
        pytest.skip("this database refuses nothing for it")
    text = {"textMessage": "it's a private 'secret' \"secret\""}
    given = [Notification(n, body(n, messageData={"textMessageData": text})) for n in range(2)]
    opened = sql_store.open("batch")
    run(statement.format(sql_store.table))
    with pytest.raises(NotificationStoreError) as raised:
        list(map(opened.put, given))
    opened.release()
    shown = "".join(traceback.format_exception(raised.value))
    assert "secret" not in shown
    assert "private" not in shown
    assert re.search(r": \w+Error( \(\w+\))?: \w+", str(raised.value))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ('invalid input syntax for type integer: "it\'s "mine""', "invalid input syntax for type integer: …"),
        ('value "mine" is out of range for type integer', "value …"),
        ('null value in column "x" of relation "y"', 'null value in column "x" of relation "y"'),
        ('key value violates unique constraint "x"', 'key value violates unique constraint "x"'),
        ("Duplicate entry 'it's 'mine'' for key 'one_text'", "Duplicate entry … for key 'one_text'"),
        ("Duplicate entry 'mine' for key 'it's' for key 'x'", "Duplicate entry … for key 'x'"),
        ("Duplicate entry 'a' for column mine' for key 'x'", "Duplicate entry … for key 'x'"),
        ("Bad value: 'mine' for column `b` at row 1", "Bad value: … for column `b` at row 1"),
        ("Incorrect string value: '\\xD0\\x9F' for column `b`", "Incorrect string value: … for column `b`"),
        ("Truncated incorrect DOUBLE value: 'mine'", "Truncated incorrect DOUBLE value: …"),
        ("An error in your SQL syntax near 'mine' at line 1", "An error in your SQL syntax near …"),
        ("Data too long for column 'text' at row 1", "Data too long for column 'text' at row 1"),
        ("UNIQUE constraint failed: t.text", "UNIQUE constraint failed: t.text"),
        ('connection to "x" failed: refused.', 'connection to "x" failed: refused'),
    ],
)  # fmt: skip
def test_values_are_left_out_of_what_databases_say(words: str, shown: str) -> None:
    """Names of columns, keys and constraints stay: they say what to fix."""
    assert without_values(f"{words}\nDETAIL:  Key (text)=(mine) already exists.") == shown


@pytest.fixture(params=["postgres", "mariadb"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[CuttingProxy]:
    """What stands between the connection ``store`` and each server in turn."""
    connection = json.loads(request.getfixturevalue(f"{request.param}_connection"))
    proxy = CuttingProxy(connection["port"])
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection | {"port": proxy.port}))
    yield proxy
    proxy.close()


@pytest.fixture
def cut_store(proxy: CuttingProxy) -> SqlStore:
    return SqlStore("store", table=f"cut_{uuid.uuid4().hex}")


CUTS = pytest.mark.parametrize("cut", ["before", "after"])
"""Before the statement reaches the server, as after an idle time; or when it had its effect."""


@CUTS
def test_connection_cut_during_put_is_settled_on_a_new_one(
    cut: Any, proxy: CuttingProxy, cut_store: SqlStore
) -> None:
    """The put says rightly whether the notification is new, with and without a cut."""
    first, second = some(2)
    with cut_store.open("batch") as opened:
        assert opened.put(first)
        proxy.cut = cut
        assert opened.put(second) is True
        assert opened.put(second) is False
        proxy.cut = cut
        assert opened.put(Notification(2, second.body)) is False
    assert [n.key for n in read_batch(opened.close())] == [first.key, second.key]


def batch_that_was_taken(store: SqlStore, notification: Notification) -> SqlStore:
    """The batch of a task that stood still while a later run adopted it, with all that it had put."""
    frozen = store.open("dag/run-1/task/-1", "queue")
    frozen.put(notification)
    with store.open("dag/run-2/task/-1", "queue") as adopter:
        for record in adopter.not_handed_on():
            adopter.adopt(record)
    return frozen


def test_put_into_a_batch_that_was_taken_stores_nothing_and_says_so(sql_store: SqlStore) -> None:
    """A drain would otherwise delete what is stored nowhere."""
    first, second = some(2)
    frozen = batch_that_was_taken(sql_store, first)
    with pytest.raises(BatchTaken):
        frozen.put(second)
    frozen.release()
    assert query(f"SELECT count(*) AS n FROM {sql_store.table}") == [{"n": 1}]


@CUTS
def test_connection_cut_during_the_put_of_a_try_whose_batch_was_taken_stores_nothing(
    cut: Any, proxy: CuttingProxy, cut_store: SqlStore
) -> None:
    """The repeated statement is guarded as the first one."""
    first, second = some(2)
    frozen = batch_that_was_taken(cut_store, first)
    proxy.cut = cut
    with pytest.raises(BatchTaken):
        frozen.put(second)
    frozen.release()
    assert query(f"SELECT count(*) AS n FROM {cut_store.table}") == [{"n": 1}]


@CUTS
def test_connection_cut_before_the_end_of_a_batch_is_made_anew(
    cut: Any, proxy: CuttingProxy, cut_store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing, and finishing an attempt, are repeated; nobody is said to have taken the batch."""
    (notification,) = some(1)
    with cut_store.open("batch") as opened:
        opened.put(notification)
        assert opened.begin_attempt("key") == 1
        proxy.cut = cut
        opened.finish("key")
        assert opened.begin_attempt("key") == 0
        proxy.cut = cut
    assert opened.close()["count"] == 1
    assert not caplog.records


@pytest.mark.parametrize("number", [1, 2])
def test_connection_idle_before_an_attempt_is_made_anew(
    number: int, proxy: CuttingProxy, cut_store: SqlStore
) -> None:
    """The attempt is counted once."""
    with cut_store.open("batch") as opened:
        for before in range(1, number):
            assert opened.begin_attempt("key") == before
        proxy.cut = "before"
        assert opened.begin_attempt("key") == number
        assert opened.begin_attempt("key") == number + 1


@CUTS
@pytest.mark.parametrize("number", [1, 2])
def test_connection_cut_while_an_attempt_is_counted_counts_it_at_most_once(
    cut: Any, number: int, proxy: CuttingProxy, cut_store: SqlStore
) -> None:
    """If the count was lost the attempt doesn't begin; if its answer was lost it does."""
    with cut_store.open("batch") as opened:
        assert opened.begin_attempt("another") == 1  # the store has its salt by now
        for before in range(1, number):
            assert opened.begin_attempt("key") == before
        proxy.cut, proxy.words = cut, b"INSERT" if number == 1 else b"UPDATE"
        if cut == "before":
            with pytest.raises(NotificationStoreError) as raised:
                opened.begin_attempt("key")
            assert raised.value.retryable
        assert opened.begin_attempt("key") == number
        assert opened.begin_attempt("key") == number + 1


def test_reading_a_batch_keeps_nobody_from_writing(sql_store: SqlStore) -> None:
    """A task may write to the database it reads a batch from while it reads."""
    with sql_store.open("batch") as opened:
        for notification in some(3):
            opened.put(notification)
    run(f"CREATE TABLE {sql_store.table}_typed (n INTEGER)")
    for number, _ in enumerate(read_batch(opened.close())):
        run(f"INSERT INTO {sql_store.table}_typed VALUES ({number})")
    assert query(f"SELECT count(*) AS n FROM {sql_store.table}_typed") == [{"n": 3}]


def test_batch_of_many_pages_is_read_in_order(sql_store: SqlStore) -> None:
    """More rows than fit in a page come back in queue order, those received at the same moment too."""
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    given = [Notification(n, body(n), received_at=moment + timedelta(seconds=n // 4)) for n in range(250)]
    with sql_store.open("batch") as opened:
        for notification in given:
            opened.put(notification)
    found = list(read_batch(opened.close()))
    assert [n.key for n in found] == [n.key for n in given]


def _put_all(connection: str, table: str, batch_id: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_STORE", connection)
        with SqlStore("store", table=table).open(batch_id) as opened:
            return sum(opened.put(notification) for notification in some(150))


def test_processes_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """Two processes that write to one SQLite file at once fail on no lock and keep each notification once."""
    connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        stored = list(processes.map(_put_all, [connection] * 2, ["shared"] * 2, ["one", "two"]))
    assert sum(stored) == 150


def test_full_disk_is_an_error_and_the_put_after_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What didn't fit isn't said to be stored; once there is room, the same put succeeds."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    large = Notification(1, body(1, text="x" * 500_000))
    with SqlStore("store").open("batch") as opened:
        with file_size_limited(300_000), pytest.raises(NotificationStoreError, match="disk"):
            opened.put(large)
        assert opened.put(large) is True
    assert [n.body for n in read_batch(opened.close())] == [large.body]


@contextmanager
def file_size_limited(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_attempts_begun_at_once_are_all_counted(sql_store: SqlStore) -> None:
    """Consumers that begin the same key at once count it each."""

    def begin(number: int) -> int:
        with sql_store.open(f"batch-{number}") as opened:
            return opened.begin_attempt("key")

    with ThreadPoolExecutor(4) as consumers:
        assert all(consumers.map(begin, range(8)))
    with sql_store.open("batch") as opened:
        assert opened.begin_attempt("key") == 9
