"""Arguments of operators: judged where a Dag is parsed, and once their templates are rendered.

A ``check_`` function is for ``__init__`` and lets pass what a template hides. Its counterpart is for the
running task, and returns the value in the form that is used there.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.protocol.limits import checked_receive_timeout

if TYPE_CHECKING:
    from airflow_green_notify.filters import Matching

_STORE_METHODS = ("open", "put", "close", "release")


def has_template(value: Any) -> bool:
    """Tell whether a value is known only when the task runs: Jinja, or the output of another task."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(has_template, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_template, value))
    return not isinstance(value, PurePath) and callable(getattr(value, "resolve", None))


# --- filters ---


def check_matching(name: str, value: Any) -> None:
    """Judge a filter, except for the parts that are templates.

    :raises ValueError: It is none.
    """
    if isinstance(value, Mapping):
        value = {part: "" if has_template(wanted) else wanted for part, wanted in value.items()}
    if not has_template(value):
        matching_of(name, value)


def matching_of(name: str, value: Any) -> Matching:
    """Return what judges notifications, given as such or as a filter's arguments.

    :raises ValueError: It is neither; nor is ``None``, which another task may have returned by mistake.
    """
    if isinstance(value, Mapping):
        try:
            return NotificationFilter.from_dict(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if inspect.iscoroutinefunction(value):
        raise ValueError(
            f"{name} is {value.__qualname__}, which is async, so its answer would never be awaited; it must "
            "be a plain function."
        )
    if not isinstance(value, NotificationFilter) and not callable(value):
        raise ValueError(
            f"{name} is {value!r}; it must be a NotificationFilter, its arguments as a dict, or a function "
            "that gets the notification and returns whether it is meant."
        )
    return value


# --- stores ---


def check_store(name: str, value: Any, *words: str) -> None:
    """Judge a store that is no template.

    :param words: What may stand in its place.
    :raises ValueError: It is neither.
    """
    if not has_template(value):
        store_of(name, value, *words)


def store_of(name: str, value: Any, *words: str) -> Any:
    """Return a store, or one of the words that may stand in its place.

    :raises ValueError: It is neither.
    """
    if value in words or _is_store(value):
        return value
    allowed = "".join(f"{word!r} or " for word in words)
    raise ValueError(
        f"{name} is {value!r}; it must be {allowed}a store, such as SqlStore('warehouse') or "
        "ObjectStorageStore('s3://bucket/folder')."
    )


def _is_store(value: Any) -> bool:
    methods = (getattr(value, name, None) for name in _STORE_METHODS)
    return not isinstance(value, type) and all(map(callable, methods))


# --- seconds ---


def check_receive_timeout(value: Any) -> None:
    """Judge a ``receive_timeout`` that is no template.

    :raises ValueError: The gateway holds no request open for so long.
    """
    if not has_template(value):
        receive_timeout_of(value)


def receive_timeout_of(value: Any) -> float:
    """Return the seconds.

    :raises ValueError: The gateway holds no request open for so long.
    """
    try:
        return checked_receive_timeout(value)
    except GreenApiConfigError as error:
        raise ValueError(str(error)) from None
