"""Group commit into a table: one statement for many rows, and no row that fails for another."""

from __future__ import annotations

import re
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import BaseHook
from sqlalchemy import Engine, event, text

from airflow_green_notify import stopwatch
from airflow_green_notify.emulator import traffic
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.stores.ledger import BatchTaken
from tests.odd_bodies import ODD, PORTABLE
from tests.stores.conftest import body, some
from tests.stores.cutting_proxy import CuttingProxy
from tests.stores.sql.test_store import (  # noqa: F401  # fixtures
    ALTERED,
    CUTS,
    batch_that_was_taken,
    cut_store,
    engine,
    proxy,
    query,
    run,
)

REFUSED = {"messageData": {"textMessageData": {"textMessage": "secret"}}}


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is sent to databases meanwhile."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def alter(store: SqlStore, how: str) -> None:
    """Let the database refuse a row for its text."""
    kind = BaseHook.get_connection("store").conn_type
    trigger = "CREATE TRIGGER check_{0} BEFORE INSERT ON {0} WHEN NEW.text LIKE '%secret%' BEGIN SELECT RAISE"
    also = {"check": {"sqlite": f"{trigger}(ABORT, 'check'); END"}}
    statement = (ALTERED[how] | also.get(how, {})).get(kind)
    if statement is None:
        pytest.skip("this database refuses nothing for it")
    run(statement.format(store.table))


# --- rows ---


def test_rows_of_a_group_are_those_that_put_would_have_written(sql_store: Any) -> None:
    """Column for column, whatever stands in the body, and times to the microsecond.

    Where the database counts arrivals, a group comes in by key.
    """
    bodies = [*PORTABLE.values(), *ODD.values(), *traffic(seed=3, n=60)]
    given = [Notification(number, each) for number, each in enumerate(bodies)]
    other = SqlStore("store", table=f"{sql_store.table}_2")
    with sql_store.open("batch") as together, other.open("batch") as singly:
        assert together.put_all(given) == [singly.put(each) for each in given]
    rows = [query(f"SELECT * FROM {table} ORDER BY sequence") for table in (sql_store.table, other.table)]
    assert len(rows[0]) == len(given)
    for row in (*rows[0], *rows[1]):
        del row["arrival"]  # the database's own; rows of one statement are inserted by key
    assert rows[0] == rows[1]


@pytest.mark.parametrize("table", ['a"b', "a`b", "a:b", "é ж", "order"])
def test_group_goes_into_a_table_of_any_name(table: str, sql_store: Any) -> None:
    """Names are quoted in this statement too."""
    store = SqlStore("store", table=f"{table}{sql_store.table[:8]}")
    with store.open("batch") as opened:
        assert opened.put_all(some(3)) == [True] * 3


def test_group_is_one_statement(sql_store: Any, statements: list[str]) -> None:
    """Opening apart, twenty rows cost a round trip."""
    with sql_store.open("batch") as opened:
        opened.put(some(1)[0])
        del statements[:]
        assert opened.put_all(some(20, start=1)) == [True] * 20
        assert len(statements) == 1


def test_group_of_large_bodies_is_cut_into_statements(sql_store: Any, statements: list[str]) -> None:
    """A server takes a packet of a certain size, and no more."""
    given = [Notification(n, body(n, text="ж" * 300_000)) for n in range(10)]
    with sql_store.open("batch") as opened:
        assert opened.put_all(given) == [True] * 10
    inserts = [each for each in statements if each.startswith("INSERT") and "SELECT v." in each]
    assert len(inserts) == 3
    assert [n.key for n in read_batch(opened.close())] == [n.key for n in given]


