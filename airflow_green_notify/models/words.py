"""What SQLite, PostgreSQL, and MySQL or MariaDB have different words for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Date, Integer, Text, cast, extract, func, or_, text
from sqlalchemy import case as choose

Sql = Any
"""An expression or a query of SQLAlchemy, which has a type of its own for each form of them."""

_ODD_ESCAPE = r"\\u(0000|d[89a-f][0-9a-f]{2})"
_NO_NUMBER = r"([:,\[] ?)-?(NaN|Infinity)"


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
        """Return the beginning of a text, which fits into an index."""
        return func.substr(value, 1, length) if self.is_sqlite else func.left(value, length)

    def field(self, body: Sql, *path: str) -> Sql:
        """Return what the body has at a path, as text; ``NULL`` where it has nothing."""
        if self.is_postgresql:
            return func.json_extract_path_text(self.readable(body), *path)
        place = "$." + ".".join(path)
        read = (
            cast(func.json_extract(body, place), Text)
            if self.is_sqlite
            else func.json_unquote(func.json_extract(body, place))
        )
        return choose((func.json_valid(body) == 1, read), else_=None)

    def is_true(self, body: Sql, *path: str) -> Sql:
        """Tell whether the body has ``true`` at a path; ``NULL`` where it has nothing."""
        return self.field(body, *path).in_(("true", "1"))

    def whole(self, number: Sql) -> Sql:
        """Return a text of digits as a number; what is none is ``NULL``, or 0 except on PostgreSQL."""
        return cast(func.substring(number, "^[0-9]{1,9}$") if self.is_postgresql else number, Integer)

    def readable(self, body: Sql) -> Sql:
        """Return the body as JSON of PostgreSQL, without what a store keeps and that type refuses."""
        odd = or_(*(func.strpos(body, sign) > 0 for sign in ("\\u", "NaN", "Infinity")))
        plain = func.regexp_replace(body, _ODD_ESCAPE, r"\\ufffd", "gi")
        plain = func.regexp_replace(plain, _NO_NUMBER, r"\1null", "g")
        return cast(choose((odd, plain), else_=body), JSON)

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
