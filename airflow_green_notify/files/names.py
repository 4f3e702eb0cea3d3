"""Names that become paths: whatever a text is, its name leads nowhere else."""

from __future__ import annotations

import hashlib
import re

from airflow_green_notify.printable import NAME, printable

_UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]")
_MAX_LENGTH = 100


def digest(text: str) -> str:
    """Return 32 hex digits that stand for ``text``."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def safe_name(text: str) -> str:
    """Return a legible name for any text: itself if harmless, else a likeness of it and a hash.

    No two texts share a name, and none is a path: ``scheduled__2026-11-23T06:24:00+00:00`` becomes
    ``scheduled__2026-11-23T06_24_00_00_00~1f0c…``.
    """
    likeness = _UNSAFE.sub("_", text)[:_MAX_LENGTH].lstrip(".")
    return text if text and likeness == text else f"{likeness}~{digest(text)[:12]}"


def parts_below(name: str) -> list[str]:
    """Return the parts of a name that is about to become a path below the root of a place.

    :raises ValueError: It would lead elsewhere: out of the root, or back to it.
    """
    parts = name.split("/") if name else []
    if "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"'{printable(name, NAME)}' is no name of a file in a store: it may lead elsewhere.")
    return parts
