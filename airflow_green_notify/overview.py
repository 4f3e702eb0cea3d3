"""Examinations of several instances: a table, and in full what is not plainly healthy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_green_notify.examination import Examination
from airflow_green_notify.printable import NAME, printable

_COLUMNS = ("connection", "instance", "verdict", "state", "waiting", "oldest", "wrong", "warnings")
_NOTHING = "-"
"""Stands where there is no value: it wasn't looked at, or nothing waits."""


def overview(examinations: Sequence[Examination]) -> str:
    """Return one line for each, then all findings of those with something to tell, and a verdict over all."""
    told = [each.as_text() for each in examinations if each.wrong or each.warnings]
    return "\n\n".join(["\n".join(_table(examinations)), *told, _verdict(examinations)])


def complaints(examinations: Sequence[Examination]) -> str:
    """Return which instances are not healthy and what to do, a line each; nothing if all are healthy."""
    lines = [each.as_complaint() for each in examinations if not each.healthy]
    if not lines:
        return ""
    return "\n".join([f"{len(lines)} of {len(examinations)} instances are not healthy:", *lines])


def _table(examinations: Sequence[Examination]) -> Iterator[str]:
    rows = [_COLUMNS, *map(_row, examinations)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(examination: Examination) -> tuple[str, ...]:
    seen = (examination.brief(check) or _NOTHING for check in ("state", "count", "oldest"))
    return (
        printable(examination.connection, NAME),
        printable(examination.instance or _NOTHING, NAME),
        examination.verdict,
        *seen,
        str(len(examination.wrong)),
        str(len(examination.warnings)),
    )


def _verdict(examinations: Sequence[Examination]) -> str:
    ill = [printable(each.connection, NAME) for each in examinations if not each.healthy]
    well = f"{len(examinations) - len(ill)} of {len(examinations)} healthy"
    return f"{well}; not healthy: {', '.join(ill)}." if ill else f"{well}."
