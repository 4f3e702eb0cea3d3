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


_DEADLOCKS = ("40P01", 1213, 1020)
"""Of PostgreSQL and MySQL; the last is MariaDB's for a row that changed since the transaction looked."""

_LOCK_TIMEOUTS = ("55P03", 1205)


def is_deadlock(error: DBAPIError) -> bool:
    """Tell whether the database undid a statement because it and another waited for each other."""
    return _code_of(error) in _DEADLOCKS


def is_lock_timeout(error: DBAPIError) -> bool:
    """Tell whether the database gave up on a lock that somebody else keeps."""
    return _code_of(error) in _LOCK_TIMEOUTS


def words_of(error: DBAPIError) -> str:
    """Return the kind of an error, its SQLSTATE or number, and the first line of its text."""
    code = _code_of(error)
    arguments = getattr(error.orig, "args", ()) or ("",)
    shown = f" ({code})" if code else ""
    return f"{type(error).__name__}{shown}: {printable(without_values(str(arguments[-1])))}"


def _code_of(error: DBAPIError) -> str | int | None:
    original = error.orig
    code: str | None = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    arguments = getattr(original, "args", ()) or ("",)
    return arguments[0] if code is None and isinstance(arguments[0], int) else code


def without_values(words: str) -> str:
    """Return the first line of what a database says, with its values left out.

    The lines behind it, PostgreSQL's DETAIL among them, are nothing but values.
    """
    first_line = words.strip().partition("\n")[0].rstrip(".")
    return _VALUE.sub(lambda found: f"{found[1]} …{found[3] or ''}", first_line)
