"""The reports of watchers and examinations in a store of files: one small file for each.

``reports/<id>-<time>-<random>.json``. Nothing is overwritten: a newer report is another file, the newest one
of an id counts, and whoever writes removes the others.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_green_notify.json_text import from_text, to_text
from airflow_green_notify.stores.drain_record import KEPT_FOR
from airflow_green_notify.stores.report import AHEAD, Report, in_order

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files

_ROOT = "reports"
_NAME = re.compile(r"[0-9a-f]{32}-\d{8}T\d{6}\.\d{6}-[0-9a-f]{8}\.json")
_TIME = "%Y%m%dT%H%M%S.%f"


class FileReports:
    """Written side by side; of two writers of one report the newer one wins."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def add(self, reports: Sequence[Report]) -> None:
        self._files.prepare()
        created = self._files.create_all({_name(each): to_text(each.as_dict()).encode() for each in reports})
        if errors := [each for each in created.values() if isinstance(each, Exception)]:
            raise errors[0]
        self._remove(datetime.now(UTC) - KEPT_FOR)

    def all(self) -> list[Report]:
        found: dict[str, Report] = {}
        tried: set[str] = set()
        while left := {
            each[:32]: each for each in self._names() if each[:32] not in found and each not in tried
        }:
            tried.update(left.values())
            for name, content in self._files.read(f"{_ROOT}/{each}" for each in left.values()):
                with suppress(ValueError):
                    if content is not None:  # else a newer one took its place meanwhile
                        found[name.removeprefix(f"{_ROOT}/")[:32]] = Report.from_dict(from_text(content))
        return in_order([*found.values()])

    def remove_before(self, moment: datetime) -> None:
        self._remove(moment)

    def _remove(self, before: datetime) -> None:
        """Remove what is from before a time, and what newer ones took the place of."""
        names = self._names()
        newest = {*{name[:32]: name for name in names}.values()}
        first = before.astimezone(UTC).strftime(_TIME)
        self._files.remove(
            f"{_ROOT}/{name}" for name in names if name not in newest or _time_in(name) < first
        )

    def _names(self) -> list[str]:
        """Return the names of its own files, the newest of each id last; others are left alone."""
        names = filter(_NAME.fullmatch, self._files.names(_ROOT))
        last = (datetime.now(UTC) + AHEAD).strftime(_TIME)
        return sorted(names, key=lambda name: (_time_in(name) <= last, name))


def _name(report: Report) -> str:
    return f"{_ROOT}/{report.id}-{report.at.astimezone(UTC).strftime(_TIME)}-{uuid.uuid4().hex[:8]}.json"


def _time_in(name: str) -> str:
    return name.split("-")[1]
