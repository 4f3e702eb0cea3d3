"""Notifications and batches, in the forms in which tasks hand them on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow_green_notify.arguments.judging import refusal
from airflow_green_notify.notification import Notification


def notification_of(name: str, value: Any) -> Notification:
    """Judge a notification, as such, as a task returned it, or as JSON text of that."""
    if isinstance(value, Notification):
        return value
    try:
        return Notification.from_dict(json.loads(value) if isinstance(value, str) else value)
    except json.JSONDecodeError:
        flaw = "Not a notification: a text that is no JSON."
    except ValueError as error:
        flaw = str(error)
    raise ValueError(
        f"{name}: {flaw} Give the receiving task's .output rather than a Jinja expression, or set "
        "render_template_as_native_obj=True on the Dag."
    )


def notifications_of(name: str, value: Any) -> Any:
    """Judge what should hold notifications, without reading them."""
    if not isinstance(value, Notification | Iterable):
        raise refusal(
            name,
            value,
            "the batch description that a drain returned, a notification as a task returned it, or a list of "
            "such",
        )
    return value


def as_dicts(value: Any) -> Any:
    """Return what a Dag file gives as notifications in the form in which tasks hand them on.

    Airflow shows rendered arguments, for which it takes no :class:`Notification`.
    """
    if isinstance(value, Notification):
        return value.as_dict()
    return [*map(as_dicts, value)] if isinstance(value, list | tuple) else value
