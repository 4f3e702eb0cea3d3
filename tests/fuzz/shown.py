"""All texts in which an error or an object may be shown."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from urllib.parse import unquote

from tests.fuzz.values import CORE


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield whatever is told of an error: its words, arguments, attributes, notes, causes and contexts."""
    yield "".join(traceback.format_exception(error))
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        seen.add(id(each))
        yield from (str(each), repr(each), repr(each.args), repr(vars(each)))
        chain = (each.__cause__, each.__context__, *each.args)
        waiting += [item for item in chain if isinstance(item, BaseException) and id(item) not in seen]


def shows_token(*texts: str) -> bool:
    """Tell whether a token of these tests is in one of the texts, plain or percent-encoded."""
    return any(CORE in text or CORE in unquote(text) for text in texts)
