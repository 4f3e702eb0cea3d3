"""Words that others wrote, as they may stand in a log, an error, an event or on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

NAME = 100
"""Characters that a name or an id may take, such as a kind of notification."""

REASON = 500
"""Characters that somebody's reason may take."""

TEXT = 2_000
"""Characters that an error may take, our own words included."""


def printable(words: object, limit: int = REASON) -> str:
    """Return foreign words on one line, cut where they are longer than ``limit`` characters.

    What isn't printable is escaped, as in ``\\n``, ``\\x1b`` or ``\\u202e``: line ends forge log lines,
    control characters steer terminals, and bidi signs turn the words around.
    """
    text = str(words)
    shown = "".join(map(_escaped, text[: limit + 1]))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def listed(names: Sequence[str], most: int) -> str:
    """Return names for a text: the first of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _escaped(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode()
