"""Whatever is put into a store, whatever dies when: nothing is dropped, each comes once, and as it was."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch
from tests.fuzz.conftest import EXAMPLES
from tests.fuzz.values import Body, bodies, corpus, is_same

pytestmark = pytest.mark.fuzz

QUEUE = "gateway/1101000001"
START = datetime(2026, 11, 24, tzinfo=UTC)
LAST = "dag/last/drain/-1"
RUNS = [f"dag/run {number}/drain/-1" for number in range(3)]

runs = st.sampled_from(RUNS)
notified = bodies | st.integers(0, 3).map(Body) | st.sampled_from(corpus())


class StoreMachine(RuleBasedStateMachine):
    """Runs of one task that put into one store one after the other, die, come back, and hand on what is left.

    The model: in which batch each key lies, and in which order they came. What is put into a batch after it
    was adopted comes in an order of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run = ""
        self.opened: NotificationStore | None = None
        self.descriptions: dict[str, dict[str, Any]] = {}
        self.batch_of: dict[str, str] = {}
        self.put_into: dict[str, tuple[str, int]] = {}
        self.adopted: Counter[str] = Counter()
        self.arrived: list[Notification] = []
        self.folder = tempfile.mkdtemp(prefix="green-notify-fuzz-")
        self.store = self.make_store()

    def make_store(self) -> NotificationStore:
        raise NotImplementedError

    def teardown(self) -> None:
        """Hand on all that is left, and count."""
        try:
            self.open(LAST)
            self.adopt(succeeded=False)
            self.close()
            handed_on = [each.key for batch in self.descriptions.values() for each in read_batch(batch)]
            assert sorted(handed_on) == sorted(self.batch_of)
        finally:
            self.crash()
            shutil.rmtree(self.folder)

    @rule(run=runs)
    def open(self, run: str) -> None:
        """A task starts, or starts again; what read the queue before it is gone."""
        self.crash()
        self.run, self.opened = run, self.store.open(run, QUEUE)

    @rule(run=runs, bodies=st.lists(notified, min_size=1, max_size=4))
    def put(self, run: str, bodies: list[Body]) -> None:
        """Notifications arrive, perhaps some that the store has already."""
        if self.opened is None:
            self.open(run)
        for body in bodies:
            self.put_one(body.value)

    def put_one(self, body: Any) -> None:
        assert self.opened is not None
        notification = Notification(1, body, START + timedelta(seconds=len(self.arrived)))
        is_new = notification.key not in self.batch_of
        assert self.opened.put(notification) == is_new
        if is_new:
            self.batch_of[notification.key] = self.run
            self.put_into[notification.key] = (self.run, self.adopted[self.run])
            self.arrived.append(notification)

    @precondition(lambda self: self.opened)
    @rule()
    def close(self) -> None:
        """A task ends well."""
        assert self.opened is not None
        self.descriptions[self.run] = self.opened.close()
        self.opened = None
        self.batch_is_as_it_came()

    @precondition(lambda self: self.opened)
    @rule()
    def crash(self) -> None:
        """A task dies."""
        if self.opened is not None:
            self.opened.release()
            self.opened = None

    @precondition(lambda self: self.opened)
    @rule(succeeded=st.booleans())
    def adopt(self, succeeded: bool) -> None:
        """The reader looks for what the runs before it left, of which Airflow says that they ended so."""
        assert self.opened is not None
        for record in self.opened.not_handed_on():
            run = record.batch_id.partition("/#")[0]
            if record.state == "closed" and succeeded:
                self.opened.settle(record, "confirmed")
            else:
                assert self.opened.adopt(record) is not None
                self.adopted[run] += 1
                taken = [key for key, owner in self.batch_of.items() if owner == run]
                self.batch_of |= dict.fromkeys(taken, self.run)

    def batch_is_as_it_came(self) -> None:
        batch = read_batch(json.dumps(self.descriptions[self.run]))
        found = list(batch)
        wanted = {each.key: each for each in self.arrived if self.batch_of[each.key] == self.run}
        assert sorted(each.key for each in found) == sorted(wanted)
        assert len(batch) == len(found) == self.descriptions[self.run]["count"]
        for each in found:
            assert is_same(each.body, wanted[each.key].body)
            assert each.received_at == wanted[each.key].received_at
        for batch_put in set(self.put_into.values()):
            order = [each.key for each in found if self.put_into[each.key] == batch_put]
            assert order == [key for key in wanted if self.put_into[key] == batch_put]


class FilesMachine(StoreMachine):
    """On a local folder."""

    def make_store(self) -> NotificationStore:
        return ObjectStorageStore(f"{self.folder}/store")


class SqlMachine(StoreMachine):
    """On a file of SQLite."""

    def make_store(self) -> NotificationStore:
        connection = {"conn_type": "sqlite", "host": f"{self.folder}/store.db"}
        os.environ["AIRFLOW_CONN_FUZZED_STORE"] = json.dumps(connection)
        return SqlStore("fuzzed_store")


TestFiles = FilesMachine.TestCase
TestSql = SqlMachine.TestCase
TestFiles.settings = TestSql.settings = settings(max_examples=max(EXAMPLES // 10, 1), stateful_step_count=25)
