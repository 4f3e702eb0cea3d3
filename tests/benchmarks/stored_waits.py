"""What it costs to wait on a table in one event loop, with a thousand waits and a trickle of rows.

``python -m tests.benchmarks.stored_waits`` lets 1,000 deferred waits, each for the answer to its own
question, look at a table in SQLite, then in PostgreSQL: 30 s in which nothing comes, 30 s in which 5 rows a
second do that nobody waits for, and then 100 answers, one after the other. It prints the CPU of the process
as a part of a core, the statements a second that it sent, and the time from a row's commit to the event.
Exit code 1 if the waits need 10 % of a core, or more than a statement a second while nothing comes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROWS_PER_SECOND = 5
ANSWERS = 100
SINCE = "2020-01-01T00:00:00+00:00"
LIMIT_PERCENT = 10.0
LIMIT_STATEMENTS = 1.1
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}

_numbers = itertools.count(1)


def _body(quoted: str) -> dict[str, Any]:
    data = {
        "typeMessage": "quotedMessage",
        "extendedTextMessageData": {"text": "Yes"},
        "quotedMessage": {"stanzaId": quoted},
    }
    message = {"typeWebhook": "incomingMessageReceived", "idMessage": f"3EB0{next(_numbers):012}"}
    return message | {"instanceData": {"idInstance": 1101000001}, "messageData": data}


# --- who writes, in a process of its own ---


def _write() -> None:
    """Store a notification for each line that comes in, and tell when it was committed."""
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import SqlStore

    with SqlStore("store").open("etl/run/drain/-1") as store:
        for line in sys.stdin:
            store.put(Notification(1, json.loads(line)))
            print(time.time(), flush=True)


class Writer:
    """The reader of a queue, as far as its table goes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.stored_waits", "--write"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def put(self, quoted: str) -> float:
        """Store an answer, and return when it was committed (UNIX time)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(_body(quoted)) + "\n")
        self._process.stdin.flush()
        return float(next(line for line in self._process.stdout if line[:1].isdigit()))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


# --- who waits ---


async def _measure(count: int, seconds: float) -> dict[str, float]:
    from airflow_green_notify.stores import SqlStore
    from airflow_green_notify.triggers import GreenApiStoredTrigger

    writer, statements = Writer(), _count_statements()
    writer.put("nobody")
    place = SqlStore("store").described()
    waits = [
        asyncio.create_task(_event_of(GreenApiStoredTrigger(place, {"quoted_id": str(number)}, SINCE)))
        for number in range(count)
    ]
    await asyncio.sleep(3)
    figures: dict[str, float] = {}
    for name, rows in (("idle", 0), ("trickle", ROWS_PER_SECOND)):
        began, cpu, sent = time.monotonic(), time.process_time(), len(statements)
        for number in range(int(seconds * rows)):
            await asyncio.sleep(max(0.0, began + number / rows - time.monotonic()))
            await asyncio.to_thread(writer.put, f"nobody {number}")
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        took = time.monotonic() - began
        figures[f"{name}: core %"] = (time.process_time() - cpu) / took * 100
        figures[f"{name}: statements/s"] = (len(statements) - sent) / took
    figures |= await _latencies(writer, waits)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    writer.close()
    return figures


async def _latencies(writer: Writer, waits: list[asyncio.Task[float]]) -> dict[str, float]:
    latencies = []
    for number in range(min(ANSWERS, len(waits))):
        committed = await asyncio.to_thread(writer.put, str(number))
        latencies.append(await waits[number] - committed)
        await asyncio.sleep(number % 10 / 10)  # at any moment between two looks
    latencies.sort()
    return {f"row to event: p{part} s": latencies[len(latencies) * part // 100] for part in (50, 95)}


async def _event_of(trigger: Any) -> float:
    await anext(trigger.run())
    return time.time()


def _count_statements() -> list[str]:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    seen: list[str] = []
    event.listen(Engine, "before_cursor_execute", lambda c, cursor, statement, *rest: seen.append(statement))
    return seen


@contextmanager
def _connection(kind: str) -> Iterator[str]:
    if kind == "postgres":
        from tests.servers import postgres

        with postgres() as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory() as folder:
        yield json.dumps({"conn_type": "sqlite", "host": str(Path(folder) / "store.db")})


def main() -> int:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        _write()
        return 0
    is_fine = True
    for kind in options.databases:
        with tempfile.TemporaryDirectory() as home, _connection(kind) as connection:
            os.environ |= QUIET | {"AIRFLOW_HOME": home, "AIRFLOW_CONN_STORE": connection}
            figures = asyncio.run(_measure(options.waits, options.seconds))
        shown = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
        print(f"{kind:9} {options.waits} waits; {shown}", flush=True)
        cores = figures["idle: core %"], figures["trickle: core %"]
        is_fine &= max(cores) < LIMIT_PERCENT and figures["idle: statements/s"] <= LIMIT_STATEMENTS
    return int(not is_fine)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent.parent)
    sys.exit(main())
