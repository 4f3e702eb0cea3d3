"""What was closed before a store had a log gets its positions first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.object_storage.batch_file import is_part, part_names, read_parts
from airflow_green_notify.stores.object_storage.log import LogEntry

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.object_storage.log import Log

_EVER = datetime(1970, 1, 2, tzinfo=UTC)


def log_older_batches(files: Files, log: Log) -> None:
    """Log all batches that are closed, in the order in which they began, unless somebody did it before.

    It may be done by several at once, and again by the next one where one died in it.
    """
    if log.is_complete():
        return
    names = filter(is_part, files.modified_since("batches", _EVER))
    batches = []
    for folder in {name.rpartition("/")[0] for name in names}:
        parts = part_names(files, folder)
        entries = read_parts(files, parts)
        rows = {safe_name(entry.notification.key): entry.notification.received_at for entry in entries}
        if rows:
            batches.append((min(rows.values()), parts, rows))
    last, logged = LogEntry(), set[str]()
    for _, parts, rows in sorted(batches, key=lambda batch: batch[:2]):
        last = log.append(last, rows, parts, logged)
    log.note_complete()
