"""A notification as the row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_green_notify.json_text import from_text, to_text
from airflow_green_notify.notification import Notification
from airflow_green_notify.portable_json import storable
from airflow_green_notify.stores.entry import Entry

ROW_COLUMNS = (
    "key",
    "batch_id",
    "instance_id",
    "type_webhook",
    "type_message",
    "notified_at",
    "received_at",
    "chat_id",
    "sender",
    "sender_name",
    "id_message",
    "text",
    "status",
    "download_url",
    "file_name",
    "mime_type",
    "quoted_id",
    "note",
    "body",
)
TIME_COLUMNS = ("notified_at", "received_at")


def to_row(entry: Entry) -> dict[str, Any]:
    """Return the value of each column: those of ``as_row``, with the batch and the note as JSON text."""
    row = entry.notification.as_row()
    return row | {
        "batch_id": storable(entry.batch_id),
        "notified_at": _storable_time(row["notified_at"]),
        "note": None if entry.note is None else to_text(entry.note),
    }


def from_row(row: Mapping[str, Any]) -> Entry:
    """Return the entry that :func:`to_row` described; its receipt id, used up by the delete, is 0."""
    notification = Notification(
        receipt_id=0, body=from_text(row["body"]), received_at=row["received_at"], key=row["key"]
    )
    return Entry(notification, row["batch_id"], from_text(row["note"]) if row["note"] else None)


def _storable_time(time: datetime | None) -> datetime | None:
    """Return ``None`` for what is no year in some database, or in a time zone beside UTC."""
    return time.astimezone(UTC) if time and 1000 <= time.year <= 9998 else None
