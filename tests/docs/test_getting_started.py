"""What stands in getting started works when it is typed, in an Airflow of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from tests.docs.commands import check_command, commands_in
from tests.docs.pages import ROOT, blocks_of

PAGE = "docs/getting-started.md"
PORT = "18090"
INSTALL, EMULATOR, *TYPED, STANDALONE = [block.text for block in blocks_of(PAGE) if block.language == "sh"]


def test_commands_that_a_test_cant_type_are_taken() -> None:
    """The installation and the two programs that stay are checked as on any other page."""
    for text in (INSTALL, EMULATOR, STANDALONE):
        for words in commands_in(text):
            if words[0] != ".":
                check_command(words, "")
    assert "airflow standalone" in STANDALONE
    assert "-m airflow_green_notify.emulator" in EMULATOR


def test_dag_is_that_of_the_readme() -> None:
    """Whoever read the first page knows it already."""
    [dag] = [block.text for block in blocks_of("README.md") if block.language == "python"]
    assert dag in "".join(TYPED)


@pytest.mark.slow
def test_copy_and_paste_leads_to_rows(tmp_path: Path) -> None:
    """From an empty folder to what people wrote, in a table."""
    [token] = {
        words[words.index("--api-token") + 1] for words in commands_in(EMULATOR) if "--api-token" in words
    }
    with GreenApiEmulator(api_token=token) as gateway:
        gateway.push(*example_notifications(recent=True))
        lines = (
            "".join(TYPED).replace(". venv/bin/activate\n", "").replace(PORT, gateway.url.rpartition(":")[2])
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        environment["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(
            ["bash", "-e"],
            input=lines,
            cwd=tmp_path,
            env=environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Healthy." in done.stdout
    assert "Anna Order 4182: where is it?" in done.stdout
    counts = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.count(" ") == 1)
    assert sum(int(counts[kind]) for kind in ("incomingMessageReceived", "outgoingMessageStatus")) > 30
