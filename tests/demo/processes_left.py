"""Which processes are left of those that were started with a variable."""

from __future__ import annotations

from contextlib import suppress

import psutil


def left(name: str, folder: str) -> list[tuple[int, list[str]]]:
    """The ids and command lines of all processes in whose environment a variable names a folder.

    Airflow's api-server and workers name themselves anew, which writes over their environment: they are known
    by a file in the folder that they hold open, such as the log that they were started with.
    """
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and _belongs(process, name, folder):
                processes.append((process.pid, process.cmdline()))
    return processes


def _belongs(process: psutil.Process, name: str, folder: str) -> bool:
    opened = [file.path for file in process.open_files()]
    return process.environ().get(name) == folder or any(path.startswith(f"{folder}/") for path in opened)
