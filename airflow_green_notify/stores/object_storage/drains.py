"""The records of drains into a store of files: one file a day beside the batches, as NDJSON.

``drains/2026-12-01T110203.123456-<random>.ndjson`` is what one drain wrote, one line for each instance. Once
the day is over, a later drain puts these together in ``drains/2026-12-01.1.ndjson``; should there be very
many, or one of that day be written later still, in ``.2.ndjson``, too. Nothing is ever overwritten or added
to: of two that do this at once one creates the file, and what it took in is removed only after that. What a
crash in between leaves stands in two files, is read once, and is removed by the next drain.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_green_notify.stores.drain_record import KEPT_FOR, DrainRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_green_notify.files.place import Files

_ROOT = "drains"
_NAME = re.compile(r"\d{4}-\d\d-\d\d[T.].+\.ndjson")
_DAY = len("2026-12-01")
_SETTLED_AFTER = timedelta(hours=1)
"""How long after its end a day is put together: by then, those that began to write in it have written."""

_AT_ONCE = 1000
"""How many files one drain puts together: it has yet to end, and streams write thousands a day."""


class FileDrains:
    """Written in one file for all instances of a drain."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def add(self, records: Sequence[DrainRecord]) -> None:
        now = datetime.now(UTC)
        self._files.create(f"{_ROOT}/{now:%Y-%m-%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.ndjson", _lines(records))
        self.remove_before(now - KEPT_FOR)
        self._put_days_together(f"{now - _SETTLED_AFTER:%Y-%m-%d}")

    def since(self, moment: datetime) -> list[DrainRecord]:
        first = f"{moment.astimezone(UTC):%Y-%m-%d}"
        found = self._read(name for name in self._names() if name[:_DAY] >= first)
        late_enough = (record for record in found.values() if record.ended_at >= moment)
        return sorted(late_enough, key=lambda record: (record.ended_at, record.conn_id, record.id))

    def remove_before(self, moment: datetime) -> None:
        last = f"{moment.astimezone(UTC):%Y-%m-%d}"
        self._files.remove(f"{_ROOT}/{name}" for name in self._names() if name[:_DAY] < last)

    def _names(self) -> list[str]:
        """Return the names of its own files; what else lies there, as ``.DS_Store`` does, is left alone."""
        return sorted(filter(_NAME.fullmatch, self._files.names(_ROOT)))

    def _read(self, names: Iterable[str]) -> dict[str, DrainRecord]:
        """Return the records in some files, by their ids; a file that is gone meanwhile has none."""
        found: dict[str, DrainRecord] = {}
        for _, content in self._files.read(f"{_ROOT}/{name}" for name in names):
            for line in (content or b"").splitlines():
                record = DrainRecord.from_dict(json.loads(line))
                found[record.id] = record
        return found

    def _put_days_together(self, before: str) -> None:
        """Make one file of those of each day that is over."""
        names = [name for name in self._names() if name[:_DAY] < before]
        for day in sorted({name[:_DAY] for name in names if not _is_of_day(name)}):
            whole = [name for name in names if name[:_DAY] == day and _is_of_day(name)]
            single = [name for name in names if name[:_DAY] == day and not _is_of_day(name)]
            single = single[:_AT_ONCE]
            known = self._read(whole)
            added = [record for id, record in self._read(single).items() if id not in known]
            if not added or self._files.create(f"{_ROOT}/{day}.{len(whole) + 1}.ndjson", _lines(added)):
                self._files.remove(f"{_ROOT}/{name}" for name in single)


def _is_of_day(name: str) -> bool:
    return name[_DAY : _DAY + 1] == "."


def _lines(records: Iterable[DrainRecord]) -> list[bytes]:
    return [json.dumps(record.as_dict(), ensure_ascii=False).encode() + b"\n" for record in records]
