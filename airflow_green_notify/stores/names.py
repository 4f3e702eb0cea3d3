"""From ids to names of files, folders and tables."""

from __future__ import annotations

import hashlib
import re

from airflow_green_notify.printable import NAME, printable

_UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]")
_MAX_LENGTH = 100
_AGAIN = re.compile(r"/#\d+$")
"""Behind the id of a batch that was adopted and then continued by its own task."""


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


def checked_table(name: object) -> str:
    """Return the name of a table, with its schema in front of it or not.

    :raises ValueError: It is none, or one that some database or driver can't take.
    """
    parts = name.split(".") if isinstance(name, str) else [""]
    if "%" in parts[-1] or not all(part.strip() and part.isprintable() for part in parts):
        raise ValueError(
            f"table is '{printable(name, NAME)}'; it must be the name of a table, or schema.table, without %."
        )
    return str(name)


def folder_of(batch_id: str) -> str:
    """Return the folder of a batch, one level for each part of its id."""
    return "/".join(["batches", *map(safe_name, batch_id.split("/"))])


def without_again(tag: str) -> str:
    """Return the id of a batch that was adopted, and perhaps continued by its own task."""
    return _AGAIN.sub("", tag)


def task_of(batch_id: str) -> str:
    """Return what the batches of all runs of a task have in common: ``dag_id/task_id``."""
    parts = _AGAIN.sub("", batch_id).split("/")
    return f"{parts[0]}/{parts[2]}" if len(parts) > 3 else "/".join(parts)


def parts_of(batch_id: str) -> list[str]:
    """Return what a batch id was made of: ``dag_id, run_id, task_id, map_index``."""
    parts = _AGAIN.sub("", batch_id).split("/")
    return [part.replace("%2F", "/").replace("%25", "%") for part in parts]
