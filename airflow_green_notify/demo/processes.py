"""Processes that end with the one that started them, and all that they started themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_green_notify.demo.guard import kill_sessions

TOLD = 20  # lines of its log, of a process that ended by itself


class EndedByItself(Exception):
    """A process is gone that should run on, or failed; the message has the end of its log."""


class Processes:
    """Runs ``python -m …``, each in a session of its own: Ctrl-C in the terminal doesn't reach them.

    All members of those sessions are killed at the end: a scheduler that is asked to end waits for its tasks,
    and leaves them behind if it dies itself. Where this process is killed, a guard does the same.

    :param environment: All variables of theirs.
    :param logs: A folder; what a process prints goes into a file of its name.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, name: str, *arguments: str) -> None:
        """Start ``python -m`` with these arguments."""
        if self._guard is None:
            self._guard = self._popen("guard", "airflow_green_notify.demo.guard", stdin=subprocess.PIPE)
        self._running[name] = self._popen(name, *arguments, stdin=subprocess.DEVNULL)
        assert self._guard.stdin is not None  # noqa: S101
        self._guard.stdin.write(b"%d\n" % self._running[name].pid)
        self._guard.stdin.flush()

    def has_ended(self, name: str) -> bool:
        """Tell whether a process has ended well.

        :raises EndedByItself: It failed.
        """
        code = self._running[name].poll()
        if code:
            raise EndedByItself(self._last_words(name, code))
        return code is not None

    def check(self, *names: str) -> None:
        """Raise :class:`EndedByItself` if one of them runs no more."""
        for name in names:
            if (code := self._running[name].poll()) is not None:
                raise EndedByItself(self._last_words(name, code))

    def kill(self) -> None:
        """End everything that was started, and what that started, at once."""
        kill_sessions({process.pid for process in self._running.values()})
        for process in self._running.values():
            process.wait()
        if self._guard is not None:
            self._guard.communicate()

    def _popen(self, name: str, *arguments: str, stdin: int) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", *arguments],
                env=self._environment,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _last_words(self, name: str, code: int) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join((f"Airflow's {name} ended by itself, with exit code {code}:", *lines[-TOLD:]))
