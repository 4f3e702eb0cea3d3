"""What others may send: any JSON, notifications with something odd in them, and the corpus."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import example
from hypothesis import strategies as st

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.json_text import from_text

Test = TypeVar("Test", bound=Callable[..., Any])

CORPUS = Path(__file__).with_name("corpus")

BODIES = [envelope["body"] for envelope in example_notifications()]

CORE = "5ecre7c0re"
"""Part of every token here: no way of writing a token changes it, short of encoding every byte."""

TOKENS = [f"{CORE}1234567890abcdef", f"{CORE}/a%b c?d=e&f#g+é\u20ac\"'\\"]

_HABITS = (
    "\0",
    "\ud800",
    "\udc00",
    "\x1b[2J",
    "\r\n",
    "\u2028\u202e",
    "{{SWE001}}",
    "{{ conn.green_api_default.password }}",
    "../../etc/passwd",
    "%s%(a)s",
    "\\u0000",
    "jpegThumbnail",
    "__classname__",
    "__var",
    "12025550101@c.us",
    "\U0001f600\ufeff",
)

texts = (
    st.sampled_from(_HABITS)
    | st.text(max_size=20)
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.integers(0, 200).map(lambda count: "a\u0416" * count)
)
integers = st.integers() | st.sampled_from([2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 10**400])
scalars = st.none() | st.booleans() | integers | st.floats() | texts


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)


@st.composite
def _nested(draw: st.DrawFn) -> Any:
    value: Any = draw(scalars)
    kinds = draw(st.sampled_from(["list", "dict", "both"]))
    for _ in range(draw(st.sampled_from([28, 29, 30, 31, 100, 300, 700, 1_100]))):
        value = value if kinds == "list" else {"a": value}
        value = value if kinds == "dict" else [value]
    return value


@st.composite
def _odd_notifications(draw: st.DrawFn) -> Any:
    """Take one of the vendor's notifications, and put anything in some places of it."""
    body = copy.deepcopy(BODIES[draw(st.integers(0, len(BODIES) - 1))])
    for _ in range(draw(st.integers(0, 3))):
        inside = body
        while True:
            name = draw(st.sampled_from(sorted(inside)))
            if not (isinstance(inside[name], dict) and inside[name]) or draw(st.integers(0, 3)) == 0:
                break
            inside = inside[name]
        inside[name] = draw(values)
    return body


_json = st.recursive(scalars, _containers, max_leaves=12)


@st.composite
def _values(draw: st.DrawFn) -> Any:
    """Draw one; hypothesis writes strategies out, and a composite one is a mere name there."""
    return draw(_json)


values = _values()
"""Any JSON, and the numbers that Python reads though JSON has none of them."""


class Body:
    """The body of a notification, which can be shown however deeply it is nested."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Body({as_text(self.value) or 'nested too deeply to be written'})"


@st.composite
def _bodies(draw: st.DrawFn) -> Body:
    return Body(draw(_odd_notifications() | values | _nested()))


bodies = _bodies()
"""Any body of a notification."""


def corpus() -> list[Body]:
    """Return the bodies that once made trouble."""
    return [Body(from_text(path.read_text())) for path in sorted(CORPUS.glob("*.json"))]


def examples(*found: Any) -> Callable[[Test], Test]:
    """Let a test of one value try all of these first."""

    def decorated(test: Test) -> Test:
        for value in found:
            test = example(value)(test)
        return test

    return decorated


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal to the last bit, however deeply they are nested."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict):
            if left.keys() != right.keys():
                return False
            waiting += [(left[name], right[name]) for name in left]
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            waiting += zip(left, right, strict=True)
        elif repr(left) != repr(right):
            return False
    return True


def as_text(value: Any, **how: Any) -> str | None:
    """Return a JSON text of the value; ``None`` if it is nested too deeply for Python to write it."""
    try:
        return json.dumps(value, **how)
    except RecursionError:
        return None


def backwards(value: Any, levels: int = 100) -> Any:
    """Return the same value with the members of each object the other way round, as deeply as is told."""
    if isinstance(value, dict) and levels:
        return {name: backwards(item, levels - 1) for name, item in reversed(value.items())}
    if isinstance(value, list) and levels:
        return [backwards(item, levels - 1) for item in value]
    return value
