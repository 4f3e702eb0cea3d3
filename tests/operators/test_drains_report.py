"""What drains, fleets and handlers leave in the report of their store, whatever they end by."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.drain_record import DrainRecord
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.drains import SqlDrains
from airflow_green_notify.stores.sql.tables import StoreTables

EVER = datetime(2020, 1, 1, tzinfo=UTC)


class TaskInstance:
    """What operators read of a task instance."""

    dag_id, run_id, task_id, map_index = "dag", "run", "drain", -1
    try_number = 1


@pytest.fixture(params=("sqlite", "files"))
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store of each kind."""
    if request.param == "files":
        return ObjectStorageStore(tmp_path / "store")
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


def drain(store: Any, **arguments: Any) -> dict[str, Any]:
    operator = GreenApiDrainNotificationsOperator(
        task_id="drain", store=store, **({"receive_timeout": 0.2} | arguments)
    )
    return operator.execute({"ti": TaskInstance})  # type: ignore[arg-type]


def process(store: Any, handler: Any, **arguments: Any) -> dict[str, Any]:
    operator = GreenApiProcessNotificationsOperator(
        task_id="drain", handler=handler, dead_letter=store, receive_timeout=0.2, **arguments
    )
    return operator.execute({"ti": TaskInstance})  # type: ignore[arg-type]


def only(store: Any) -> DrainRecord:
    [record] = store.drains(EVER)
    return record  # type: ignore[no-any-return]


def test_drain_leaves_what_it_told(green_api_connection: GreenApiEmulator, store: Any) -> None:
    """The record says what the task's own report says, and which task and instance that was."""
    green_api_connection.push(*traffic(seed=1, n=5))
    before = datetime.now(UTC)
    report = drain(store)["report"]
    record = only(store)
    assert (record.received, record.stored, record.duplicates, record.deleted) == (5, 5, 0, 5)
    assert (record.stopped_by, record.error, record.oldest_age) == ("empty", "", report["oldest_age"])
    assert (record.batch_id, record.conn_id) == ("dag/run/drain/-1", "green_api_default")
    assert record.instance_id == green_api_connection.id_instance
    assert before <= record.began_at <= record.ended_at <= datetime.now(UTC)
    assert record.ended_at - record.began_at == timedelta(seconds=report["seconds"])


def test_drain_that_gives_way_says_so(green_api_connection: GreenApiEmulator, store: Any) -> None:
    """A queue that somebody else reads all the time is worth knowing of."""
    with store.open("other/run/drain/-1") as other:
        queue = f"127.0.0.1:{green_api_connection.url.rpartition(':')[2]}/{green_api_connection.id_instance}"
        other.leases.take_leases([queue], "another (try 1) x", 60.0)
        drain(store, wait_for_reader=0)
    assert (only(store).stopped_by, only(store).received) == ("another_reader", 0)


def test_drain_that_fails_leaves_its_error_without_the_token(
    green_api_connection: GreenApiEmulator, store: Any
) -> None:
    """Somebody on call reads why, and what came in before."""
    green_api_connection.push(*traffic(seed=1, n=3))
    green_api_connection.fault("status", method="receiveNotification", status=401, after=2, times=None)
    with pytest.raises(Exception, match="401"):
        drain(store)
    record = only(store)
    assert record.stopped_by == "error"
    assert "401" in record.error
    assert green_api_connection.api_token not in record.error
    assert record.stored == 2


