"""What SQLite, PostgreSQL, and MySQL or MariaDB have different words for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, Integer, Text, and_, cast, extract, func, or_, text
from sqlalchemy import case as choose

Sql = Any
"""An expression or a query of SQLAlchemy, which has a type of its own for each form of them."""

Path = tuple[str, ...]

_NO_NUMBER = r"(^|[:,\[] ?)-?(NaN|Infinity)"
_MANY_BRACKETS = 3000
"""So many levels are within what PostgreSQL's stack takes, in versions and on systems of all kinds."""

_TEXTS = ("string", "text", "number", "integer", "unsigned integer")
"""What the databases call texts and numbers in JSON."""


class Words:
    """Builds the expressions that a kind of database understands.

    :param dialect: SQLAlchemy's name of it.
    """

    def __init__(self, dialect: str) -> None:
        self.is_postgresql = dialect == "postgresql"
        self.is_sqlite = dialect == "sqlite"
        self.is_mysql = not (self.is_postgresql or self.is_sqlite)
        self.kind = "mysql" if self.is_mysql else dialect

    def cut(self, value: Sql, length: int) -> Sql:
        """Return the beginning of a text, which fits into an index, and has the same order everywhere."""
        if self.is_sqlite:
            return func.substr(value, 1, length)
        return self.binary(func.left(value, length))

    def binary(self, value: Sql) -> Sql:
        """Return a text that is compared by its bytes, as the tables of all other databases have it."""
        return value.collate("C") if self.is_postgresql else value

    def field(self, body: Sql, *path: str) -> Sql:
        """Return the text or number that the body has at a path, as text; ``NULL`` where it has none."""
        return self._checked(body, path, _TEXTS, self._text)

    def items(self, body: Sql, *path: str) -> Sql:
        """Return the list that the body has at a path, as JSON; ``NULL`` where it has none."""
        return self._checked(body, path, ("array",), self._found)

    def is_true(self, body: Sql, *path: str) -> Sql:
        """Tell whether the body has ``true`` at a path; ``NULL`` where it has nothing."""
        return self.has(body, ("true", "1"), *path)

    def has(self, body: Sql, values: Sequence[str], *path: str) -> Sql:
        """Tell whether the body has one of these at a path; ``NULL`` where it has nothing."""
        found = func.nullif(self._text(body, path), "null")  # so MySQL calls what others have nothing for
        return self._valid(body, found.in_(values))

    def _checked(self, body: Sql, path: Path, kinds: Sequence[str], read: Callable[[Sql, Path], Sql]) -> Sql:
        found = self._found(body, path)
        if self.is_sqlite:
            kind = func.json_type(self.readable(body), _place(path))
        else:
            kind = func.json_typeof(found) if self.is_postgresql else func.lower(func.json_type(found))
        return self._valid(body, choose((kind.in_(kinds), read(body, path)), else_=None))

    def _valid(self, body: Sql, value: Sql) -> Sql:
        """Return a value that is read from a body, if the database can read that."""
        if self.is_postgresql:
            return value
        return choose((func.json_valid(self.readable(body)) == 1, value), else_=None)

    def _found(self, body: Sql, path: Path) -> Sql:
        if self.is_postgresql:
            return func.json_extract_path(self.readable(body), *path)
        return func.json_extract(self.readable(body), _place(path))

    def _text(self, body: Sql, path: Path) -> Sql:
        if self.is_postgresql:
            return func.json_extract_path_text(self.readable(body), *path)
        found = self._found(body, path)
        return cast(found, Text) if self.is_sqlite else func.json_unquote(found)

    def whole(self, number: Sql) -> Sql:
        """Return a text of up to nine digits as a number; what is none is ``NULL``."""
        return cast(self.digits(number, 9), Integer)

    def digits(self, value: Sql, most: int) -> Sql:
        """Return a text if it is nothing but digits, and not too many; else ``NULL``."""
        if self.is_sqlite:
            are_digits = and_(func.length(value).between(1, most), value.op("NOT GLOB")("*[^0-9]*"))
        else:
            are_digits = value.op("~" if self.is_postgresql else "REGEXP")(f"^[0-9]{{1,{most}}}$")
        return choose((are_digits, value), else_=None)

    def readable(self, body: Sql) -> Sql:
        """Return the body as JSON of the database, without what a store keeps and the database refuses.

        NUL and lone surrogates are escapes in the text of a body. PostgreSQL takes no NaN either, and gives
        up on what is nested too deeply.
        """
        plain = func.replace(func.replace(body, "\\u0000", "\\ufffd"), "\\ud", "\\ufffd")
        if not self.is_postgresql:
            return plain
        odd = or_(*(func.strpos(body, sign) > 0 for sign in ("\\u", "NaN", "Infinity")))
        plain = func.regexp_replace(plain, _NO_NUMBER, r"\1null", "g")
        brackets = func.length(body) - func.length(func.translate(body, "[{", ""))
        is_deep = and_(func.octet_length(body) > 2 * _MANY_BRACKETS, brackets > _MANY_BRACKETS)
        return cast(choose((is_deep, None), (odd, plain), else_=body), JSON)

    def newest_first(self, moment: Sql) -> Sql:
        """Return the order by a time in which what has none comes last."""
        return moment.desc().nulls_last() if self.is_postgresql else moment.desc()

    def day(self, moment: Sql) -> Sql:
        """Return the date in UTC."""
        if self.is_postgresql:
            return cast(func.timezone("UTC", moment), Date)
        return func.substr(moment, 1, 10) if self.is_sqlite else func.date(moment)

    def hour(self, moment: Sql) -> Sql:
        """Return the hour in UTC, 0 to 23."""
        if self.is_postgresql:
            return cast(extract("hour", func.timezone("UTC", moment)), Integer)
        return cast(func.substr(moment, 12, 2), Integer) if self.is_sqlite else func.hour(moment)

    def seconds(self, begin: Sql, end: Sql) -> Sql:
        """Return the whole seconds from one moment to another."""
        return self._epoch(end) - self._epoch(begin)

    def earlier(self, moment: Sql, seconds: int) -> Sql:
        """Return the moment that was so many seconds before another one."""
        if self.is_sqlite:
            return func.strftime("%Y-%m-%d %H:%M:%f", moment, f"-{seconds} seconds").concat("000")
        return moment - text(
            f"INTERVAL {seconds} SECOND" if self.is_mysql else f"INTERVAL '{seconds} seconds'"
        )

    def characters(self, value: Sql) -> Sql:
        """Return how many characters a text has."""
        return func.length(value) if self.is_sqlite else func.char_length(value)

    def listed(self, value: Sql) -> Sql:
        """Return all values of a group that are in order and differ, with commas between them."""
        if self.is_postgresql:
            from sqlalchemy.dialects.postgresql import aggregate_order_by

            return func.string_agg(value, aggregate_order_by(text("', '"), value.collate("C")))
        if self.is_sqlite:
            return func.group_concat(value, ", ")
        return func.group_concat(value.op("SEPARATOR")(text("', '")))

    def _epoch(self, moment: Sql) -> Sql:
        if self.is_postgresql:
            return cast(func.floor(extract("epoch", moment)), BigInteger)
        if self.is_sqlite:
            return cast(func.strftime("%s", moment), Integer)
        return func.timestampdiff(text("SECOND"), text("'1970-01-01'"), moment)


def _place(path: Path) -> str:
    return "$." + ".".join(path)
