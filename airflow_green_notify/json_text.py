"""JSON text, there and back, nested as deeply as it may be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_SORTING_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]|[^"\[\]{}]+|".*', re.DOTALL)
"""A string, a bracket, or what stands between them; a string that doesn't end takes all the rest."""


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and no spaces: equal values give equal text."""
    try:
        return _SORTING_ENCODER.encode(value)
    except RecursionError:
        return "".join(_pieces(value, _SORTING_ENCODER))


def to_text(value: Any) -> str:
    """Return ``value`` as JSON that every text column and file takes.

    NUL and lone surrogates are escapes, and nothing else is.
    """
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        text = "".join(_pieces(value, _ENCODER))
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def from_text(text: str | bytes | bytearray, **hooks: Any) -> Any:
    """Return the value that a JSON text stands for.

    :param hooks: ``parse_constant``, ``parse_float`` and ``parse_int``, as :func:`json.loads` has them.
    :raises ValueError: It is no JSON.
    """
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        if not isinstance(text, str):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _read_deep(text, json.JSONDecoder(object_pairs_hook=list, **hooks))


def _pieces(value: Any, encoder: json.JSONEncoder) -> Iterator[str]:
    """Yield the text of a value; what is open stands in a list in the place of the call stack."""
    unfinished, ends = [iter([("", value)])], [""]
    while unfinished:
        for before, item in unfinished[-1]:
            yield before
            if isinstance(item, dict | list | tuple):
                unfinished.append(_members(item, encoder))
                ends.append("}" if isinstance(item, dict) else "]")
                yield "{" if isinstance(item, dict) else "["
                break
            yield encoder.encode(item)
        else:
            unfinished.pop()
            yield ends.pop()


def _members(value: Any, encoder: json.JSONEncoder) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object or array, each with what stands before it."""
    between = encoder.item_separator
    if not isinstance(value, dict):
        return ((between if number else "", item) for number, item in enumerate(value))
    members = sorted(value.items()) if encoder.sort_keys else value.items()
    return (
        ((between if number else "") + encoder.encode(name) + encoder.key_separator, item)
        for number, (name, item) in enumerate(members)
    )


def _read_deep(text: str, decoder: json.JSONDecoder) -> Any:
    """Read what is innermost first, and let an empty array keep its place in what is around it."""
    pieces: list[str] = []
    values: list[Any] = []
    opened: list[tuple[int, int]] = []
    for match in _PIECE.finditer(text):
        pieces.append(match[0])
        if match[0] in ("[", "{"):
            opened.append((len(pieces) - 1, len(values)))
        elif match[0] in ("]", "}"):
            if not opened:
                raise ValueError("A bracket closes what is not open.")
            first, inner = opened.pop()
            flat = decoder.decode("".join(pieces[first:]))
            filled = _filled(flat, values[inner:])
            values[inner:] = [dict(filled) if pieces[first] == "{" else filled]
            pieces[first:] = ["[]"]
    if opened:
        raise ValueError("A bracket is never closed.")
    return _filled([decoder.decode("".join(pieces))], values)[0]


def _filled(flat: list[Any], inner: list[Any]) -> list[Any]:
    """Put the inner values where their places were kept, in an array or the members of an object."""
    waiting = iter(inner)

    def kept(item: Any) -> Any:
        return next(waiting) if item == [] else item

    return [(item[0], kept(item[1])) if isinstance(item, tuple) else kept(item) for item in flat]
