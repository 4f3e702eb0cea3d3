"""A dead letter, kept apart from the same notification as a drain may have stored it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_green_notify.files.names import digest
from airflow_green_notify.notification import Notification

_KEY = "key"


def dead_letter(notification: Notification, note: dict[str, Any]) -> tuple[Notification, dict[str, Any]]:
    """Return what to put, under a key of its own; the note tells the notification's key."""
    return replace(notification, key=_key_apart(notification.key)), {**note, _KEY: notification.key}


def as_received(notification: Notification, note: dict[str, Any] | None) -> Notification:
    """Return a notification read from a store under the key it was received with."""
    key = (note or {}).get(_KEY)
    if isinstance(key, str) and notification.key == _key_apart(key):
        return replace(notification, key=key)
    return notification


def _key_apart(key: str) -> str:
    return digest(f"dead letter {key}")
