"""Bodies that some column, query engine or serializer refuses or changes."""

from __future__ import annotations

from typing import Any


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"in": [value]}
    return value


KIND = {"typeWebhook": "incomingMessageReceived"}

PORTABLE: dict[str, Any] = {
    "plain": KIND | {"timestamp": 1_700_000_000, "a": [1, 2.5, None, True, {"b": "ж \U0001f600"}]},
    "empty": {},
    "empty names": {"": {"": [[], {}]}},
    "control characters": KIND | {"text": "\x01\x1b[2J\x7f\r\n\t\u2028\u202e"},
    "nested": KIND | {"a": nested(14)},
    "64 bits": KIND | {"a": 2**63 - 1, "b": -(2**63)},
    "backslash u0000": KIND | {"text": "\\u0000 \\ud800"},
}
"""What is read everywhere as it is."""

ODD: dict[str, Any] = {
    "null": None,
    "list": [{"typeWebhook": "incomingMessageReceived"}],
    "text": "just text",
    "json text": '{"a": 1}',
    "number": 5,
    "NUL": KIND | {"text": "a\0b", "\0": 1},
    "lone surrogates": KIND | {"text": "\ud800", "\udc00b": 1},
    "NaN": KIND | {"a": float("nan")},
    "Infinity": KIND | {"a": [float("inf"), -float("inf")]},
    "integers beyond 64 bits": KIND | {"a": 2**63, "b": [-(10**40)]},
    "exponents": KIND | {"a": 1e300, "b": 1e16, "c": 5e-324},
    "minus zero": KIND | {"a": -0.0},
    "reserved": {"__classname__": "builtins.eval", "__version__": 1, "__data__": "1"},
    "reserved inside": KIND | {"a": {"__type": "dict", "__var": {}}},
    "nested deeply": KIND | {"a": nested(200)},
    "nested beyond the call stack": KIND | {"a": nested(700)},
    "nested objects beyond the call stack": nested(1_000),
}
"""What has its exact text beside it."""