def test_fleet_leaves_a_record_for_each_instance(
    green_api_connection: GreenApiEmulator, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is refused and the one without a connection have theirs, beside those that went well."""
    second = green_api_connection.add_instance()
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", second.connection)
    refused = json.loads(second.connection) | {"login": "1101999999", "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_REFUSED", json.dumps(refused))
    green_api_connection.push(*traffic(seed=1, n=4))
    second.push(*traffic(seed=2, n=3))
    drain(
        store,
        green_api_conn_id=["green_api_default", "second", "refused", "missing"],
        on_instance_error="warn",
    )
    records = {record.conn_id: record for record in store.drains(EVER)}
    assert {name: record.stored for name, record in records.items()} == {
        "green_api_default": 4,
        "second": 3,
        "refused": 0,
        "missing": 0,
    }
    assert records["second"].instance_id == second.id_instance
    assert (records["refused"].stopped_by, records["refused"].instance_id) == ("error", "1101999999")
    assert "401" in records["refused"].error or "403" in records["refused"].error
    assert (records["missing"].instance_id, records["missing"].stopped_by) == ("", "error")
    assert records["missing"].error
    assert {record.batch_id for record in records.values()} == {"dag/run/drain/-1"}


def test_handler_leaves_dead_letters_but_nothing_of_what_it_said(
    green_api_connection: GreenApiEmulator, store: Any
) -> None:
    """An error of a handler may quote the message."""
    bodies = list(traffic(seed=1, n=4))
    green_api_connection.push(*bodies)
    keys = [Notification(1, body).key for body in bodies]

    def handler(notification: Notification) -> None:
        if notification.key == keys[1]:
            raise LookupError("Ann's secret")

    process(store, handler, max_attempts=1)
    assert (only(store).stored, only(store).dead_letters, only(store).deleted) == (4, 1, 4)
    green_api_connection.push(*traffic(seed=9, n=1))
    with pytest.raises(Exception, match="secret"):
        process(store, _telling, max_attempts=1, on_error="stop")
    stopped = store.drains(EVER)[-1]
    assert (stopped.stopped_by, stopped.error) == ("error", "AirflowFailException")


def _telling(notification: Notification) -> None:
    raise LookupError("Ann's secret")


def test_drain_that_is_told_to_stop_leaves_what_it_did(
    green_api_connection: GreenApiEmulator, store: Any
) -> None:
    """A rolling deploy of workers is no error."""
    green_api_connection.push(*traffic(seed=1, n=2))
    operator = GreenApiDrainNotificationsOperator(
        task_id="drain", store=store, receive_timeout=0.2, linger=60
    )
    ended: list[BaseException] = []

    def run() -> None:
        try:
            operator.execute({"ti": TaskInstance})  # type: ignore[arg-type]
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while green_api_connection.queue():
        time.sleep(0.05)
    time.sleep(0.3)
    operator.on_kill()
    thread.join(20)
    assert [type(each) for each in ended] == [ToldToStop]
    assert (only(store).stopped_by, only(store).error, only(store).stored) == ("told_to_stop", "", 2)


def test_drain_whose_record_can_t_be_written_has_drained(
    green_api_connection: GreenApiEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The notifications are stored and deleted: a retry for the sake of a report would be absurd."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    store = SqlStore("store")
    add = SqlDrains.add

    def without_table(drains: SqlDrains, records: Any) -> None:
        drains._database.execute_text(f"DROP TABLE {drains._table.name}", ())
        add(drains, records)

    monkeypatch.setattr(SqlDrains, "add", without_table)
    green_api_connection.push(*traffic(seed=1, n=3))
    assert drain(store)["count"] == 3
    assert not green_api_connection.queue()
    [told] = [each.getMessage() for each in caplog.records if "drains report" in each.getMessage()]
    assert "lacks this drain" in told


def test_handler_that_ends_lets_go_of_what_was_noted_of_old_attempts(
    green_api_connection: GreenApiEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails leaves that to the next one: it may be told to stop."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    database, attempts = Database("store"), StoreTables("green_api_notifications").attempts

    class Ended(BaseException):
        """What a handler can't survive."""

    def fail(notification: Notification) -> None:
        raise Ended

    for round_number, handler in enumerate((lambda notification: None, fail, lambda notification: None)):
        green_api_connection.push(*traffic(seed=round_number, n=2))
        with suppress(Ended):
            process(SqlStore("store"), handler)
        counts = (2, 3, 4)  # the third one handles what the second left, too, and forgets what the first did
        assert len(database.rows(attempts.select())) == counts[round_number]
        database.execute(attempts.update().values(at=attempts.c.at - timedelta(days=31).total_seconds()))
    database.close()
