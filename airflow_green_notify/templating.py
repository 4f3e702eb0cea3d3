"""What may stand in a template field."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any


def templatable(path: Any) -> Any:
    """Return a path as text, and anything else as it is.

    Airflow 3.1 takes the ``resolve`` of a :mod:`pathlib` path for that of a task's output, and calls it.
    """
    return str(path) if isinstance(path, PurePath) else path
