"""How JavaScript reads a text as a number."""

from __future__ import annotations

import re

WHITE_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
WITH_BASE = {"0x": 16, "0o": 8, "0b": 2}
DIGITS = {16: "[0-9a-fA-F]+", 8: "[0-7]+", 2: "[01]+"}


def number(text: str) -> float | None:
    """What ``Number(text)`` gives; ``None`` for ``NaN``. The empty text is 0."""
    text = re.sub(f"^[{WHITE_SPACE}]+|[{WHITE_SPACE}]+$", "", text)
    base = WITH_BASE.get(text[:2].lower())
    if base is not None:
        return _finite(int(text[2:300], base)) if re.fullmatch(DIGITS[base], text[2:]) else None
    if text in ("Infinity", "+Infinity", "-Infinity"):
        return float(text)
    if text and not DECIMAL.fullmatch(text):
        return None
    return float(text or "0")


def _finite(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
