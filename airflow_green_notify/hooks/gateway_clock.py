"""The gateway's clock, as far as its answers tell of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache


class GatewayClock:
    """What time it is at the gateway, by the ``Date`` header of its last answer, to the second."""

    def __init__(self) -> None:
        self._header = ""
        self._noted_at = 0.0

    def note(self, header: str | None) -> None:
        """Remember the header of an answer that came just now."""
        if header:
            self._header = header
            self._noted_at = time.time()

    def now(self) -> datetime | None:
        """Return the time (aware, UTC); ``None`` if no answer had a header that can be read."""
        sent_at = _parsed(self._header)
        return sent_at and sent_at + timedelta(seconds=time.time() - self._noted_at)


@lru_cache(maxsize=8)
def _parsed(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
