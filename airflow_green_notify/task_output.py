"""Values that only the running task knows: templates, and what another task returns."""

from __future__ import annotations

import os
from typing import Any


def is_output(value: Any) -> bool:
    """Tell whether Airflow puts what another task returned, or a part of it, in the place of a value."""
    return not isinstance(value, os.PathLike) and callable(getattr(value, "resolve", None))


def is_template(value: Any) -> bool:
    """Tell whether a value is known only when the task runs: Jinja, or the output of another task."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    return is_output(value)
