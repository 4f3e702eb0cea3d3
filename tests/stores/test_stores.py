"""What holds for every store, on everything it is tested on."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, read_batch
from airflow_green_notify.stores.ledger import BatchTaken
from tests.stores.conftest import body, some

FOLLOWING_RUN = "dag/scheduled__2026-11-23T06:25:00+00:00/drain/-1"
RUN = "dag/scheduled__2026-11-23T06:24:00+00:00/drain/-1"

ODD_BODIES = [
    {},
    [],
    None,
    "text",
    1e300,
    {"text": "NUL \0 and lone \ud800 and pair \U0001f600"},
    {"typeWebhook": ["a", "list"], "timestamp": "soon", "senderData": 7, "messageData": {"typeMessage": {}}},
    {"typeWebhook": "'; DROP TABLE x; --", "idMessage": "../../etc/passwd", "chatId": "{{ ti.xcom_pull() }}"},
    {"timestamp": -62_135_596_800},
    {"timestamp": 253_402_300_799},
    {"timestamp": 1e40},
    {"number": float("inf"), "integer": -(10**4000)},
    json.loads("[" * 500 + "]" * 500),
    {"messageData": {"textMessageData": {"textMessage": "a\0b\ud800c" + "ж" * 100_000}}},
    {"typeWebhook": "x" * 70_000, "__type": "reserved", "number": 2**70},
]


def test_put_same_notification_again_is_stored_once(store: NotificationStore) -> None:
    """The first put of a key says True, any other one False, in this batch and in others, open and closed."""
    first, second = some(2)
    with store.open("one") as one, store.open("two") as two:
        assert one.put(first) is True
        assert one.put(Notification(99, first.body)) is False
        assert two.put(first) is False
        assert two.put(second) is True
        batches = [one.close(), two.close()]
    with store.open("three") as three:
        assert [three.put(first), three.put(second)] == [False, False]
    assert [batch["count"] for batch in (*batches, three.close())] == [1, 1, 0]


def test_put_of_a_made_up_key_is_refused_and_keeps_no_place(store: NotificationStore) -> None:
    """Under the key of a real one, a drain would find that there already, and delete it."""
    real, other = some(2)
    forged = Notification.from_dict(other.as_dict() | {"key": real.key})
    with store.open("forged") as opened:
        with pytest.raises(ValueError, match="not that of its body"):
            opened.put(forged)
        assert opened.put(real) is True
    assert [n.body for n in read_batch(opened.close())] == [real.body]


def test_batch_gives_back_everything_in_queue_order(store: NotificationStore) -> None:
    """Whatever the bodies hold, they come back unharmed, with key and time, in the order received."""
    bodies = [example["body"] for example in example_notifications()] + ODD_BODIES
    given = [Notification(number, value) for number, value in enumerate(bodies)]
    with store.open(RUN) as opened:
        assert all(opened.put(notification) for notification in given)
    batch = read_batch(opened.close())
    found = list(batch)
    assert [n.body for n in found] == bodies
    assert [n.key for n in found] == [n.key for n in given]
    assert [n.received_at for n in found] == [n.received_at for n in given]
    assert len(batch) == len(given)


def at(clock: int, number: int) -> Notification:
    """A notification that a worker received when its clock showed so many seconds."""
    return Notification(number, body(number), datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=clock))


def test_batch_is_in_the_order_of_its_puts_though_the_clock_was_set_back(store: NotificationStore) -> None:
    """In the middle of a try, and between a try that died, its retry, and a clearing, on other workers."""
    clocks = [100, 101, 96, 97, 50, 51, 10, 9]
    given = [at(clock, number) for number, clock in enumerate(clocks)]
    first_try = store.open(RUN)
    for notification in given[:4]:
        first_try.put(notification)
    first_try.release()
    for part in (given[4:6], given[6:]):
        with store.open(RUN) as opened:
            assert all(opened.put(notification) for notification in part)
    assert [n.key for n in read_batch(opened.close())] == [n.key for n in given]


def test_adopted_batches_come_before_what_their_adopter_puts_whatever_the_clocks(
    store: NotificationStore,
) -> None:
    """What was closed and what was left open keep their order, and are older than what comes now."""
    given = [at(clock, number) for number, clock in enumerate([100, 99, 60, 61, 20, 10])]
    for run, part in (("dag/run-1/drain/-1", given[:2]), ("dag/run-2/drain/-1", given[2:4])):
        opened = store.open(run, "queue")
        for notification in part:
            opened.put(notification)
        if run == "dag/run-1/drain/-1":
            opened.close()
    with store.open("dag/run-3/drain/-1", "queue") as adopter:
        for record in sorted(adopter.not_handed_on(), key=lambda record: record.batch_id):
            assert adopter.adopt(record) == 2
        for notification in given[4:]:
            adopter.put(notification)
    assert [n.key for n in read_batch(adopter.close())] == [n.key for n in given]


def test_batch_of_large_body_is_stored_whole(store: NotificationStore) -> None:
    """Five megabytes in a field fit, however the database limits the text of other columns."""
    large = Notification(1, body(1, messageData={"textMessageData": {"textMessage": "x" * 5_000_000}}))
    with store.open(RUN) as opened:
        assert opened.put(large)
    assert [n.body for n in read_batch(opened.close())] == [large.body]


def test_retry_continues_the_batch_of_the_try_before(store: NotificationStore) -> None:
    """What a try that died had stored is in what its retry returns, once, in queue order."""
    given = some(6)
    first_try = store.open(RUN)
    for notification in given[:3]:
        first_try.put(notification)
    first_try.release()  # as its death does
    with store.open(RUN) as retry:
        assert [retry.put(notification) for notification in given[2:]] == [False, True, True, True]
    batch = retry.close()
    assert batch["count"] == 6
    assert [n.key for n in read_batch(batch)] == [n.key for n in given]


def test_cleared_task_adds_to_its_closed_batch_and_old_descriptions_stay_readable(
    store: NotificationStore,
) -> None:
    """A batch that was closed can be continued; its first description reads what was added, too."""
    given = some(5)
    descriptions = []
    for part in (given[:2], given[2:4], [], given[4:]):
        with store.open(RUN) as opened:
            assert all(opened.put(notification) for notification in part)
        descriptions.append(opened.close())
    assert [batch["count"] for batch in descriptions] == [2, 4, 4, 5]
    for batch in descriptions:
        assert [n.key for n in read_batch(batch)] == [n.key for n in given]
        assert len(read_batch(batch)) == 5


def test_exception_leaves_the_batch_unfinished_for_the_retry(store: NotificationStore) -> None:
    """An exception inside the with block passes, and the retry of the task finds what was stored."""

    def die() -> None:
        with store.open(RUN) as opened:
            opened.put(some(1)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die()
    with store.open(RUN) as retry:
        pass
    assert [n.key for n in read_batch(retry.close())] == [some(1)[0].key]


def test_close_twice_gives_the_same_description(store: NotificationStore) -> None:
    """Closing again is harmless; it is small JSON, and read_batch takes its text as well."""
    with store.open(RUN) as opened:
        opened.put(some(1)[0])
        description = opened.close()
    assert opened.close() == description
    text = json.dumps(description)
    assert len(text) < 1000
    assert [n.key for n in read_batch(text)] == [some(1)[0].key]


def test_closed_store_refuses_to_put(store: NotificationStore) -> None:
    """A put that no close would follow is an error, and so is one without an open."""
    opened = store.open(RUN)
    opened.close()
    for unusable in (opened, store):
        with pytest.raises(NotificationStoreError, match="not open"):
            unusable.put(some(1)[0])


def test_empty_batch_is_described_and_read_as_empty(store: NotificationStore) -> None:
    """A queue without notifications makes an empty batch, no error."""
    with store.open(RUN) as opened:
        description = opened.close()
    assert description["count"] == 0
    assert list(read_batch(description)) == []
    assert read_batch(description).as_dataframe().empty


@pytest.mark.parametrize(
    "batch_id", ["../../../etc/cron.d/x", "/", "a//b", "ж\0\ud800 ☃/{{ x }}", "d" * 400, "."]
)
def test_batch_id_of_any_text_stays_inside_the_store(store: NotificationStore, batch_id: str) -> None:
    """A batch id is only ever a name, however it looks; no two share a batch."""
    one, two = some(2)
    with store.open(batch_id) as opened, store.open(f"{batch_id}x") as other:
        opened.put(one)
        other.put(two)
    assert [n.key for n in read_batch(opened.close())] == [one.key]
    assert [n.key for n in read_batch(other.close())] == [two.key]


def test_batch_ids_that_differ_in_case_only_are_two_batches(store: NotificationStore) -> None:
    """``Daily`` and ``daily`` are two Dags."""
    one, two = some(2)
    with store.open("Daily/run") as upper, store.open("daily/run") as lower:
        upper.put(one)
        lower.put(two)
    assert [n.key for n in read_batch(upper.close())] == [one.key]


def test_note_is_kept_beside_the_notification(store: NotificationStore) -> None:
    """A dead letter says why it is one."""
    note = {"error_type": "ValueError", "error_text": "NUL \0, lone \udfff, ж", "attempts": 3}
    plain, noted = some(2)
    with store.open(RUN) as opened:
        opened.put(plain)
        opened.put(noted, note)
    found = [(n.key, note) for n, note in read_batch(opened.close()).with_notes()]
    assert found == [(plain.key, None), (noted.key, note)]


def test_dataframe_has_a_row_for_each_notification(store: NotificationStore) -> None:
    """The frame has the columns of as_row, in queue order."""
    pytest.importorskip("pandas")
    given = some(3)
    with store.open(RUN) as opened:
        for notification in given:
            opened.put(notification)
    frame = read_batch(opened.close()).as_dataframe()
    assert list(frame.columns) == list(given[0].as_row())
    assert list(frame["key"]) == [n.key for n in given]
    assert list(frame["received_at"]) == [n.received_at for n in given]


@pytest.mark.parametrize("count", [0, 3, 1001])
def test_arrow_table_has_a_row_for_each_notification(quick_store: NotificationStore, count: int) -> None:
    """The columns of as_row, with their types also where there is no row."""
    pytest.importorskip("pyarrow")
    given = some(count)
    with quick_store.open(RUN) as opened:
        opened.put_all(given)
    table = read_batch(opened.close()).as_arrow()
    assert table.column_names == list(Notification(0, {}).as_row())
    assert {str(table.schema.field(name).type) for name in ("notified_at", "received_at")} == {
        "timestamp[us, tz=UTC]"
    }
    assert table.to_pylist() == [n.as_row() for n in given]


def test_attempts_are_counted_until_finished(store: NotificationStore) -> None:
    """Attempts on a key count up over reopened batches; a finished key begins none any more."""
    with store.open("one") as opened:
        assert [opened.begin_attempt("a"), opened.begin_attempt("a"), opened.begin_attempt("b")] == [1, 2, 1]
    with store.open("two") as opened:
        assert opened.begin_attempt("a") == 3
        opened.finish("a")
        opened.finish("a")
        opened.finish("never begun")
        assert [opened.begin_attempt(key) for key in ("a", "b", "never begun")] == [0, 2, 0]


def test_put_from_another_thread_than_open_and_close(store: NotificationStore) -> None:
    """The drain opens in one thread, puts in another, and closes in the first."""
    opened = store.open(RUN)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(opened.put, some(1)[0]).result()
    assert opened.close()["count"] == 1


def test_stores_at_once_keep_each_notification_once(store: NotificationStore) -> None:
    """Four consumers that were handed the same notifications at the same time keep each of them once."""
    given = some(25)
    start = threading.Barrier(4)

    def consume(number: int) -> dict[str, object]:
        start.wait()
        with store.open(f"batch-{number}") as opened:
            for notification in given:
                opened.put(notification)
        return opened.close()

    with ThreadPoolExecutor(4) as consumers:
        batches = list(consumers.map(consume, range(4)))
    assert Counter(n.key for batch in batches for n in read_batch(batch)) == {n.key: 1 for n in given}


def test_retry_beside_its_frozen_first_try_loses_nothing(store: NotificationStore) -> None:
    """What the frozen one puts behind the retry's end is in no batch twice, and not in one that was returned.

    It doesn't delete what it put so, and the next reader of the queue puts it again.
    """
    given = some(6)
    frozen = store.open(RUN, "queue")
    for notification in given[:2]:
        frozen.put(notification)
    retry = store.open(RUN, "queue")
    for notification in given[2:4]:
        retry.put(notification)
    returned = retry.close()
    with suppress(
        BatchTaken
    ):  # a second put would open the batch again: that is for who took the lease again
        frozen.put(given[4])
    assert returned["count"] == frozen.close()["count"] == 4
    following = store.open(FOLLOWING_RUN, "queue")
    for record in following.not_handed_on():
        following.settle(record, "confirmed")
    for notification in given:
        following.put(notification)
    batches = [returned, following.close()]
    assert Counter(n.key for batch in batches for n in read_batch(batch)) == {n.key: 1 for n in given}


@pytest.mark.parametrize("ends", ["dies", "closes"])
def test_frozen_try_that_wakes_with_the_lease_after_its_retry_returned_takes_nothing_back(
    store: NotificationStore, ends: str
) -> None:
    """What was returned is not handed on again, and what it still stores is handed on by the next run."""
    given = some(6)
    frozen = store.open(RUN, "queue")
    frozen.put(given[0])
    retry = store.open(RUN, "queue")
    retry.put(given[1])
    returned = [n.key for n in read_batch(retry.close())]
    deleted = {given[0].key, given[1].key}
    for notification in given[2:5]:
        with suppress(NotificationStoreError):
            frozen.put(notification)
            deleted.add(notification.key)
    frozen.close() if ends == "closes" else frozen.release()
    following = store.open(FOLLOWING_RUN, "queue")
    for record in following.not_handed_on():  # as for a task that succeeded
        following.settle(record, "confirmed") if record.state == "closed" else following.adopt(record)
    handed_on = Counter([*returned, *(n.key for n in read_batch(following.close()))])
    assert handed_on == Counter(deleted)


def test_store_is_described_the_same_in_every_parse(store: NotificationStore) -> None:
    """Its repr holds no address, so that Airflow doesn't take each parse of a Dag for a new version."""
    assert "0x" not in repr(store)
    assert "object at" not in repr(store)


