"""Values that only the running task knows, since another task returns them."""

from __future__ import annotations

import os
from typing import Any


def is_output(value: Any) -> bool:
    """Tell whether Airflow puts what another task returned, or a part of it, in the place of a value."""
    return not isinstance(value, os.PathLike) and callable(getattr(value, "resolve", None))
