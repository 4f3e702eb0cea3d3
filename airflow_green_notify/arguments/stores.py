"""Stores."""

from __future__ import annotations

import inspect
from typing import Any

from airflow_green_notify.arguments.judging import Judge, refusal


def store_of(name: str, value: Any) -> Any:
    """Judge a store, of ours or of one's own."""
    lacking = _lacking(value)
    if lacking:
        raise refusal(name, value, _A_STORE + _what_is_missing(lacking))
    return value


def streaming_store_of(name: str, value: Any) -> Any:
    """Judge a store that others read while it is filled: ours, or one of one's own that has streams."""
    missing = object()
    parts = ("stream", "described")
    lacking = [part for part in parts if inspect.getattr_static(value, part, missing) is missing]
    if lacking or isinstance(value, type):
        raise refusal(name, value, f"{_A_STORE}, that has a stream for consumers")
    return value


def our_store_of(name: str, value: Any) -> Any:
    """Judge a store that a triggerer can make again from its description."""
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore

    if not isinstance(value, SqlStore | ObjectStorageStore):
        raise refusal(name, value, "a SqlStore or an ObjectStorageStore, such as SqlStore('warehouse')")
    return value


def sql_store_of(name: str, value: Any) -> Any:
    """Judge a store that is a table, whose chats can be taken one by one."""
    from airflow_green_notify.stores import SqlStore

    if not isinstance(value, SqlStore):
        raise refusal(
            name,
            value,
            "a SqlStore, such as SqlStore('warehouse'): work is shared chat by chat through the rows of a "
            "table, which files don't have",
        )
    return value


def store_or(word: str) -> Judge:
    """Return a judge for a store, or the word that may stand in its place."""

    def judged(name: str, value: Any) -> Any:
        if isinstance(value, str) and value == word:
            return value
        if _lacking(value):
            raise refusal(name, value, f"{word!r} or {_A_STORE}{_what_is_missing(_lacking(value))}")
        return value

    return judged


def check_apart(name: str, store: Any, other_name: str, other_store: Any) -> None:
    """Judge two stores that must not be the same."""
    if store == other_store:
        raise ValueError(
            f"{name} and {other_name} are the same, {store!r}; what is not accepted needs a store of its own."
        )


_A_STORE = "a store, such as SqlStore('warehouse') or ObjectStorageStore('s3://bucket/folder')"


def _lacking(value: Any) -> list[str]:
    """Return what a store has and this doesn't, without looking it up: that may need an open one."""
    from airflow_green_notify.stores import NotificationStore

    parts = [*NotificationStore.__mro__[1:], NotificationStore]
    members = dict.fromkeys(name for part in parts for name in vars(part) if not name.startswith("_"))
    missing = object()
    is_class = isinstance(value, type)
    return [name for name in members if is_class or inspect.getattr_static(value, name, missing) is missing]


def _what_is_missing(members: list[str]) -> str:
    return "" if "open" in members else f"; this one lacks {', '.join(members)}"
