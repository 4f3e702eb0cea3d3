"""What the drains of a fleet tell afterwards, together and each for itself."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_green_notify.drain.report import STOPPED_BY, DrainReport, rate
from airflow_green_notify.printable import TEXT, listed, printable
from airflow_green_notify.progress import span

_NAMED = 20
"""How many connections a text names at most."""

_OF_ONE = DrainReport()


@dataclass
class FleetReport:
    """What a fleet did.

    :param instances: The report of each drain, by the id of its connection.
    :param errors: Why drains failed, by the id of the connection.
    :param adopted: Notifications taken over from batches of earlier runs.
    :param seconds: How long it took.
    """

    instances: dict[str, DrainReport] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    adopted: int = 0
    seconds: float = 0.0

    @property
    def stopped_by(self) -> str:
        """Why the drains stopped, the most frequent reason first."""
        return ", ".join(reason for reason, _ in self._reasons())

    def total(self) -> DrainReport:
        """Return the sums over all drains; ages and overlap are those of the worst."""
        reports = [*self.instances.values()]
        total = DrainReport(adopted=self.adopted, stopped_by=self.stopped_by, seconds=self.seconds)
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + sum(getattr(report, name) for report in reports))
        total.overlap = all(report.overlap for report in reports)
        ages = [report.oldest_age for report in reports if report.oldest_age is not None]
        total.oldest_age = max(ages, default=None)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return ``{"report", "instances"}`` as JSON values; of an instance, what differs from nothing."""
        return {"report": self.total().as_dict(), "instances": dict(self._entries())}

    def sentence(self, did: str) -> str:
        """Say in words what came of it.

        :param did: What was done, such as "Drained".
        """
        reasons = (f"{STOPPED_BY.get(reason, reason)} ({count})" for reason, count in self._reasons())
        counts = self.total().counts(did, f"{len(self.instances)} instances")
        return f"{counts}; stopped because {', '.join(reasons) or 'no connection is of use'}."

    def progress(self) -> str:
        """Say how far it is."""
        total = self.total()
        at_work = sum(not report.stopped_by for report in self.instances.values())
        failed = f", {len(self.errors)} failed" if self.errors else ""
        count = f"{total.deleted} notifications{rate(total.deleted, self.seconds)}"
        instances = f"{len(self.instances)} instances for {span(self.seconds)}"
        return f"Draining {instances}: {count}; {at_work} at work{failed}."

    def failures(self) -> str:
        """Name what failed, and why; equal reasons once."""
        texts: dict[str, list[str]] = {}
        for conn_id, error in self.errors.items():
            texts.setdefault(printable(error, TEXT).rstrip("."), []).append(conn_id)
        return " ".join(f"{listed(conn_ids, _NAMED)}: {text}." for text, conn_ids in texts.items())

    def _reasons(self) -> list[tuple[str, int]]:
        return Counter(report.stopped_by for report in self.instances.values()).most_common()

    def _entries(self) -> Iterable[tuple[str, dict[str, Any]]]:
        for conn_id in [*self.instances, *(self.errors.keys() - self.instances.keys())]:
            report = self.instances.get(conn_id, DrainReport(stopped_by="error"))
            entry = {
                name: value
                for name, value in dataclasses.asdict(report).items()
                if value != getattr(_OF_ONE, name)
            }
            if conn_id in self.errors:
                entry["error"] = printable(self.errors[conn_id])
            yield conn_id, entry


_COUNTS = [name for name, value in vars(_OF_ONE).items() if type(value) is int]
"""What adds up."""
