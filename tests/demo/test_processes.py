"""Processes that end with the one that started them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_green_notify.demo.processes import EndedByItself, Processes
from tests.demo.processes_left import left
from tests.live.running_airflow import until

CHILD = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
)

STARTER = """
import os, pathlib, sys, time
from airflow_green_notify.demo.processes import Processes
folder = sys.argv[1]
Processes({**os.environ, "MARK": folder}, pathlib.Path(folder)).start("part", "stays")
time.sleep(600)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    """They find modules in the test's folder, and are found by it."""
    for name, code in (("stays", f"{CHILD}; time.sleep(600)"), ("leaves", CHILD), ("fails", "1 / 0")):
        (tmp_path / f"{name}.py").write_text(code)
    return Processes({**environment(tmp_path), "MARK": str(tmp_path)}, tmp_path)


def environment(tmp_path: Path) -> dict[str, str]:
    """That of this process; modules are found in the test's folder, too."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}


def test_children_end_even_if_the_one_that_started_them_is_killed(
    processes: Processes, tmp_path: Path
) -> None:
    """SIGKILL leaves no time for anything; the guard sees that its input is closed."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], env=environment(tmp_path))
    until(lambda: len(left("MARK", str(tmp_path))) == 3, 30, "part, its child, and the guard")
    starter.kill()
    starter.wait()
    until(lambda: left("MARK", str(tmp_path)) == [], 30, "end of them all")


@pytest.mark.parametrize(("module", "members"), [("stays", 3), ("leaves", 2)])
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
