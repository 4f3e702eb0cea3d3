"""What each example Dag shows: in Airflow its text, in its file one idea."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.example_dags.conftest import EXAMPLES

LINES = 60  # an example has fewer


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_each_dag_of_a_file_shows_its_docstring(path: Path) -> None:
    """Somebody who opens the Dag in the UI reads what it teaches."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag

    bag = DagBag(dag_folder=str(path))
    assert bag.import_errors == {}
    docstring = ast.get_docstring(ast.parse(path.read_text()), clean=False)
    assert docstring
    assert {dag_id: dag.doc_md for dag_id, dag in bag.dags.items()} == dict.fromkeys(bag.dags, docstring)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_each_file_is_read_at_a_glance(path: Path) -> None:
    """What is longer has a second idea in it."""
    assert len(path.read_text().splitlines()) < LINES
