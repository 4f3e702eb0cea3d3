"""What an examination of an instance found, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do about it.

    :param ok: ``None`` if it could not be told, or works at a risk.
    """

    check: str
    ok: bool | None
    found: str
    remedy: str = ""


@dataclass
class Examination:
    """All that was found about the instance of one connection."""

    connection: str
    instance: str = ""
    host: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether notifications reach the queue and can be read in time."""
        return all(finding.ok is not False for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"healthy": self.healthy, **asdict(self)}

    def as_text(self) -> str:
        """Return it as lines for a terminal."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Connection {self.connection}, instance {self.instance or '?'} at {self.host or '?'}"
        for finding in self.findings:
            mark = {True: "ok   ", False: "WRONG", None: "warn "}[finding.ok]
            yield f"  {mark} {finding.check + ':':<10} {finding.found}"
            if finding.remedy:
                yield f"        {'':<10} To do: {finding.remedy}"
        warned = any(finding.ok is None for finding in self.findings)
        yield ("Healthy, with warnings." if warned else "Healthy.") if self.healthy else "Not healthy."
