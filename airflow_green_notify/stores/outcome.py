"""What became of each of many notifications that were put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TypeVar

from airflow_green_notify.errors import NotificationStoreError

T = TypeVar("T")

Outcome = bool | NotificationStoreError
"""Of one notification among many: what ``put`` would have returned, or raised."""


def attempt(
    work: Callable[[], T], translate_errors: Callable[[], AbstractContextManager[None]]
) -> T | NotificationStoreError:
    """Return what work returns, or what an error of it means."""
    try:
        with translate_errors():
            return work()
    except NotificationStoreError as error:
        return error


def for_each(names: Iterable[str], outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """Return the outcomes in this order; of what is named twice, the first one alone is new."""
    seen: set[str] = set()
    told = []
    for name in names:
        told.append(False if name in seen and outcomes[name] is True else outcomes[name])
        seen.add(name)
    return told
