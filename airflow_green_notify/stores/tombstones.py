"""Tombstones: what keeps an erased notification from coming back, and tells nobody what it was."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.message import journal_key, message_of
from airflow_green_notify.stores.dead_letter import as_received

if TYPE_CHECKING:
    from airflow_green_notify.stores.entry import Entry


class Tombstone(NamedTuple):
    """What stands in a store for an erased key.

    :param mark: A salted hash of the key, 32 hex digits.
    :param backfilled_at: When the notification was received, if a backfill brought it: the queue may bring
        the same message under another key then.
    """

    mark: str
    backfilled_at: datetime | None = None


def new_salt() -> str:
    """Return a salt, 64 hex digits, of which a store makes one."""
    return secrets.token_hex(32)


def mark_of(key: str, salt: str) -> str:
    """Return what stands for a key in a store with this salt."""
    return hashlib.blake2b(
        key.encode("utf-8", "surrogatepass"), key=bytes.fromhex(salt), digest_size=16
    ).hexdigest()


def keys_of(entry: Entry) -> set[str]:
    """Return the keys under which the notification of an entry could be put again.

    Its own; for a dead letter, that of what was received; for a message, that which a backfill would give it.
    """
    message = message_of(entry.notification)
    received = as_received(entry.notification, entry.note)
    return {entry.notification.key, received.key} | ({journal_key(message)} if message else set())


def tombstones_of(entry: Entry, salt: str) -> set[Tombstone]:
    """Return what is to stand in the place of an entry."""
    message = message_of(entry.notification)
    from_journal = journal_key(message) if message else None
    is_backfilled = entry.notification.key == from_journal
    return {
        Tombstone(
            mark_of(key, salt),
            entry.notification.received_at if is_backfilled and key == from_journal else None,
        )
        for key in keys_of(entry)
    }
