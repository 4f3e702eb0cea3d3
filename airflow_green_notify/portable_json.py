"""JSON that comes back unchanged from every column, query engine and serializer on its way."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from airflow_green_notify.json_text import from_text, to_text

MAX_NESTING = 30
"""Levels. MariaDB takes 32, MySQL 100, DuckDB 128, jq 256; Airflow's serializer spends call stack on each."""

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_DECIMAL = re.compile(r"(?!-0\.0$)-?\d+\.\d+")
"""PostgreSQL's JSONB makes an integer of ``1e+16``, and drops the sign of ``-0.0``."""


def to_members(name: str, value: Any) -> dict[str, Any]:
    """Return the members of an object that hold a JSON value: ``{name}``, or ``{name, name_text}``.

    The first is always an object that everything reads, or ``None``. Where ``value`` is not such an object,
    the second is its exact JSON text.
    """
    if is_portable(value):
        return {name: value}
    nearest = nearest_portable(value)
    return {name: nearest if isinstance(nearest, dict) else None, f"{name}_text": to_text(value)}


def from_members(members: Mapping[str, Any], name: str) -> Any:
    """Return the value that :func:`to_members` wrote.

    :raises KeyError: There is none.
    :raises ValueError: Its text is no JSON.
    """
    text = members.get(f"{name}_text")
    value = members[name] if text is None else text
    return from_text(value) if isinstance(value, str) else value


def storable(text: str) -> str:
    """Return ``text`` with U+FFFD for what databases refuse in text: NUL and lone surrogates."""
    return _NO_TEXT.sub("\ufffd", text)


def is_portable(value: Any) -> bool:
    """Tell whether a JSON value is an object that nothing between its writer and its reader changes."""
    if not isinstance(value, dict):
        return False
    level: list[Any] = [value]
    for _ in range(MAX_NESTING + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if not all(map(_is_portable_name, item)):
                    return False
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif not _is_portable_scalar(item):
                return False
        if not inner:
            return True
        level = inner
    return False


def nearest_portable(value: Any, levels: int = MAX_NESTING) -> Any:
    """Return what comes nearest to a JSON value and is read by everything.

    NUL and lone surrogates become U+FFFD. What has no place becomes ``None``: NaN, Infinity, integers beyond
    64 bits, what is nested too deeply, and objects with names that Airflow's serializer keeps for itself.
    """
    if isinstance(value, dict | list) and not levels:
        return None
    if isinstance(value, dict):
        if any(str(name).startswith("__") for name in value):
            return None
        return {storable(str(name)): nearest_portable(item, levels - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [nearest_portable(item, levels - 1) for item in value]
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if _is_portable_scalar(value) else None


def without_members(name: str, value: Any, levels: int = MAX_NESTING) -> Any:
    """Return a JSON value without the members of this name; what is nested too deeply stays as it is."""
    if isinstance(value, dict) and levels:
        kept = ((each, item) for each, item in value.items() if each != name)
        return {each: without_members(name, item, levels - 1) for each, item in kept}
    if isinstance(value, list) and levels:
        return [without_members(name, item, levels - 1) for item in value]
    return value


def _is_portable_name(name: Any) -> bool:
    return isinstance(name, str) and not name.startswith("__") and not _NO_TEXT.search(name)


def _is_portable_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return not _NO_TEXT.search(value)
    if isinstance(value, float):
        return _DECIMAL.fullmatch(repr(value)) is not None
    return not isinstance(value, int) or -(2**63) <= value < 2**63
