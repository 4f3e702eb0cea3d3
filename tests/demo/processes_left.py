"""Which processes are left of those that were started with a variable."""

from __future__ import annotations

from contextlib import suppress

import psutil


def left(name: str, value: str) -> list[tuple[int, list[str]]]:
    """The ids and command lines of all processes in whose environment a variable has a value."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                processes.append((process.pid, process.cmdline()))
    return processes
