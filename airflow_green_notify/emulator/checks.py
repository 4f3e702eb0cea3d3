"""What the control plane and its twin in Python take as arguments: a wrong value is a ``ValueError``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from typing import Any

MAX_SECONDS = 10 * 365 * 86_400
"""The longest delay or way of the clock, about ten years."""
MAX_TEXT = 20_000  # characters
MAX_NAME = 255
MAX_PATTERN = 1_000
REPETITIONS = ("*", "+", "{")
SHOWN = 80  # characters of a wrong value that its error repeats


def number(name: str, value: Any, low: float = 0.0, high: float = MAX_SECONDS) -> float:
    """A finite number within bounds; seconds, unless said otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(name, f"a number from {low:,.15g} to {high:,.15g}", value)
    return value


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(name, f"a whole number from {low} to {high}", value)
    return value


def text(name: str, value: Any, longest: int = MAX_TEXT, shortest: int = 0) -> str:
    """A text within bounds."""
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        found = (
            f"{len(value)} characters"
            if isinstance(value, str)
            else f"a value of type {type(value).__name__}"
        )
        raise ValueError(f"{name} must be a text of {shortest} to {longest} characters, not {found}")
    return value


def flag(name: str, value: Any) -> bool:
    """``True`` or ``False``, nothing that is merely like one of them."""
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}", value)
    return value


def optional(check: Callable[..., Any], name: str, value: Any, *bounds: Any) -> Any:
    """``None``, or what another check takes."""
    return None if value is None else check(name, value, *bounds)


def pattern(name: str, value: Any) -> re.Pattern[str]:
    """A regular expression."""
    try:
        compiled = re.compile(text(name, value, MAX_PATTERN))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{name} is no regular expression: {error}") from None
    if _may_take_for_ever(value):
        raise ValueError(f"{name} repeats a group with repetitions or alternatives, which may take for ever")
    return compiled


def _may_take_for_ever(regex: str) -> bool:
    """Whether a group is repeated in which something is repeated, or may be read in several ways."""
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9]*\}", "x", regex, flags=re.DOTALL)
    groups = [False]
    for position, character in enumerate(bare):
        if character == "(":
            groups.append(False)
        elif character == ")" and len(groups) > 1:
            inside, repeated = groups.pop(), bare[position + 1 : position + 2] in REPETITIONS
            if inside and repeated:
                return True
            groups[-1] |= inside
        elif character in REPETITIONS or character == "|":
            groups[-1] = True
    return False


def id_instance(value: Any) -> str:
    """The id of an instance."""
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,20}", value):
        raise _wrong("id_instance", "digits, 20 at most", value)
    return value


def token(value: Any) -> str | None:
    """The token of an instance; ``None`` and the empty text stand for a random one."""
    if value is None:
        return None
    if not text("api_token", value, MAX_NAME).isprintable():
        raise ValueError("api_token must be printable")  # without the value: it is a secret
    return str(value)


def notification(body: Any) -> Any:
    """The body of a notification, out of its envelope if it is in one.

    :raises ValueError: It is a list, most likely meant as several notifications. A body that is to be a
        list comes in an envelope.
    """
    if isinstance(body, dict) and body.keys() == {"receiptId", "body"}:
        return body["body"]
    if isinstance(body, list | tuple):
        raise ValueError("a list is no notification: push its items one by one, over HTTP one per line")
    return body


def as_json(body: Any) -> bytes:
    """The body as it goes over the wire: strict JSON in ASCII, so that lone surrogates survive."""
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the notification can't be written as JSON: {error}") from None


def _wrong(name: str, allowed: str, value: Any) -> ValueError:
    shown = "a number that is not finite" if _not_finite(value) else repr(value)
    return ValueError(f"{name} must be {allowed}, not {shown[:SHOWN]}")


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
