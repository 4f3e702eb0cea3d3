"""How long the page takes with 200 connections and 2,000,000 rows.

``python -m tests.benchmarks.page`` fills a table of 2,000,000 notifications on a PostgreSQL of its own
(864,000 of them of the last 24 hours), with the records of 200 instances that were drained every 5 minutes
for a day, a watcher for each, and 10 consumers, and lets Airflow list 200 connections. It asks the page
through Airflow's own API server app, without network: the first time (cold: nothing is read yet), until all
is read, then again and again, alone and by 20 users at once. Looks at the gateway are off. ``--parts``
prints how long each part of the store takes to read. Exit code 1 if an answer to one user took 300 ms or
more.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

LIMIT = 300.0
"""Milliseconds that an answer may take."""

PAGE = "/green-api/"
EVERY = timedelta(minutes=5)
QUIET = {
    "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__GREEN_API__STORES": "store",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


def fill(rows: int, connections: int) -> None:
    """Fill the store, and let Airflow list the connections."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    from airflow_green_notify.stores import SqlStore
    from airflow_green_notify.stores.report import Report
    from airflow_green_notify.stores.stream import Consumer
    from tests.benchmarks.large_table import LargeTable

    store, now = SqlStore("store"), datetime.now(UTC)
    names = [f"green_api_{number:03}" for number in range(connections)]
    with closing(store.stream()) as stream:
        table = LargeTable(store, stream)
        stream.end()  # of an empty table; numbering two million rows takes minutes
        table.fill(rows)
        table.run(
            "UPDATE {table} SET position = sequence",
            f"UPDATE {{table}}_consumers SET position = {rows} WHERE consumer = ''",
            "VACUUM (ANALYZE) {table}",
        )
        end = stream.end()
        for number in range(10):
            stream.save(Consumer(f"consumer_{number}", end - number * 1000))
    opened = store.open("fill/run/drain/-1")
    for name in names:
        opened.note_drains(list(records(name, now)))
    opened.close()
    body = {"state": "looking", "waiting_since": None, "rang_at": None, "why": "the queue is empty"}
    store.report([Report("watcher", f"doorbell of {name}", name, "", now, body) for name in names])
    with create_session() as session:
        session.add_all([Connection(conn_id=name, conn_type="greenapi", login="1") for name in names])


def records(conn_id: str, now: datetime) -> Iterator[Any]:
    """The records of an instance that was drained every five minutes for a day."""
    from airflow_green_notify.stores.drain_record import DrainRecord

    for number in range(timedelta(days=1) // EVERY):
        ended = now - number * EVERY
        batch = f"etl/scheduled__{ended.isoformat()}/drain/-1"
        counts = {"received": 15, "stored": 15, "duplicates": 0, "deleted": 15, "dead_letters": 0}
        yield DrainRecord(
            batch,
            conn_id,
            conn_id[-3:],
            ended - timedelta(seconds=4),
            ended,
            **counts,
            doubtful_deletes=0,
            other_consumers=0,
            oldest_age=200.0,
            stopped_by="empty",
            error="",
            id=uuid.uuid4().hex,
        )


def read_parts() -> None:
    """Print how long each part takes to read for the first time, one after the other."""
    from airflow_green_notify.page.figures import StoreReader
    from airflow_green_notify.page.places import configured

    [place] = configured()
    assert place.store is not None
    reader = StoreReader(place, place.store)
    for name, part in zip(("drains", "reports", "lags", "dead letters", "types"), reader.parts, strict=True):
        began = time.perf_counter()
        part.get(time.monotonic() + 600)
        print(f"reading {name:<16}{(time.perf_counter() - began) * 1000:8.0f} ms", flush=True)


def client(app: Any) -> Any:
    """A client of an administrator."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    user = SimpleAuthManagerUser(username="admin", role="ADMIN")
    token = app.state.auth_manager.generate_jwt(user)
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def ask(client: Any) -> tuple[float, str]:
    """Return how many milliseconds an answer took, and the answer."""
    began = time.perf_counter()
    answer = client.get(PAGE)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took, answer.text


def measured(app: Any) -> Iterator[tuple[str, list[float]]]:
    """Yield what was done, and the milliseconds that each answer took."""
    one = client(app)
    one.get("/api/v2/version")  # Airflow itself is warm
    began = time.perf_counter()
    took, text = ask(one)
    yield "first answer", [took]
    while 'data-complete="yes"' not in text:
        time.sleep(0.2)
        took, text = ask(one)
        yield f"answer after {time.perf_counter() - began:.1f} s", [took]
    print(f"all is there after {time.perf_counter() - began:.1f} s; {len(text) / 1024:,.0f} KiB of HTML")
    yield "again, at once", [ask(one)[0] for _ in range(20)]
    yield "each 2 s", [ask(one)[0] for _ in range(20) if not time.sleep(2)]
    many = [client(app) for _ in range(20)]
    with ThreadPoolExecutor(20) as users:
        began = time.perf_counter()
        took_by = [took for took, _ in users.map(ask, many)]
        print(f"20 users at once are served within {(time.perf_counter() - began) * 1000:.0f} ms")
    yield "20 users at once", took_by


def main() -> int:
    """Fill, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--parts", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ |= QUIET | {
            "AIRFLOW_HOME": home,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }
        from tests.servers import postgres

        os.environ["AIRFLOW_CONN_STORE"] = stack.enter_context(postgres())
        from airflow.utils import db

        db.initdb()
        began = time.perf_counter()
        fill(options.rows, options.connections)
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        from airflow.api_fastapi.app import create_app

        from airflow_green_notify.page.app import page_app

        if options.parts:
            read_parts()
        app = create_app()
        page_app()  # as an API server does when it starts
        gc.collect()
        gc.freeze()  # a full collection of what Airflow and the filling left takes 0.6 s, and stops everybody
        slowest = 0.0
        for name, took in measured(app):
            alone = max(took) if len(took) == 1 else statistics.median(took)
            slowest = max(slowest, 0.0 if name.startswith("20 users") else max(took))
            print(f"{name:<24}{alone:8.1f} ms{max(took):10.1f} ms at most", flush=True)
    return int(slowest >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
