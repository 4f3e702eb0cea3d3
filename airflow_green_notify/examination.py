"""What an examination of an instance found, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_green_notify.printable import printable


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do about it.

    :param ok: ``None`` if it could not be told, or works at a risk.
    :param brief: The value alone, as it stands in a table.
    """

    check: str
    ok: bool | None
    found: str
    remedy: str = ""
    brief: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = asdict(self)
        del values["brief"]
        return values


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
        return not self.wrong

    @property
    def wrong(self) -> list[Finding]:
        """What keeps the queue from being read in time."""
        return [finding for finding in self.findings if finding.ok is False]

    @property
    def warnings(self) -> list[Finding]:
        """What could not be told, or works at a risk."""
        return [finding for finding in self.findings if finding.ok is None]

    @property
    def verdict(self) -> str:
        """Return it in a word or three."""
        if self.wrong:
            return "not healthy"
        return "healthy, with warnings" if self.warnings else "healthy"

    def brief(self, check: str) -> str:
        """Return the value that a check found, or nothing if there is none."""
        return next((finding.brief for finding in self.findings if finding.check == check), "")

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        findings = [finding.as_dict() for finding in self.findings]
        return {"healthy": self.healthy, **asdict(self), "findings": findings}

    def as_text(self) -> str:
        """Return it as lines for a terminal."""
        return "\n".join(self._lines())

    def as_complaint(self) -> str:
        """Return what is wrong, and what to do about it, as one line."""
        wrong = (f"{each.found}{each.remedy and f'; to do: {each.remedy}'}" for each in self.wrong)
        return f"{printable(self.connection)} (instance {self.instance or '?'}): {'. '.join(wrong)}."

    def _lines(self) -> Iterator[str]:
        connection = printable(self.connection)
        yield f"Connection {connection}, instance {self.instance or '?'} at {self.host or '?'}"
        for finding in self.findings:
            mark = {True: "ok   ", False: "WRONG", None: "warn "}[finding.ok]
            yield f"  {mark} {finding.check + ':':<10} {finding.found}"
            if finding.remedy:
                yield f"        {'':<10} To do: {finding.remedy}"
        yield f"{self.verdict.capitalize()}."
