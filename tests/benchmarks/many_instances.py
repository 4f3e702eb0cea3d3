"""An emulated gateway of many instances, in a process of its own, and what a machine's processes cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from airflow_green_notify.notification import Notification

TICKS = os.sysconf("SC_CLK_TCK")
BUSY_PERCENT = 10
SAMPLE_SECONDS = 0.5
CORES = os.cpu_count() or 1


class Instances:
    """The instances of an emulator that runs, through its control plane.

    :param url: Of the emulator.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self.instances: list[dict[str, Any]] = self._get("instances")

    def add(self, count: int, **arguments: Any) -> None:
        """Open so many more, with these switches."""
        for _ in range(count):
            self._post("add_instance", **arguments)
        self.instances = self._get("instances")

    @property
    def ids(self) -> list[str]:
        """The ids of all instances."""
        return [instance["idInstance"] for instance in self.instances]

    @property
    def connections(self) -> dict[str, str]:
        """Airflow connections ``green_api_0``, ``green_api_1``, …, as environment variables."""
        return {
            f"AIRFLOW_CONN_GREEN_API_{number}": instance["connection"]
            for number, instance in enumerate(self.instances)
        }

    def push_traffic(self, each: int, ids: Sequence[str] = (), first_seed: int = 0) -> None:
        """Let so many notifications wait in each queue, no two alike.

        :param ids: Of which instances; all by default.
        :param first_seed: Of the first; each next one has the next.
        """
        for seed, instance in enumerate(ids or self.ids, first_seed):
            self._post("push_traffic", instance, seed=seed, n=each)
        for instance in ids or self.ids:
            self._post("clear_requests", instance)

    def push(self, instance: str, body: dict[str, Any]) -> None:
        """Append a notification to a queue."""
        self._post("push", instance, **body)

    def waiting(self) -> bool:
        """Whether anything is in a queue."""
        return any(self.queue(instance) for instance in self.ids)

    def audit(self) -> Iterator[dict[str, Any]]:
        """What became of everything that was pushed, instance by instance."""
        for instance in self.ids:
            yield from self.audit_of(instance)

    def audit_of(self, instance: str) -> list[dict[str, Any]]:
        """What became of everything that was pushed to one."""
        return list(self._get("audit", instance))

    def queue(self, instance: str) -> list[Any]:
        """The bodies that wait, the head first."""
        return list(self._get("queue", instance))

    def reply(self, instance: str, **rule: Any) -> None:
        """Let messages be answered from now on."""
        self._post("reply", instance, **rule)

    def switch(self, instance: str, **changes: Any) -> None:
        """Change switches."""
        self._post("switch", instance, **changes)

    def faults_at_random(self, instance: str, **chances: Any) -> None:
        """Let requests fail by chance."""
        self._post("faults_at_random", instance, **chances)

    def clear_faults(self, instance: str) -> None:
        """Let nothing fail any more."""
        self._post("clear_faults", instance)

    def last_delete(self) -> float:
        """UNIX time at which the last notification left its queue."""
        return max(item["deleted_at"] or 0.0 for item in self.audit())

    def requests(self) -> int:
        """How many requests there were since the traffic was pushed."""
        return sum(len(self._get("requests", instance)) for instance in self.ids)

    def _get(self, name: str, instance: str | None = None) -> Any:
        return self._session.get(f"{self.url}/_emulator/{name}", params=_of(instance), timeout=600).json()

    def _post(self, name: str, instance: str | None = None, **arguments: Any) -> Any:
        url = f"{self.url}/_emulator/{name}"
        response = self._session.post(url, params=_of(instance), json=arguments, timeout=600)
        response.raise_for_status()
        return response.json()


def _of(instance: str | None) -> dict[str, str]:
    return {"instance": instance} if instance else {}


