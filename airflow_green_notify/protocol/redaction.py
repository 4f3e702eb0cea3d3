"""Text without the token."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote


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


PART = 12
"""So many characters of a token in a row are as good as a part of it: by chance they don't come together."""


def reveals(text: str, token: str) -> bool:
    """Tell whether a text shows the token, or a part of it, however it is spelled.

    Percent-encoded, in other case, spaced out, or as a list of its characters. There are endless ways more,
    for somebody who may run code.
    """
    if redact(text, token) != text:
        return True
    hidden, shown = _bare(token), _bare(unquote(unquote(text)))
    size = min(PART, len(hidden))
    return size > 0 and any(hidden[at : at + size] in shown for at in range(len(hidden) - size + 1))


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
