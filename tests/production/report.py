"""What came of a chaos run, in Markdown."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.production.plan import Disturbance
from tests.production.verdict import Evidence
from tests.servers import program_of_postgres

PACKAGES = ("apache-airflow", "apache-airflow-providers-celery", "celery", "airflow-green-notify")
CONSUMERS = {"handed_on": "handed on", "read_in_pages": "read in pages", "handled": "handled chat by chat"}


@dataclass
class Outcome:
    """What came of a run.

    :param began: UNIX time of its start; ``ended`` is that of the end of the last disturbance.
    :param settle: Seconds after that in which everything had to be stored.
    :param ended_by_themselves: How often which part ended because another one was away.
    """

    began: float
    ended: float
    settle: float
    planned: Sequence[Disturbance]
    evidence: Evidence
    ended_by_themselves: Mapping[str, int]

    @property
    def last_row(self) -> float:
        """Seconds from the end of the last disturbance to the last row of what was pushed until then."""
        return self.evidence.last_arrival(self.ended) - self.ended

    def is_clean(self) -> bool:
        """Whether the promise held, in time."""
        return self.evidence.verdict().is_clean() and self.last_row <= self.settle


def as_markdown(outcome: Outcome, seed: int) -> str:
    """Return the report."""
    evidence = outcome.evidence
    counts = evidence.verdict().counts()
    kinds = Counter(disturbance.kind for disturbance in outcome.planned)
    revived = ", ".join(f"{name} {count}" for name, count in sorted(outcome.ended_by_themselves.items()))
    rows = {
        "date": datetime.fromtimestamp(outcome.began, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit, seed": f"`{_commit()}`, {seed}",
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{platform.system()}, load {os.getloadavg()[2]:.1f} over the last 15 minutes",
        "versions": _versions(),
        "length": f"{outcome.ended - outcome.began:.0f} s",
        "disturbances": f"{len(outcome.planned)}: "
        + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())),
        "ended by themselves and were started again": revived or "none",
        "pushed": f"{len(evidence.pushed)}, and {_of_gateway(evidence)} by the gateway itself",
        "stored": str(len(evidence.rows)),
        "taken by the other consumer": str(len(evidence.taken)),
        "approvals": str(len(evidence.answers)),
        **{name.replace("_", " "): f"**{count}**" for name, count in counts.items()},
        "last disturbance to last row": f"{outcome.last_row:.1f} s",
        "longest standstill": f"{evidence.longest_standstill():.1f} s without a row",
        "push to row": _percentiles(evidence.latencies()),
        **{f"row to {name}": _percentiles(evidence.lags(key)) for key, name in CONSUMERS.items()},
        **{f"{name} again": str(_again(evidence, key)) for key, name in CONSUMERS.items()},
    }
    return "\n".join(
        ["| what | result |", "|---|---|", *(f"| {name} | {told} |" for name, told in rows.items())]
    )


def _again(evidence: Evidence, name: str) -> int:
    noted = [key for key, _ in evidence.noted[name]]
    return len(noted) - len(set(noted))


def _of_gateway(evidence: Evidence) -> int:
    return sum(len(instance.audit()) for instance in evidence.instances) - len(evidence.pushed)


def _percentiles(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    p50, p95 = (seconds[min(len(seconds) - 1, len(seconds) * p // 100)] for p in (50, 95))
    return f"p50 {p50:.1f} s, p95 {p95:.1f} s, max {seconds[-1]:.1f} s"


def _versions() -> str:
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    servers = [_told([program_of_postgres("postgres"), "--version"]), _told(["redis-server", "--version"])]
    return ", ".join([f"Python {platform.python_version()}", *packages, *_numbers(servers)])


def _numbers(told: Iterable[str]) -> list[str]:
    names = ("PostgreSQL", "Redis server")
    return [
        f"{name} {found[0] if (found := re.findall(r'[0-9]+(?:[.][0-9]+)+', text)) else '?'}"
        for name, text in zip(names, told, strict=True)
    ]


def _told(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _commit() -> str:
    return _told(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]).strip()
