"""What it costs to work through a store chat by chat, and how fast a claim is on a large table.

``python -m tests.benchmarks.work`` fills a PostgreSQL of its own with 1,000 chats, and works through them
for 24 seconds with an async handler that takes two: one at a time, then eight at once. Then it fills a table
up to 2,000,000 rows of 100,000 chats, and measures claim, look at the next row, history and the note that it
is handled, while every chat has something to do and 1,000 of them are taken. In the end it counts the CPU of
the worker's process for each message, with a handler that takes no time. Exit code 1 if eight at once are not
within 10 % of eight times one, or one of those steps takes 20 ms (median).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy import text

from airflow_green_notify.consume.handlers import handlers_of
from airflow_green_notify.consume.leases import SPAN
from airflow_green_notify.consume.report import WorkReport
from airflow_green_notify.consume.terms import Terms
from airflow_green_notify.consume.working import Working
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from tests.servers import postgres

CHATS = 1000
HANDLER_SECONDS = 2.0
FOR_SECONDS = 24.0

LARGE, CHATS_OF_LARGE, TAKEN = 2_000_000, 100_000, 1000
LIMIT_MS = 20.0

FILL = """
INSERT INTO {table} (key, batch_id, instance_id, type_webhook, chat_id, received_at, body, chat, position)
SELECT md5('k' || n), 'filled', '1', 'incomingMessageReceived', (n % :chats) || '@c.us',
       now() - interval '30 days' + n * interval '1 second',
       '{{"typeWebhook": "incomingMessageReceived", "instanceData": {{"idInstance": 1}}, "senderData": '
       || '{{"chatId": "' || (n % :chats) || '@c.us"}}, "idMessage": "' || n || '"}}',
       substr(encode(sha256(convert_to('1/' || (n % :chats) || '@c.us', 'UTF8')), 'hex'), 1, 32), n
FROM generate_series(1, :rows) AS n
"""
FILL_CHATS = """
INSERT INTO {table}_chats (consumer, chat, done, next, last, attempts, owner, expires_at)
SELECT 'bot', chat, 0, min(position), max(position), 0, '', 0 FROM {table} GROUP BY chat
"""


def meant(notification: Notification) -> bool:
    return True


async def takes_two_seconds(notification: Notification) -> None:
    await asyncio.sleep(HANDLER_SECONDS)


async def takes_no_time(notification: Notification) -> None:
    pass


def fill(store: SqlStore, count: int) -> None:
    """Put messages, one after the other in each chat, as drains do."""
    with store.open(f"dag/{count}/drain/-1") as opened:
        for number in range(count):
            chat = {"chatId": f"{number % CHATS}@c.us"}
            opened.put(Notification(1, {"n": f"{count}/{number}", "senderData": chat}))


def work_through(store: SqlStore, handler: Any, at_once: int, max_seconds: float | None = None) -> WorkReport:
    with closing(store.work(f"{at_once} at once", meant, SPAN)) as work:
        work.begin("beginning")
        terms = Terms(max_parallel=at_once, max_seconds=max_seconds)
        one = Working(work, handlers_of(handler, None), terms)
        one.run()
        return one.report


def measure_rates() -> bool:
    """Tell whether eight at once are within 10 % of eight times one."""
    store = SqlStore("store", table="rates")
    fill(store, CHATS)
    rates = {}
    for at_once in (1, 8):
        report = work_through(store, takes_two_seconds, at_once, FOR_SECONDS)
        rates[at_once] = report.handled / report.seconds
        print(f"{at_once} at once: {report.handled} in {report.seconds:.1f} s, {rates[at_once]:.3f}/s")
    share = rates[8] / (8 * rates[1])
    print(f"Eight at once make {share:.1%} of eight times one.")
    return share >= 0.9


def measure_cpu() -> None:
    store = SqlStore("store", table="cpu")
    fill(store, 4 * CHATS)
    for at_once in (1, 8):
        before = time.process_time()
        report = work_through(store, takes_no_time, at_once)
        spent = time.process_time() - before
        print(
            f"{at_once} at once, no time: {report.handled} in {report.seconds:.1f} s "
            f"({report.handled / report.seconds:.0f}/s), {spent / report.handled * 1000:.2f} ms CPU each"
        )


def measure_claims(rows: int) -> bool:
    """Tell whether claim, look and note are quick on a large table."""
    store = SqlStore("store", table="large")
    with closing(store.work("bot", meant, 3600.0)) as work:
        work.begin("beginning")
        started = time.monotonic()
        for statement in (FILL, FILL_CHATS):
            filled = text(statement.format(table="large"))
            values = {"rows": rows, "chats": CHATS_OF_LARGE} if statement is FILL else {}
            work._database.transaction(lambda connection, s=filled, v=values: connection.execute(s, v))
        work._database.execute(text("ANALYZE large"))
        work._database.execute(text("ANALYZE large_chats"))
        print(f"{rows:,} rows of {CHATS_OF_LARGE:,} chats, filled in {time.monotonic() - started:.0f} s")
        assert all(work.claim([]) for _ in range(TAKEN))
        times: dict[str, list[float]] = {"claim": [], "look": [], "note": [], "history(20)": []}

        def timed(name: str, step: Callable[[], Any]) -> Any:
            began = time.perf_counter()
            result = step()
            times[name].append((time.perf_counter() - began) * 1000)
            return result

        for _ in range(500):
            claim = timed("claim", lambda: work.claim([]))
            timed("look", lambda claim=claim: work.read(claim))
            timed("history(20)", lambda claim=claim: work.history(claim, 20))
            assert timed("note", lambda claim=claim: work.finish(claim))
    for name, found in times.items():
        p95 = statistics.quantiles(found, n=20)[-1]
        print(f"{name}: median {statistics.median(found):.2f} ms, p95 {p95:.2f} ms")
    return all(statistics.median(found) < LIMIT_MS for found in times.values())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--rows", type=int, default=LARGE, help="rows of the large table")
    rows = arguments.parse_args().rows
    with postgres() as connection:
        os.environ["AIRFLOW_CONN_STORE"] = connection
        good = [measure_rates(), measure_claims(rows)]
        measure_cpu()
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
