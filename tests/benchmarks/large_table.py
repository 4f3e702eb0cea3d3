"""What a consumer of a large table waits for: numbering what is new, a page, a moment, a look in vain.

``python -m tests.benchmarks.large_table`` fills a table of 2,000,000 notifications on a PostgreSQL of its own
(``--database sqlite``: in a file), numbers them all, lets PostgreSQL clean up behind that (VACUUM, which it
does by itself within a minute or two), and prints the median and the slowest of some rounds of each in
milliseconds. Exit code 1 if a median on PostgreSQL is 20 ms or more. ``--explain`` prints how
PostgreSQL reads.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_green_notify.stores import SqlStore
from tests.servers import postgres

LIMIT = 20.0
"""Milliseconds that each may take on PostgreSQL."""

ROUNDS = 15
NEW = 1000
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}

_BODY = json.dumps({"typeWebhook": "incomingMessageReceived", "text": "x" * 400})
_FILL = {
    "postgresql": """
        INSERT INTO {table} (key, batch_id, instance_id, type_webhook, received_at, chat, body, sequence)
        SELECT md5('{seed}/' || n), 'dag/run-' || n / 5000 || '/drain/-1', mod(n, 50)::text,
            'incomingMessageReceived', now() - ({count} - n) * interval '100 ms',
            md5(mod(n, 5000)::text), '{body}', n
        FROM generate_series(1, {count}) AS n
    """,
    "sqlite": """
        INSERT INTO {table} (key, batch_id, instance_id, type_webhook, received_at, chat, body, sequence)
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        SELECT lower(hex(randomblob(16))), 'dag/run-' || n / 5000 || '/drain/-1', n % 50,
            'incomingMessageReceived',
            strftime('%Y-%m-%d %H:%M:%f000', 'now', (-0.1 * ({count} - n)) || ' seconds'),
            printf('%032x', n % 5000), '{body}', n
        FROM numbers
    """,
}


class LargeTable:
    """A table that is filled, and its stream."""

    def __init__(self, store: SqlStore, stream: Any) -> None:
        self.stream = stream
        self._table = store.table

    def fill(self, count: int) -> None:
        """Add rows, received one each 100 ms until now."""
        text = _FILL[self.stream.database.dialect].format(
            table=self._table, seed=uuid.uuid4(), count=count, body=_BODY
        )
        self.stream.database.transaction(lambda connection: connection.exec_driver_sql(text))

    def run(self, *statements: str) -> list[Any]:
        """Execute what the database itself understands, and return the rows of the last."""
        found: list[Any] = []
        with self.stream.database._connected() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement.format(table=self._table))
                found = [*result.all()] if result.returns_rows else []
        return found


def measured(table: LargeTable, count: int) -> Iterator[tuple[str, list[float]]]:
    """Yield what was done and the milliseconds that each round took."""
    stream = table.stream
    chance = random.Random(1)

    def fill() -> None:
        table.fill(NEW)

    def number() -> None:
        stream.end()

    yield f"number {NEW:,} new rows", [*timed(number, before=fill)]
    yield "page of 100", [*timed(lambda: len(stream.read(chance.randrange(count), 100)))]
    moment = datetime.now(UTC) - timedelta(hours=1)
    yield "position an hour ago", [*timed(lambda: stream.before(moment))]
    end = stream.end()
    yield "idle read", [*timed(lambda: stream.read(end, 100))]


def timed(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> Iterator[float]:
    """Yield the milliseconds of each round but the first, which warms up."""
    for each in range(ROUNDS + 1):
        before()
        began = time.perf_counter()
        work()
        if each:
            yield (time.perf_counter() - began) * 1000


def explain(table: LargeTable) -> None:
    """Print how PostgreSQL finds what is behind a position, what has none, and a moment."""
    for query in (
        "SELECT * FROM {table} WHERE position > 1000000 ORDER BY position LIMIT 100",
        "SELECT key FROM {table} WHERE position IS NULL ORDER BY position, arrival LIMIT 1000",
        "SELECT min(position) FROM (SELECT position FROM {table} "
        "WHERE received_at >= now() - interval '1 hour' OFFSET 0) AS s",
    ):
        print("\n".join(row[0] for row in table.run(f"EXPLAIN (ANALYZE, BUFFERS) {query}")))


def main() -> int:
    """Fill, number, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    os.environ |= QUIET
    with ExitStack() as stack:
        if options.database == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            connection = json.dumps({"conn_type": "sqlite", "host": str(folder / "store.db")})
        else:
            connection = stack.enter_context(postgres())
        os.environ["AIRFLOW_CONN_STORE"] = connection
        store = SqlStore("store")
        table = LargeTable(store, stack.enter_context(closing(store.stream())))
        began = time.perf_counter()
        table.fill(options.rows)
        filled = time.perf_counter()
        table.stream.end()
        numbered = time.perf_counter()
        print(
            f"{options.rows:,} rows filled in {filled - began:.0f} s, numbered in {numbered - filled:.0f} s"
        )
        print(f"first numbering: {options.rows / (numbered - filled):,.0f} rows/s", flush=True)
        if options.database == "postgresql":
            table.run("VACUUM (ANALYZE) {table}")
        is_slow = False
        for name, took in measured(table, options.rows):
            median = statistics.median(took)
            is_slow |= median >= LIMIT
            print(f"{name:<24}{median:8.2f} ms{max(took):10.2f} ms at most", flush=True)
        if options.explain:
            explain(table)
    return int(is_slow and options.database == "postgresql")


if __name__ == "__main__":
    sys.exit(main())