def test_group_on_sqlite_has_parameters_for_every_version_in_the_order_of_keys(make_store: Any) -> None:
    """Versions before 3.32 take 999 of them; and two writers of the same rows meet them in the same order."""
    sent: list[tuple[Any, ...]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "UNION ALL" in statement:
            sent.append(parameters)

    given = some(100)
    with make_store("sqlite").open("batch") as opened:
        event.listen(Engine, "before_cursor_execute", note)
        assert opened.put_all(given) == [True] * 100
        event.remove(Engine, "before_cursor_execute", note)
    assert all(len(parameters) <= 999 for parameters in sent)
    keys = [[value for value in parameters if value in {n.key for n in given}] for parameters in sent]
    assert sum(map(len, keys)) > 90
    assert all(each == sorted(each) for each in keys)


# --- the batch is another's ---


def test_group_into_a_batch_that_was_taken_stores_nothing_and_says_so_of_each(
    sql_store: Any, statements: list[str]
) -> None:
    """However many statements it would have been; what is there is there."""
    given = some(250)
    frozen: Any = batch_that_was_taken(sql_store, given[0])
    del statements[:]
    outcomes = frozen.put_all(given)
    assert len(statements) < 10
    assert outcomes[0] is False
    assert [type(each) for each in outcomes[1:]] == [BatchTaken] * 249
    assert query(f"SELECT count(*) AS n FROM {sql_store.table}") == [{"n": 1}]
    assert frozen.put_all(given[1:3]) == [True, True]
    frozen.release()


def test_group_of_a_try_whose_batch_another_try_opened_stores_nothing(sql_store: Any) -> None:
    """The retry of a task goes on with the batch; the try before it wakes."""
    given = some(5)
    frozen, retried = sql_store.open("batch"), sql_store.open("batch")
    assert frozen.put_all(given[:2]) == [True, True]
    assert retried.put_all(given[2:3]) == [True]
    assert [type(each) for each in frozen.put_all(given[3:])] == [BatchTaken] * 2
    assert query(f"SELECT count(*) AS n FROM {sql_store.table}") == [{"n": 3}]
    frozen.release()
    retried.release()


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_group_waits_for_who_is_about_to_take_the_batch(kind: str, make_store: Any) -> None:
    """An adopter that is about to commit has the batch: what was stored now, nobody would read."""
    store = make_store(kind)
    given = some(6)
    opened = store.open("batch")
    assert opened.put_all(given[:2]) == [True, True]
    outcomes: list[Any] = []
    with engine() as other, other.connect() as connection:
        taking = connection.begin()
        connection.execute(text(f"UPDATE {store.table}_batches SET state = 'adopted'"))
        putting = threading.Thread(target=lambda: outcomes.extend(opened.put_all(given[2:])))
        putting.start()
        putting.join(0.3)
        taking.commit()
    putting.join()
    assert [type(each) for each in outcomes] == [BatchTaken] * 4
    assert query(f"SELECT count(*) AS n FROM {store.table}") == [{"n": 2}]
    opened.release()


# --- what a database refuses ---


@pytest.mark.parametrize("how", ["check", "unique", "cast"])
def test_row_that_the_database_refuses_fails_alone(how: str, sql_store: Any) -> None:
    """For whatever a person did to the table; the others are stored in order, and nobody's text is shown."""
    texts = ["7", "secret", "8", "secret", "9"]
    given = [Notification(n, body(n, messageData=_text(each))) for n, each in enumerate(texts)]
    opened = sql_store.open("batch")
    alter(sql_store, how)
    if how == "unique":
        assert opened.put(Notification(9, body(9, messageData=_text("secret"))))
    outcomes = opened.put_all(given)
    stored = [n.key for n, outcome in zip(given, outcomes, strict=True) if outcome is True]
    assert stored == [given[0].key, given[2].key, given[4].key]
    refused = [outcome for outcome in outcomes if isinstance(outcome, NotificationStoreError)]
    assert len(refused) == 2
    for error in refused:
        assert re.search(r": \w+Error( \(\w+\))?: \w+", str(error))
        assert "secret" not in "".join(traceback.format_exception(error))
    assert [n.key for n in read_batch(opened.close())][-3:] == stored


def _text(text: str) -> dict[str, Any]:
    return {"textMessageData": {"textMessage": text}}


def test_queue_keeps_its_order_behind_a_row_that_was_refused(sql_store: Any) -> None:
    """Also where a later statement of the same call is refused nothing."""
    given = [Notification(n, body(n)) for n in range(450)]
    given[3] = Notification(3, body(3, messageData=_text("secret")))
    opened = sql_store.open("batch")
    alter(sql_store, "check")
    outcomes = opened.put_all(given)
    assert [number for number, outcome in enumerate(outcomes) if outcome is not True] == [3]
    found = [n.key for n in read_batch(opened.close())]
    assert found == [n.key for n in given if n is not given[3]]


def test_body_above_the_packet_of_a_server_fails_alone(make_store: Any, statements: list[str]) -> None:
    """MariaDB hangs up on it."""
    store = make_store("mariadb")
    first, last = some(2)
    large = Notification(3, body(3, text="x" * 17_000_000))
    with store.open("batch") as opened:
        outcomes = opened.put_all([first, large, last])
    assert (outcomes[0], outcomes[2]) == (True, True)
    assert "max_allowed_packet" in str(outcomes[1])


def test_failures_that_take_long_are_not_waited_for_one_by_one(
    sql_store: Any, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    """As when another holds a lock: the rest fails with the same words, untried."""
    now = [0.0]

    def clocks() -> tuple[float, float]:
        now[0] += 3.0
        return now[0], now[0]

    given = [Notification(n, body(n, messageData=_text("secret"))) for n in range(40)]
    opened = sql_store.open("batch")
    alter(sql_store, "check")
    monkeypatch.setattr(stopwatch, "_clocks", clocks)
    outcomes = opened.put_all(given)
    assert all(isinstance(each, NotificationStoreError) for each in outcomes)
    assert sum("INSERT" in each for each in statements) < 10
    opened.release()


# --- the connection ---


@CUTS
def test_connection_cut_during_a_group_is_settled_on_a_new_one(
    cut: Any,
    proxy: CuttingProxy,  # noqa: F811
    cut_store: Any,  # noqa: F811
) -> None:
    """What is new is told rightly, whether or not the lost statement had its effect."""
    given = some(6)
    with cut_store.open("batch") as opened:
        assert opened.put_all(given[:2]) == [True, True]
        proxy.cut = cut
        assert opened.put_all(given[1:5]) == [False, True, True, True]
        proxy.cut = cut
        assert opened.put_all(given) == [False] * 5 + [True]
        assert opened.put_all(given) == [False] * 6
    assert [n.key for n in read_batch(opened.close())] == [n.key for n in given]


@CUTS
def test_connection_cut_during_the_group_of_a_try_whose_batch_was_taken_stores_nothing(
    cut: Any,
    proxy: CuttingProxy,  # noqa: F811
    cut_store: Any,  # noqa: F811
) -> None:
    """The repeated statement is guarded as the first one."""
    given = some(4)
    frozen: Any = batch_that_was_taken(cut_store, given[0])
    proxy.cut = cut
    assert [type(each) for each in frozen.put_all(given[1:])] == [BatchTaken] * 3
    frozen.release()
    assert query(f"SELECT count(*) AS n FROM {cut_store.table}") == [{"n": 1}]


def test_database_that_is_away_is_not_asked_for_each(
    proxy: CuttingProxy,  # noqa: F811
    cut_store: Any,  # noqa: F811
) -> None:
    """All fail with the same words after a few tries, and are stored when it is back."""
    given = some(250)
    opened = cut_store.open("batch")
    assert opened.put_all(given[:2]) == [True, True]
    proxy.is_away, proxy.cut = True, "before"
    outcomes = opened.put_all(given[2:])
    assert Counter(map(str, outcomes)) == {str(outcomes[0]): 248}
    assert isinstance(outcomes[0], NotificationStoreError)
    assert proxy.hung_up < 5
    proxy.is_away = False
    assert opened.put_all(given[2:]) == [True] * 248
    opened.release()


# --- leases ---


def test_leases_of_a_fleet_are_renewed_and_released_in_one_statement(
    sql_store: Any, statements: list[str]
) -> None:
    """And taken in a few, however many there are."""
    queues = [f"queue {number}" for number in range(100)]
    opened = sql_store.open("batch")
    for most, ask in (
        (6, lambda: opened.leases.take_leases(queues, "one", 20)),
        (3, lambda: opened.leases.take_leases(queues, "one", 20)),
        (1, lambda: opened.leases.renew_leases(queues, "one", 20)),
        (1, lambda: opened.leases.release_leases(queues, "one")),
    ):
        del statements[:]
        ask()
        assert len([each for each in statements if "leases" in each]) <= most
    opened.release()


@CUTS
def test_connection_cut_while_leases_are_asked_for_is_made_anew(
    cut: Any,
    proxy: CuttingProxy,  # noqa: F811
    cut_store: Any,  # noqa: F811
) -> None:
    """What a lost statement did, and what a repeated one finds, is told rightly of each queue."""
    queues = [f"queue {number}" for number in range(6)]
    one, two = cut_store.open("one"), cut_store.open("two")
    two.leases.take_leases(queues[4:], "two", 20)
    for words in (b"UPDATE", b"INSERT", b"SELECT"):
        proxy.words, proxy.cut = words, cut
        taken = one.leases.take_leases(queues, "one", 20)
        assert [holder for holder, _ in taken.values()] == ["one"] * 4 + ["two"] * 2
        proxy.words, proxy.cut = b"", cut
        assert one.leases.renew_leases(queues, "one", 20) == {*queues[:4]}
    proxy.cut = cut
    one.leases.release_leases(queues, "one")
    assert two.leases.take_leases(queues, "two", 20)[queues[0]] == ("two", "one")
    one.release()
    two.release()


def test_leases_that_another_waits_for_in_another_order_are_taken(make_store: Any) -> None:
    """PostgreSQL ends a circle of waiting by undoing one of the two, and that one is repeated."""
    store = make_store("postgres")
    opened = store.open("batch")
    queues = ["queue 1", "queue 2"]
    opened.leases.take_leases(queues, "one", 20)
    opened.leases.release_leases(queues, "one")
    taken: dict[str, Any] = {}
    with engine() as other, other.connect() as connection:
        holding = connection.begin()
        connection.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        touched = f"UPDATE {store.table}_leases SET expires_at = 0 WHERE queue = "
        connection.execute(text(f"{touched}'queue 2'"))
        taking = threading.Thread(target=lambda: taken.update(opened.leases.take_leases(queues, "two", 20)))
        taking.start()
        while not connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
            assert taking.is_alive()
        connection.execute(text(f"{touched}'queue 1'"))
        holding.commit()
    taking.join()
    assert taken == dict.fromkeys(queues, ("two", "one"))
    opened.release()
