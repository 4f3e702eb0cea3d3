"""Pages that span tasks: opened by one, committed by another, and taken over from runs that have ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_green_notify.consume import commit, read_new
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.operators import GreenApiReadNewOperator
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.stores.page import PageLost
from airflow_green_notify.task import WrongArgumentError
from tests.stores.test_stream import notification, put


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """A store that holds the notifications 0 to 4."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    store = SqlStore("store")
    put(store, *map(notification, range(5)))
    return store


class TaskInstance:
    """A task instance of a run, and what Airflow answers about runs: those named in ``active`` are."""

    active: set[str]

    def __init__(self, run_id: str, task_id: str = "read") -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number = "d", run_id, task_id, -1, 1

    def get_dr_count(self, *, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        assert (dag_id, states) == ("d", ["queued", "running"])
        return len({*run_ids} & TaskInstance.active)


class Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def _runs() -> None:
    TaskInstance.active = set()


def read(store: SqlStore, run_id: str = "r1", task_id: str = "read", **options: Any) -> dict[str, Any]:
    """Do what a try of the task does in an active run."""
    TaskInstance.active.add(run_id)
    operator = GreenApiReadNewOperator(
        task_id=task_id, store=store, consumer="billing", **{"page_size": 2, "wait_for_reader": 0} | options
    )
    found: dict[str, Any] = operator.execute({"ti": TaskInstance(run_id, task_id)})
    return json.loads(json.dumps(found))


def end(run_id: str) -> None:
    TaskInstance.active.remove(run_id)


def numbers(page: dict[str, Any]) -> list[int]:
    return [each.body["number"] for each in read_batch(page)]


def position(store: SqlStore) -> int:
    with closing(store.stream()) as stream:
        record = stream.consumer("billing")
        assert record is not None
        return record.position


def test_page_is_read_and_committed_by_other_tasks(store: SqlStore) -> None:
    """Then the next run gets the next page; an empty one needs no commit and takes one."""
    for run_id, expected in (("r1", [0, 1]), ("r2", [2, 3]), ("r3", [4]), ("r4", [])):
        page = read(store, run_id)
        assert (numbers(page), len(read_batch(page)), page["count"]) == (
            expected,
            len(expected),
            len(expected),
        )
        assert page["more"] == (run_id in ("r1", "r2"))
        commit(page if run_id != "r2" else json.dumps(page))
    assert position(store) == 5


def test_retry_returns_the_same_page(store: SqlStore) -> None:
    """Whatever came meanwhile, and whatever page size it asks for."""
    page = read(store)
    put(store, notification(5), batch_id="another")
    assert read(store, page_size=100) == page
    assert numbers(page) == [0, 1]
    assert position(store) == 0


def test_filter_holds_for_those_who_read_the_page(store: SqlStore) -> None:
    """Spans in which nothing matches are passed."""
    page = read(store, matching={"body": {"number": [3, 4]}})
    assert (numbers(page), page["after"], page["until"], page["count"]) == ([3], 2, 4, 1)
    commit(page)
    assert numbers(read(store, "r2", matching={"body": {"number": 99}})) == []
    assert position(store) == 5


def test_commit_twice_is_harmless(store: SqlStore) -> None:
    """Also when the next run has its page by then, or has committed that, too."""
    first = read(store)
    commit(first)
    commit(first)
    end("r1")
    second = read(store, "r2")
    commit(first)
    assert numbers(second) == [2, 3]
    commit(second)
    commit(first)
    assert position(store) == 4


def test_page_of_an_active_run_is_left_to_it(store: SqlStore) -> None:
    """The other run fails in words after its wait, and a retry goes on when the page is committed."""
    page = read(store)
    with pytest.raises(
        NotificationStoreError, match=r"on which task d/r1/read/-1 is at work\. .*max_active_runs=1"
    ):
        read(store, "r2")
    with pytest.raises(NotificationStoreError, match="task d/r1/read/-1 is at work"):
        read(store, "r1", task_id="read_too")
    commit(page)
    assert numbers(read(store, "r2")) == [2, 3]


def test_page_of_a_run_that_has_ended_is_taken_over(store: SqlStore) -> None:
    """With its boundaries. What is left of the other run neither reads it any more nor commits it."""
    lost = read(store)
    end("r1")
    page = read(store, "r2", page_size=100)
    assert numbers(page) == [0, 1]
    with pytest.raises(PageLost, match=r"1 to 2 of consumer 'billing' .* task d/r2/read/-1 has it"):
        commit(lost)
    with pytest.raises(PageLost, match="task d/r2/read/-1 has it"):
        numbers(lost)
    assert position(store) == 0
    commit(page)
    with pytest.raises(PageLost, match="task d/r2/read/-1 has it"):
        commit(lost)
    assert position(store) == 2


def test_page_that_plain_python_left_open_is_taken_over(store: SqlStore) -> None:
    """While that reads it holds the lease; then it has ended."""
    with suppress(Stopped), read_new(store, "billing", page_size=3):
        with pytest.raises(NotificationStoreError, match=r"on which process .* is at work"):
            read(store)
        raise Stopped
    assert numbers(read(store)) == [0, 1, 2]


def test_page_of_a_consumer_that_was_forgotten_is_lost(store: SqlStore) -> None:
    """Also if somebody made one of that name again."""
    page = read(store)
    with closing(store.stream()) as stream:
        stream.forget("billing")
    with pytest.raises(PageLost, match="forgotten"):
        commit(page)
    read(store, "r2", page_size=1)
    with pytest.raises(PageLost, match="r2"):
        commit(page)


def test_cleared_task_reads_on(store: SqlStore) -> None:
    """What its run has committed is done."""
    commit(read(store))
    assert numbers(read(store)) == [2, 3]


@pytest.mark.parametrize(
    "page", [None, "None", {}, {"store": "sql"}, [], "{}", {"store": "sql", "consumer": "x"}]
)
def test_commit_of_what_is_no_page_says_so(page: Any) -> None:
    """For instance because the reading task was marked as a success."""
    with pytest.raises(ValueError, match="must be what GreenApiReadNewOperator returned"):
        commit(page)


def test_function_is_refused_as_a_filter(store: SqlStore) -> None:
    """The tasks that read the page don't have it."""
    with pytest.raises(WrongArgumentError, match="matching is a function"):
        GreenApiReadNewOperator(task_id="read", store=store, consumer="billing", matching=bool)


def test_dag_reads_works_and_commits(store: SqlStore, run_dag: Callable[..., Any]) -> None:
    """In a real Airflow; a run whose work fails leaves its page to the next one."""
    worked: list[list[int]] = []

    with DAG("dag_of_reading_on", schedule=None, params={"fails": False, "consumer": "x"}) as dag:
        reading = GreenApiReadNewOperator(
            task_id="read",
            store=store,
            consumer="{{ params.consumer }}",
            matching={"body": {"number": ["0", "1", "2"]}},
            page_size="{{ 3 }}",
            outlets=[Asset("new")],
        )

        @task
        def work(page: dict[str, Any], params: dict[str, Any]) -> None:
            worked.append(numbers(page))
            if params["fails"]:
                raise RuntimeError

        work(reading.output) >> task(commit)(reading.output)

    def run(fails: bool, consumer: str = "billing") -> str:
        return str(run_dag(dag, run_conf={"fails": fails, "consumer": consumer}).state)

    assert [run(True), run(False), run(False)] == ["failed", "success", "success"]
    assert worked == [[0, 1, 2], [0, 1, 2], []]
    assert position(store) == 5


def test_nothing_new_skips_if_asked_to(store: SqlStore, run_dag: Callable[..., Any]) -> None:
    """Together with what is behind it."""
    with DAG("dag_of_nothing_new", schedule=None) as dag:
        reading = GreenApiReadNewOperator(
            task_id="read", store=store, consumer="billing", start="now", skip_if_empty=True
        )
        task(commit)(reading.output)
    run = run_dag(dag)
    assert {ti.task_id: ti.state for ti in run.get_task_instances()} == {
        "read": "skipped",
        "commit": "skipped",
    }
