"""Text without the token."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=64)
def _token_pattern(token: str) -> re.Pattern[str]:
    """Match the token with each of its characters plain or percent-encoded."""
    characters = (f"(?:{re.escape(char)}|(?i:{_percent_encoded(char)}))" for char in token)
    return re.compile("".join(characters))


def _percent_encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def redact(text: str, token: str) -> str:
    """Return ``text`` with the token, plain or percent-encoded, replaced by ``***``."""
    return _token_pattern(token).sub("***", text) if token else text
