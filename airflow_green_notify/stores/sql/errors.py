"""What a database says of an error, without the values that it quotes: they are what people wrote."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from airflow_green_notify.printable import printable

_VALUE = re.compile(
    r"""(\bentry|\bvalue:?|\bnear|:)[ ](?:"|')(.*?)
    ([ ]for[ ]key[ ]'[^']*'|[ ]for[ ]column[ ][^\s']+(?:[ ]at[ ]row[ ]\d+)?)?$""",
    re.VERBOSE,
)
"""PostgreSQL quotes a value behind a colon, MySQL behind "entry" or "value"; a name may follow."""


def words_of(error: DBAPIError) -> str:
    """Return the kind of an error, its SQLSTATE or number, and the first line of its text."""
    original = error.orig
    arguments = getattr(original, "args", ()) or ("",)
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if code is None and isinstance(arguments[0], int):
        code = arguments[0]
    shown = f" ({code})" if code else ""
    return f"{type(error).__name__}{shown}: {printable(without_values(str(arguments[-1])))}"


def without_values(words: str) -> str:
    """Return the first line of what a database says, with its values left out.

    The lines behind it, PostgreSQL's DETAIL among them, are nothing but values.
    """
    first_line = words.strip().partition("\n")[0].rstrip(".")
    return _VALUE.sub(lambda found: f"{found[1]} …{found[3] or ''}", first_line)
