"""Names of batches, and their descriptions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, batch_id_of, open_batch, read_batch
from airflow_green_notify.stores.names import folder_of


def context(**task: Any) -> Any:
    task = {"dag_id": "dag", "run_id": "manual__1+1", "task_id": "group.drain", "map_index": -1} | task
    return {"ti": SimpleNamespace(**task)}


def test_batch_id_is_the_same_for_each_try() -> None:
    """Dag, run, task and map index name a batch; the number of the try doesn't."""
    assert batch_id_of(context(try_number=1)) == "dag/manual__1+1/group.drain/-1"
    assert batch_id_of(context(try_number=2)) == batch_id_of(context(try_number=1))


def test_batch_ids_of_runs_with_slashes_differ() -> None:
    """A slash inside an id doesn't make two tasks share a batch."""
    ids = {
        batch_id_of(context(run_id="a/b", task_id="c")),
        batch_id_of(context(run_id="a", task_id="b/c")),
        batch_id_of(context(run_id="a%2Fb", task_id="c")),
    }
    assert len(ids) == 3


def test_batch_ids_of_iterations_differ() -> None:
    """A loop repeats a task under one map index: each iteration has a batch, the same for each try."""
    iterations = [context(try_number=1) | {"loop": SimpleNamespace(index=index)} for index in (1, 2)]
    assert [batch_id_of(each) for each in iterations] == [
        "dag/manual__1+1/group.drain/-1/1",
        "dag/manual__1+1/group.drain/-1/2",
    ]
    again = context(try_number=2) | {"loop": SimpleNamespace(index=2, trajectory=2)}
    assert batch_id_of(again) == batch_id_of(iterations[1])
    mapped = context(map_index=1) | {"loop": SimpleNamespace(index=2)}
    assert batch_id_of(mapped) == "dag/manual__1+1/group.drain/1/2"


@pytest.mark.parametrize("loop", [None, "a text, whose index is a method", SimpleNamespace(index=None)])
def test_batch_id_outside_of_a_loop_has_no_iteration(loop: Any) -> None:
    """Nothing but an iteration of Airflow's own loop changes the name of a batch."""
    assert batch_id_of(context() | {"loop": loop}) == batch_id_of(context())


def test_batches_of_iterations_are_apart_in_a_folder(tmp_path: Any) -> None:
    """What an iteration closes holds nothing of another, whose files lie beside or above."""
    store = ObjectStorageStore(tmp_path)
    for index in (None, 1, 2):
        with open_batch(store, context() | {"loop": SimpleNamespace(index=index)}) as opened:
            opened.put(Notification(1, {"iteration": index}))
            assert [item.body for item in read_batch(opened.close())] == [{"iteration": index}]


def test_open_batch_opens_the_batch_of_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Operators open their store under the id of their task."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", f'{{"conn_type": "sqlite", "host": "{tmp_path}/x.db"}}')
    opened = open_batch(SqlStore("store"), context())
    assert opened.close()["batch_id"] == "dag/manual__1+1/group.drain/-1"


@pytest.mark.parametrize("value", [{}, {"store": "ftp"}, {"store": "sql"}, [], None, "{}", "[1]"])
def test_read_batch_of_something_else_is_refused(value: Any) -> None:
    """What is no description of a batch is a clear error, not an empty batch."""
    with pytest.raises(ValueError, match="Not the description of a batch"):
        read_batch(value)


@pytest.mark.parametrize("text", ["dag", "group.task", "2026-11-23", "-1", "a=b", "x" * 100])
def test_harmless_name_is_kept(text: str) -> None:
    """Names that need no change are found as they are."""
    assert safe_name(text) == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ж", "\0", "a~1", "x" * 101, "\ud800"]
)
def test_harmful_name_is_replaced_by_a_likeness(text: str) -> None:
    """No name leads elsewhere or is too long, and two texts never share one."""
    name = safe_name(text)
    assert name not in (text, "", ".", "..")
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) <= 120
    assert name != safe_name(f"{text}x")


def test_folder_of_a_hostile_batch_id_stays_below_the_root() -> None:
    """Dots in an id lead nowhere."""
    assert ".." not in folder_of("../../etc/passwd").split("/")
