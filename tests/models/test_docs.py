"""What docs/models.md says is true of the views, and its queries run."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.models.making import VIEWS, create_models
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, read_batch
from airflow_green_notify.stores.sql.database import Database
from tests.models.conftest import INSTANCE, OTHER, about, by_bot, message, put, status

DOCS = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## )", DOCS, re.DOTALL | re.MULTILINE))


def test_docs_have_a_section_for_each_view() -> None:
    """And for no other, in their order."""
    assert [*SECTIONS] == [*VIEWS]


@pytest.mark.parametrize("view", VIEWS)
def test_docs_name_each_column_of_a_view(make_store: Callable[[str], Any], view: str) -> None:
    """In the order of the view."""
    store = make_store("sqlite")
    create_models(store)
    with closing(Database("store")) as database:
        found = database.transaction(
            lambda connection: connection.exec_driver_sql(f"SELECT * FROM {store.table}__{view}").keys()
        )
    assert re.findall(r"^\| `(\w+)` \| ", SECTIONS[view], re.MULTILINE) == [*found]


def test_duckdb_reads_batches_of_both_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented queries, over a folder that has files of each."""
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    first = [message("A", 0), about("E", 1, "A", "editedMessage", "Bye"), message("N", 2, "a\0b \ud800")]
    second = [by_bot("B", 3), status("B", 4, "read"), message("C", 14 * 60, instance=OTHER)]
    put(ObjectStorageStore("archive"), first, "dag/one/drain/-1")
    put(ObjectStorageStore("archive", format="parquet"), second, "dag/two/drain/-1")
    create, ask = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)
    with duckdb.connect() as connection:
        connection.execute(create)
        found = connection.execute(ask).fetchall()
    assert found == [
        (INSTANCE, date(2026, 11, 30), 2, 1, 1),
        (OTHER, date(2026, 12, 1), 1, 0, 0),
    ]


def test_duckdb_reads_an_arrow_table(tmp_path: Path) -> None:
    """As a table of its own, by the name of the variable."""
    duckdb = pytest.importorskip("duckdb")
    bodies = [message(str(n), n, f"text {n}") for n in range(1200)]
    with ObjectStorageStore(tmp_path).open("dag/run/drain/-1") as opened:
        opened.put_all([Notification(1, body) for body in bodies])
    table = read_batch(opened.close()).as_arrow()
    with duckdb.connect() as connection:
        connection.register("batch", table)
        (found,) = connection.execute("SELECT count(*), min(text), count(notified_at) FROM batch").fetchall()
    assert found == (1200, "text 0", 1200)
