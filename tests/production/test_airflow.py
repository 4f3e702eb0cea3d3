"""An Airflow in production is gone when whoever started it is, however that ended."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.running_airflow import until
from tests.production.airflow import left_in

pytestmark = pytest.mark.production
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_over_after_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    """No process, and no folder where there was time to remove it."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "tests.production", "up", "--instances", "2"]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, start_new_session=True)
    try:
        until(lambda: "lies in" in log.read_text() or process.poll() is not None, 60, "folder")
        folder = Path(re.findall(r"lies in (\S+)\.", log.read_text())[0])
        until((folder / "logs" / "api-server.log").exists, 120, "start of Airflow")
        assert left_in(folder)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    until(lambda: left_in(folder) == [], 60, "end of all processes")
    assert number == signal.SIGKILL or not folder.exists()
