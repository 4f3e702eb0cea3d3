"""JSON text, there and back: whatever the depth, the same as Python's own."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from airflow_green_notify import json_text

DEEP = [
    "[" * depth + "]" * depth if kind == "arrays" else '{"b":' * depth + "1" + "}" * depth
    for depth in (960, 1_000, 20_000)
    for kind in ("arrays", "objects")
]
SIGNS = 'ab"\\[]{},:\n\x00é\U0001f600\ud800 '


def text(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(SIGNS) for _ in range(chance.randrange(length)))


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(6 if depth else 3)
    if kind == 0:
        return chance.choice([None, True, 0, -(10**30), 0.1, -0.0, 1e300, float("inf")])
    if kind < 3:
        return text(chance, 6)
    if kind == 3:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {text(chance, 3): value(chance, depth - 1) for _ in range(chance.randrange(4))}


def inside(levels: int, inner: Any) -> Any:
    """A value below so many levels of arrays."""
    for _ in range(levels):
        inner = [inner]
    return inner


def below(levels: int, outer: Any) -> Any:
    for _ in range(levels):
        (outer,) = outer
    return outer


@pytest.mark.parametrize("deep", DEEP, ids=[f"{len(deep)}{deep[0]}" for deep in DEEP])
def test_deep_text_is_read_and_written_unchanged(deep: str) -> None:
    """There is no depth at which a text can't be read, or written again."""
    found = json_text.from_text(deep)
    assert json_text.canonical_json(found) == deep
    assert json_text.to_text(json_text.from_text(deep.encode())) == deep.replace(":", ": ")


@pytest.mark.parametrize("seed", range(50))
def test_deep_value_is_written_and_read_as_a_flat_one(seed: int) -> None:
    """Below 2,000 levels, anything is what it is at the top, with its names in the same order."""
    flat = value(random.Random(seed), 4)
    deep = inside(2_000, flat)
    brackets = "[" * 2_000, "]" * 2_000
    assert json_text.canonical_json(deep) == json_text.canonical_json(flat).join(brackets)
    assert json_text.to_text(deep) == json_text.to_text(flat).join(brackets)
    raw = json.dumps(flat, indent=1).join(brackets)
    assert repr(below(2_000, json_text.from_text(raw, parse_constant=str))) == repr(
        json.loads(raw[2_000:-2_000], parse_constant=str)
    )


@pytest.mark.parametrize("seed", range(50))
def test_deep_text_that_is_damaged_is_refused_as_a_flat_one_is(seed: int) -> None:
    """Python's own reader says what is JSON."""
    chance = random.Random(seed)
    for _ in range(20):
        sound = json.dumps([value(chance, 4)])
        place = chance.randrange(len(sound))
        damaged = sound[:place] + chance.choice(["", *'[]{}",:\\ 1']) + sound[place + 1 :]
        try:
            expected = repr(json.loads(damaged))
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 - its words are Python's own
                json_text.from_text("[" * 2_000 + damaged + "]" * 2_000)
        else:
            found = json_text.from_text("[" * 2_000 + damaged + "]" * 2_000)
            assert repr(below(2_000, found)) == expected


@pytest.mark.parametrize(
    "broken",
    ["[" * 2_000, "]" * 2_000, "[" * 2_000 + "]" * 2_001, "[" * 2_000 + '"'],
    ids=["unclosed", "unopened", "one too many", "unfinished string"],
)
def test_deep_text_whose_brackets_dont_match_is_refused(broken: str) -> None:
    """What is cut off in the middle is no JSON."""
    with pytest.raises(ValueError):  # noqa: PT011 - its words are Python's own
        json_text.from_text(broken)


def test_to_text_escapes_what_text_columns_refuse_and_nothing_else() -> None:
    """NUL and lone surrogates are escapes; a letter or an emoji takes as many bytes as in UTF-8."""
    odd = {"é\0": "ж \ud800 \U0001f600", "\udfff": 1}
    written = json_text.to_text(odd)
    assert written == '{"é\\u0000": "ж \\ud800 \U0001f600", "\\udfff": 1}'
    assert json_text.from_text(written) == odd
