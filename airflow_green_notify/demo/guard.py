"""A process that outlives the demo for a moment: however that ended, what it started ends too.

``python -m airflow_green_notify.demo.guard`` reads the ids of sessions, one in a line, until its input is
closed, which happens by SIGKILL, too; then it kills their members and ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection
from contextlib import suppress


def kill_sessions(sessions: Collection[int]) -> None:
    """End all members of sessions at once, and those that they start meanwhile."""
    while members := _members(sessions):
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _members(sessions: Collection[int]) -> list[int]:
    """The processes of sessions; children stay in theirs, also when their parent is gone."""
    import psutil

    members = []
    for process in psutil.process_iter(["status"]):
        with suppress(OSError):
            if os.getsid(process.pid) in sessions and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


if __name__ == "__main__":
    kill_sessions([int(line) for line in sys.stdin])