class ManyInstances(Instances):
    """What runs in a process.

    :param process: The emulator.
    :param count: How many instances there are.
    :param round_trip: Milliseconds added to each exchange.
    """

    def __init__(self, process: subprocess.Popen[str], count: int, round_trip: float) -> None:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "AIRFLOW_CONN_" in line)
        super().__init__(json.loads(line.split("=", 1)[1].strip().strip("'"))["host"])
        self.process = process
        self.add(count - 1, round_trip=round_trip / 1000)


@contextmanager
def many_instances(count: int, round_trip: float) -> Iterator[ManyInstances]:
    """Run an emulator with so many instances, each with this round trip in milliseconds."""
    arguments = ("--port", "0", "--round-trip", str(round_trip / 1000))
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_green_notify.emulator", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        yield ManyInstances(process, count, round_trip)
    finally:
        process.terminate()
        process.wait()


@dataclass
class Outcome:
    """What a store holds of what was pushed.

    :param lost: Pushed, and not in the store.
    :param left: Pushed, and not deleted from the queue.
    :param twice: In the store more than once, or deleted more than once.
    """

    lost: int
    left: int
    twice: int

    @classmethod
    def of(cls, gateway: ManyInstances, stored: list[str], since: float = 0.0) -> Outcome:
        """Compare the gateway's audit, from a UNIX time on, with the keys in the store."""
        audit = [item for item in gateway.audit() if item["pushed_at"] >= since]
        pushed = [Notification(0, item["body"]).key for item in audit]
        assert len(set(pushed)) == len(pushed), "two of the pushed notifications are alike"
        return cls(
            lost=len(set(pushed) - set(stored)),
            left=sum(item["deletions"] == 0 for item in audit),
            twice=len(stored) - len(set(stored)) + sum(item["deletions"] > 1 for item in audit),
        )

    def is_clean(self) -> bool:
        return not (self.lost or self.left or self.twice)


# --- what it costs ---


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes and of all their children that have ended."""
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS  # utime, stime, and the same of children that were waited for


def machine_cpu_seconds() -> float:
    """CPU time that everything on this machine used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - getattr(times, "guest", 0.0))


def tree(pid: int) -> list[int]:
    """A process and all below it that live."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [pid, *(child.pid for child in root.children(recursive=True))]
    return []


def memory_mib(pids: Iterable[int]) -> float:
    """Memory of processes; what they share counts once."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error, FileNotFoundError):
            total += psutil.Process(pid).memory_full_info().pss
    return total / 2**20


def wait_for_rest(seconds: float) -> None:
    """Wait until others leave the machine alone, at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and psutil.cpu_percent(interval=1) > BUSY_PERCENT:
        pass


@dataclass
class Sample:
    """What was used up to a moment: CPU seconds, and memory in MiB.

    :param at: UNIX time.
    """

    at: float
    own: float
    gateway: float
    machine: float
    mib: float


class Meter:
    """Samples what a process with its children, the gateway and the machine use, while it is entered."""

    def __init__(self, pid: int, gateway: ManyInstances) -> None:
        self._pid = pid
        self._gateway = gateway.process.pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self.samples: list[Sample] = []

    def __enter__(self) -> Meter:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _go_on(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        pids = tree(self._pid)
        own, gateway = cpu_seconds(pids), cpu_seconds([self._gateway])
        self.samples.append(Sample(time.time(), own, gateway, machine_cpu_seconds(), memory_mib(pids)))

    def cores(self, end: float) -> dict[str, float]:
        """Cores in use until a UNIX time: ours, the gateway's, and what everything else used."""
        first = self.samples[0]
        last = next((sample for sample in self.samples[1:] if sample.at >= end), self.samples[-1])
        seconds = last.at - first.at
        own, gateway = (last.own - first.own) / seconds, (last.gateway - first.gateway) / seconds
        elsewhere = (last.machine - first.machine) / seconds - own - gateway
        return {"own": own, "gateway": gateway, "elsewhere": max(0.0, elsewhere)}

    @property
    def peak_mib(self) -> float:
        """The most memory that was held."""
        return max(sample.mib for sample in self.samples)
