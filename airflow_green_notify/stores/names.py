"""From ids of batches to names of folders and tasks, and what a table may be called."""

from __future__ import annotations

import re

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.printable import NAME, printable

_AGAIN = re.compile(r"/#\d+$")
"""Behind the id of a batch that was adopted and then continued by its own task."""


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
