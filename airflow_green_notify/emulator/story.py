"""A status, also called a story."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Story:
    """A status that was sent, and for whom."""

    id_message: str
    at: float
    data: dict[str, Any]
    participants: list[str]
    deleted: bool = False