def test_open_makes_no_use_of_the_described_store(store: NotificationStore) -> None:
    """One store of a Dag can be opened for several batches at once."""
    before = repr(store)
    with store.open("one") as one, store.open("two") as two:
        one.put(some(1)[0])
        two.put(some(1, start=5)[0])
    assert [one.close()["count"], two.close()["count"]] == [1, 1]
    assert repr(store) == before


def test_store_arguments_are_rendered_by_the_operator(store: NotificationStore) -> None:
    """A store given to an operator is a template: its path, table and connection may hold Jinja."""
    from airflow.sdk import BaseOperator

    class Draining(BaseOperator):
        template_fields = ("store",)

        def __init__(self, store: NotificationStore, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.store = store

    fields = [field for field in type(store).template_fields if isinstance(getattr(store, field), str)]  # type: ignore[attr-defined]
    rendered = {field: getattr(store, field) for field in fields}
    template = copy.copy(store)
    for field in fields:
        setattr(template, field, f"{{{{ {field} }}}}")
    operator = Draining(store=template, task_id="drain")
    operator.render_template_fields(rendered)  # type: ignore[arg-type]
    assert {field: getattr(operator.store, field) for field in fields} == rendered
    with operator.store.open(RUN) as opened:
        assert opened.put(some(1)[0])


def test_stores_import_is_light() -> None:
    """A Dag file that names a store loads no database, no file system and no table library."""
    heavy = {"sqlalchemy", "fsspec", "upath", "pyarrow", "pandas", "requests", "aiohttp", "airflow"}
    program = (
        "import sys, airflow_green_notify.stores as stores, airflow_green_notify.filters\n"
        "stores.SqlStore('x'), stores.ObjectStorageStore('s3://x/y')\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
