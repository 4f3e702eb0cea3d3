"""The demo to look around in, before Airflow runs; tests/live has the rest."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.processes_left import left
from tests.live.running_airflow import until

COMMAND = [sys.executable, "-m", "airflow_green_notify.demo", "--ui"]


def test_port_that_is_taken_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    """In a sentence, and at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        ended = subprocess.run(
            [*COMMAND, "--port", port], env=environment, capture_output=True, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert f"port {port} is taken" in ended.stdout
    assert left("TMPDIR", str(tmp_path)) == []


def test_folder_that_cannot_be_written_to_is_told_in_words(tmp_path: Path) -> None:
    """In a sentence, with what to set; Python's own search falls back to where the demo is started."""
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]; "
        "from airflow_green_notify.demo import ui; sys.exit(ui.run(0))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "gone")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr, "set TMPDIR" in ended.stdout) == (1, "", True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_while_it_boots_ends_it_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    """Also when it comes twice; the folder is named at the end."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    assert "Starting Airflow" in demo.stdout.readline()
    until(lambda: len(left("TMPDIR", str(tmp_path))) > 1, 30, "migration")
    demo.send_signal(number)
    demo.send_signal(number)
    said, _ = demo.communicate(timeout=60)
    [folder] = tmp_path.glob("green-api-demo-*")
    assert demo.returncode == 0
    assert str(folder) in said.splitlines()[-1]
    assert left("TMPDIR", str(tmp_path)) == []
