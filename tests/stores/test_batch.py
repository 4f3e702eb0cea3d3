"""Names of batches, and their descriptions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_green_notify.stores import SqlStore, batch_id_of, open_batch, read_batch
from airflow_green_notify.stores.names import folder_of, safe_name


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
