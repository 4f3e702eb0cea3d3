"""Processes of the tests that kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any


class Zygote:
    """The warmed-up process; see ``zygote.py``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: dict[str, int] = {}

    def _answer(self, name: str) -> int:
        """The answer under this name; a job may have opened its store before its pid is told."""
        assert self._process.stdout is not None
        while name not in self._answers:
            line = self._process.stdout.readline()
            if not line:
                raise EOFError("The zygote died.")
            self._answers |= json.loads(line)
        return self._answers[name]

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def run(
        self, job: dict[str, Any], kill: int | None = None, after: float = 0.0, opened: bool = True
    ) -> int:
        """Run a drain, kill it ``after`` so many seconds if it still lives, and return its exit code.

        :param opened: Count from when its store is open, else from its start.
        """
        pid = self.start(job)
        if kill is not None:
            if opened:
                self._answer("opened")
            time.sleep(after)
            os.kill(pid, kill)
        return self.end()

    def start(self, job: dict[str, Any]) -> int:
        """Begin a job, one at a time, and return its pid, which is nobody else's until its end."""
        self._answers.clear()
        self._say(json.dumps(job))
        return self._answer("pid")

    def end(self) -> int:
        """Wait for the end of the job, and return its exit code."""
        self._say("")
        return self._answer("code")

    def close(self) -> None:
        with self._process as process:  # closes its pipes
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
