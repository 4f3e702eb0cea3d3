"""Odd bodies come back exactly from every store and every JSON column, and can be queried meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseHook
from sqlalchemy import JSON, Column, MetaData, Table, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from airflow_green_notify.drain import drain
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.json_text import canonical_json, to_text
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch
from tests.odd_bodies import ODD, PORTABLE
from tests.stores.conftest import body

BODIES = [*PORTABLE.values(), *ODD.values()]
RUN = "dag/run/drain/-1"


def notifications(*bodies: Any) -> list[Notification]:
    return [Notification(number, each) for number, each in enumerate(bodies)]


def put_all(store: NotificationStore, given: list[Notification]) -> dict[str, Any]:
    with store.open(RUN) as opened:
        assert all(opened.put(each, {"note": each.body}) for each in given)
    return opened.close()


def exactly(found: Notification) -> tuple[str, str, datetime]:
    return found.key, canonical_json(found.body), found.received_at


def test_odd_bodies_come_back_exactly_from_every_store(store: NotificationStore) -> None:
    """Key, body, note and time are those that were put, and the key is still that of the body."""
    given = notifications(*BODIES)
    found = list(read_batch(put_all(store, given)).with_notes())
    assert [exactly(each) for each, _ in found] == [exactly(each) for each in given]
    assert [canonical_json(note) for _, note in found] == [canonical_json({"note": each}) for each in BODIES]
    assert all(each.content_key == each.key for each, _ in found)


def test_examples_and_traffic_come_back_exactly_from_every_store(store: NotificationStore) -> None:
    """So does what the gateway really sends."""
    bodies = [*(each["body"] for each in example_notifications()), *traffic(seed=5, n=100)]
    given = notifications(*bodies)
    assert [exactly(each) for each in read_batch(put_all(store, given))] == [exactly(each) for each in given]


@pytest.mark.parametrize("kind", [JSON(), JSON().with_variant(JSONB(), "postgresql")], ids=["JSON", "JSONB"])
def test_odd_bodies_come_back_exactly_from_every_json_column(sql_store: SqlStore, kind: Any) -> None:
    """XCom and asset events are JSON columns; databases refuse and change there more than Python does."""
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    table = Table(sql_store.table, MetaData(), Column("value", kind))
    table.create(engine)
    given = notifications(*BODIES)
    with engine.begin() as connection:
        for each in given:
            connection.execute(insert(table), {"value": each.as_xcom()})
        values = connection.execute(select(table.c.value)).scalars().all()
    engine.dispose()
    back = {each.key: each for each in map(Notification.from_dict, values)}
    assert {key: exactly(each) for key, each in back.items()} == {each.key: exactly(each) for each in given}
    assert all(each.key_is_checked for each in back.values())


def test_file_of_odd_bodies_is_read_by_query_engines(tmp_path: Path) -> None:
    """One body that is no object, or holds what JSON has no word for, doesn't spoil the file for the rest."""
    reader = pytest.importorskip("pyarrow.json")
    plain = [{"typeWebhook": "incomingMessageReceived", "text": "a", "n": number} for number in range(50)]
    given = notifications(*plain, *ODD.values())
    with ObjectStorageStore(tmp_path).open(RUN) as opened:
        assert all(map(opened.put, given))
    (path,) = Path(opened.close()["path"]).iterdir()
    for line in path.read_bytes().splitlines():
        value = json.loads(line, parse_constant=pytest.fail)
        assert isinstance(value, dict)
        assert isinstance(value["body"], dict | None)
    options = reader.ParseOptions(explicit_schema=_schema(), unexpected_field_behavior="ignore")
    rows = reader.read_json(path, parse_options=options).to_pylist()
    assert [row["key"] for row in rows] == [each.key for each in given]
    kinds = [each.type_webhook for each in given]
    assert [row["body"] and row["body"]["typeWebhook"] for row in rows] == kinds


def _schema() -> Any:
    import pyarrow

    members = pyarrow.struct([("typeWebhook", pyarrow.string())])
    return pyarrow.schema([("key", pyarrow.string()), ("body", members)])


def test_line_written_before_is_read(tmp_path: Path) -> None:
    """Odd bodies were ASCII JSON text in the place of the object."""
    (batch_folder := tmp_path / "old").mkdir()
    odd = Notification(1, {"a": "\ud800", "b": float("nan")}, datetime(2026, 1, 1, tzinfo=UTC))
    old = odd.as_dict() | {"batch_id": RUN, "body": json.dumps(odd.body)}
    del old["body_text"]
    (batch_folder / "batch.ndjson").write_text(json.dumps(old) + "\n")
    description = {"store": "object_storage", "path": str(batch_folder), "batch_id": RUN, "count": 1}
    assert [exactly(each) for each in read_batch(description)] == [exactly(odd)]


def test_row_written_before_is_read(sql_store: SqlStore) -> None:
    """Bodies were ASCII JSON text, with spaces."""
    odd = Notification(1, {"a": "ж\0\ud800", "b": ["\U0001f600"]})
    batch = put_all(sql_store, [odd])
    engine = BaseHook.get_hook("store").get_sqlalchemy_engine()
    with engine.begin() as connection:
        table = Table(sql_store.table, MetaData(), autoload_with=engine)
        connection.execute(table.update().values(body=json.dumps(odd.body)))
    engine.dispose()
    assert [exactly(each) for each in read_batch(batch)] == [exactly(odd)]


def test_body_of_five_megabytes_of_emoji_is_stored(store: NotificationStore) -> None:
    """It takes as many bytes as in UTF-8, which is below what a MariaDB takes at once by default."""
    large = Notification(
        1, body(1, messageData={"textMessageData": {"textMessage": "\U0001f600" * 1_300_000}})
    )
    assert len(large.as_row()["body"].encode()) < 5_500_000
    with store.open(RUN) as opened:
        assert opened.put(large)
    assert [each.key for each in read_batch(opened.close())] == [large.key]


@pytest.mark.parametrize("levels", [960, 2_000])
def test_drain_of_a_deeply_nested_body_stores_it_and_goes_on(
    quick_store: NotificationStore, levels: int, green_api_connection: GreenApiEmulator
) -> None:
    """It is received, stored, deleted and read again as any other; what is behind it comes next."""
    deep = {"typeWebhook": "incomingMessageReceived", "a": _nested(levels)}
    behind = body(2)
    _push_deep(green_api_connection, deep)
    green_api_connection.push(behind)
    with quick_store.open(RUN) as opened:
        report = drain(GreenApiHook(), opened, receive_timeout=0.2)
    assert (report.deleted, report.stopped_by) == (2, "empty")
    found = list(read_batch(opened.close()))
    # On a machine so slow that the head is received again before it is deleted, the emulator shows its own.
    texts = [canonical_json(each.body) for each in found if each.body != IN_ITS_PLACE]
    assert texts == [canonical_json(deep), canonical_json(behind)]
    assert found[0].type_webhook == "incomingMessageReceived"
    assert green_api_connection.queue() == []


IN_ITS_PLACE = {"typeWebhook": "in its place"}


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _push_deep(gateway: GreenApiEmulator, deep: Any) -> None:
    """Let the gateway answer the next receive with a body that its own JSON could not write."""
    gateway.push(IN_ITS_PLACE)
    head = GreenApiHook().receive_notification(1)
    assert head is not None
    answer = f'{{"receiptId":{head.receipt_id},"body":{to_text(deep)}}}'
    gateway.fault("status", status=200, body=answer, method="receiveNotification", times=1)
