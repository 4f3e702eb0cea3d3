"""What a store holds of messages already, so that a queue and a journal bring none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from airflow_green_notify.message import Message, journal_key, message_of

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

JOURNAL = "/journal"
"""Ends the queue of a batch that is filled from the journals beside a queue."""

QUEUED_FOR = timedelta(days=2)
"""A message that came from a journal longer ago is in the queue no more: that keeps it for a day."""


def messages_among(notifications: Iterable[Notification], since: datetime) -> set[Message]:
    """Return the messages among what was received from ``since`` on."""
    received = (item for item in notifications if item.received_at >= since)
    return {message for notification in received if (message := message_of(notification))}


class Leases(Protocol):
    """How often a reader took a lease in the ledger of its store."""

    times_taken: int


class FromJournal:
    """Tells whether a backfill stored the message that a queue brings.

    Nobody backfills while a reader has the queue's lease, so it looks at what is there only when the lease
    was taken anew.

    :param look: Looks, and returns whether there is anything from a journal.
    :param holds: Returns whether a key was there at the last look.
    """

    def __init__(self, leases: Leases, look: Callable[[], bool], holds: Callable[[str], bool]) -> None:
        self._leases = leases
        self._look = look
        self._holds = holds
        self._looked_at = -1
        self._is_any = False

    def __contains__(self, notification: Notification) -> bool:
        if self._looked_at != self._leases.times_taken:
            self._looked_at = self._leases.times_taken
            self._is_any = self._look()
        message = message_of(notification) if self._is_any else None
        return message is not None and self._holds(journal_key(message))
