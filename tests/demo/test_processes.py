"""Processes that end with the one that started them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_green_notify.demo.processes import EndedByItself, Processes
from tests.demo.processes_left import left
from tests.live.live_airflow import until

CHILD = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
)


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    """They find modules in the test's folder, and are found by it."""
    for name, code in (("stays", f"{CHILD}; time.sleep(600)"), ("leaves", CHILD), ("fails", "1 / 0")):
        (tmp_path / f"{name}.py").write_text(code)
    return Processes({**os.environ, "PYTHONPATH": str(tmp_path), "MARK": str(tmp_path)}, tmp_path)


@pytest.mark.parametrize(("module", "members"), [("stays", 2), ("leaves", 1)])
def test_children_end_too_whether_their_parent_runs_or_has_left_them(
    processes: Processes, tmp_path: Path, module: str, members: int
) -> None:
    """A scheduler that dies leaves its workers behind; they don't outlive the demo."""
    with processes:
        processes.start("part", module)
        if module == "leaves":
            until(lambda: processes.has_ended("part"), 30, "end of the parent")
        until(lambda: len(left("MARK", str(tmp_path))) == members, 30, "child")
    assert left("MARK", str(tmp_path)) == []


def test_process_that_fails_is_named_with_its_last_words(processes: Processes) -> None:
    """Whether it should run on, or be done."""
    with processes:
        processes.start("part", "fails")
        with pytest.raises(EndedByItself, match=r"(?s)part ended by itself.*ZeroDivisionError"):
            until(lambda: processes.has_ended("part"), 30, "end")
        with pytest.raises(EndedByItself, match="part"):
            processes.check("part")
