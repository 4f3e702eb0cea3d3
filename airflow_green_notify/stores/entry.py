"""A notification as it lies in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification


class Entry(NamedTuple):
    """A notification, the batch it belongs to, and the note kept beside it.

    :param sequence: How many were put into the batch before; only while each has a file of its own.
    """

    notification: Notification
    batch_id: str
    note: dict[str, Any] | None = None
    sequence: int | None = None
