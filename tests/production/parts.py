"""The processes of an installation: started, signalled, ended and started again by name."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil

from airflow_green_notify.demo.guard import kill_sessions
from tests.benchmarks.many_instances import cpu_seconds, memory_mib
from tests.live.live_airflow import members

END_SECONDS = 15.0
Which = Literal["tree", "main", "child"]
"""Which processes of a part: all of them, the first alone, or one that it started."""


@dataclass
class Part:
    """What runs under a name.

    :param command: With all arguments.
    :param stop_signal: What asks it to end.
    :param before: Called before each start, as what removes a stale pid file.
    """

    command: list[str]
    stop_signal: signal.Signals = signal.SIGTERM
    before: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def pids(self) -> list[int]:
        """Its processes that live, the first one first; one with a session of its own is found as a child."""
        if self.process is None:
            return []
        found = {self.process.pid: None} if self.process.poll() is None else {}
        for pid in [*found, *members(self.process.pid)]:
            with suppress(psutil.NoSuchProcess):
                below = psutil.Process(pid).children(recursive=True)
                found |= dict.fromkeys([pid, *(child.pid for child in below)])
        return [pid for pid in found if lives(pid)]


def lives(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


class Parts:
    """Starts parts, each in a session of its own, and ends all of them when it is left.

    Where this process is killed, a guard ends them.

    :param environment: All variables of theirs; looked at when a part starts.
    :param logs: A folder; what a part prints goes into a file of its name.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._parts: dict[str, Part] = {}
        self._lock = threading.RLock()
        self._guard: subprocess.Popen[bytes] | None = None
        self._wanted: set[str] = set()
        self.ended_by_themselves: Counter[str] = Counter()

    def __enter__(self) -> Self:
        command = [sys.executable, "-P", "-m", "airflow_green_notify.demo.guard"]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self._parts)):
            self.kill(name)
        assert self._guard is not None
        kill_sessions({part.process.pid for part in self._parts.values() if part.process})
        self._guard.communicate()

    @property
    def names(self) -> list[str]:
        """All that were added, in that order."""
        return list(self._parts)

    def add(self, name: str, part: Part) -> None:
        """Start a part for the first time."""
        self._parts[name] = part
        self.start(name)

    def start(self, name: str) -> None:
        """Start a part that has ended."""
        with self._lock:
            part = self._parts[name]
            if part.before:
                part.before()
            with (self._logs / f"{name}.log").open("ab") as log:
                part.process = subprocess.Popen(
                    part.command,
                    env=dict(self._environment),
                    cwd=self._logs,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            assert self._guard is not None
            assert self._guard.stdin is not None
            self._guard.stdin.write(b"%d\n" % part.process.pid)
            self._guard.stdin.flush()
            self._wanted.add(name)

    def stop(self, name: str, seconds: float = END_SECONDS) -> None:
        """Ask a part to end, as a rolling deploy does, and kill what hasn't after this time."""
        with self._lock:
            self._wanted.discard(name)
        part = self._parts[name]
        assert part.process is not None
        part.process.send_signal(part.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            part.process.wait(seconds)
        self.kill(name)

    def kill(self, name: str, which: Which = "tree", child: int = 0) -> list[int]:
        """Kill processes of a part; the whole of it is gone when this returns.

        :param child: Which child, counted over and over.
        :return: Those that were told to end; none if there is no child.
        """
        with self._lock:
            if which != "child":
                self._wanted.discard(name)
            signalled = self.signal(name, signal.SIGKILL, which, child)
        part = self._parts[name]
        if which == "tree":
            while rest := part.pids():  # what was forked meanwhile, and what takes its time to die
                _send(rest, signal.SIGKILL)
                psutil.wait_procs([psutil.Process(pid) for pid in rest if psutil.pid_exists(pid)], 1.0)
        if which != "child" and part.process is not None:
            part.process.wait()
        return signalled

    def freeze(self, name: str, which: Which = "tree", child: int = 0) -> list[int]:
        """Let processes stand still, as a machine that swaps or a virtual one that is moved does."""
        return self.signal(name, signal.SIGSTOP, which, child)

    def resume(self, pids: Collection[int]) -> None:
        """Let frozen processes go on."""
        _send(pids, signal.SIGCONT)

    def restart(self, name: str, seconds: float = END_SECONDS) -> None:
        """Stop a part and start it again."""
        self.stop(name, seconds)
        self.start(name)

    def signal(self, name: str, number: signal.Signals, which: Which = "tree", child: int = 0) -> list[int]:
        """Send a signal to processes of a part, and return which they are."""
        with self._lock:
            pids = self._parts[name].pids()
            if which == "main":
                pids = pids[:1]
            if which == "child":
                pids = [pids[1:][child % len(pids[1:])]] if pids[1:] else []
            _send(pids, number)
            return pids

    def revive(self) -> list[str]:
        """Start again what has ended although nobody stopped or killed it; return the names of those.

        That is what systemd or Kubernetes do for a part that can't live without its database for a while.
        """
        revived = []
        with self._lock:
            for name in sorted(self._wanted):
                process = self._parts[name].process
                if process is not None and process.poll() is not None:
                    self.ended_by_themselves[name] += 1
                    self.kill(name)
                    self.start(name)
                    revived.append(name)
        return revived

    def ended(self) -> dict[str, str]:
        """The ends of the logs of those that ended although nobody stopped or killed them."""
        with self._lock:
            gone = [name for name in self._wanted if not self._is_running(name)]
        return {name: self.log(name)[-4000:] for name in gone}

    def _is_running(self, name: str) -> bool:
        process = self._parts[name].process
        return process is not None and process.poll() is None

    def log(self, name: str) -> str:
        """What a part has printed so far."""
        return (self._logs / f"{name}.log").read_text(errors="replace")

    def pids(self, name: str) -> list[int]:
        """The processes of a part that live, its first one first."""
        return self._parts[name].pids()

    # --- what they cost ---

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each part so far, with what it started; a part that was started again begins at 0."""
        return {name: cpu_seconds(self.pids(name)) for name in self.names}

    def memory_mib(self) -> dict[str, float]:
        """Memory that each part holds; what its processes share counts once."""
        return {name: memory_mib(self.pids(name)) for name in self.names}

    def handles(self) -> dict[str, int]:
        """Open files and sockets of each part."""
        return {name: sum(map(_handles, self.pids(name))) for name in self.names}


def _handles(pid: int) -> int:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).num_fds())
    return 0


def _send(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(number)
