"""How fast many instances are drained into one store, and what that costs.

``python -m tests.benchmarks.fleet`` prints 1, 10, 50 and 200 instances at added round trips of 20 and 50 ms:
one task with a fleet; a process per instance, eight at once, as the slots of Celery workers; the vendor's SDK
in a thread per instance. ``--short`` is the form of a minute. Each contestant runs in a process of its own,
in turn, against an emulator in another one, whose CPU is not counted: where the gateway or the machine is
what limits, the last column says so. "to one" is the rate beside that of one instance drained alone, in the
same run; a rate counts until the last notification has left its queue. The processes are forked with
everything imported and looked up, which is less than Airflow needs to start a task. The SDK's threads share
one connection to the database, and commit one notification each. Exit code 1 if anything was lost, was left
in its queue, or came twice. The SDK comes with the extra ``test-vendor``.

Airflow's secrets masker is told to leave the connections alone, as in ``waiters``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.many_instances import (
    CORES,
    ManyInstances,
    Meter,
    Outcome,
    many_instances,
    wait_for_rest,
)
from tests.live.database import Database
from tests.servers import postgres

EACH = {1: 200, 10: 200, 50: 100, 200: 40}
SHORT = {1: 100, 20: 40}
SLOTS = 8
TABLE = "green_api_notifications"
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR", "AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET": "1000"}
BEGIN, CPU = "begin", "CPU: "


# --- one contestant, in its own process ---


def _hooks(count: int) -> list[Any]:
    """Hooks with their connections looked up and their transports imported: all start warm."""
    from airflow_green_notify.hooks import GreenApiHook, aiohttp_transport, requests_transport  # noqa: F401

    hooks = [GreenApiHook(f"green_api_{number}") for number in range(count)]
    for hook in hooks:
        _ = hook.config
    return hooks


def _store() -> Any:
    from airflow_green_notify.stores import SqlStore

    return SqlStore("benchmark_store", table=TABLE)


def _fleet(hooks: list[Any], each: int) -> None:
    from airflow_green_notify.drain import StopCondition
    from airflow_green_notify.drain.fleet import Fleet, Instance, into_store

    instances = {hook.green_api_conn_id: Instance(hook) for hook in hooks}
    with _store().open("benchmark") as store:
        stop = StopCondition(max_notifications=each * len(hooks))
        report = Fleet(instances, into_store(store), stop=stop).drain()
    assert not report.errors, report.failures()


def _processes(hooks: list[Any], each: int) -> None:
    pool = multiprocessing.get_context("fork").Pool(SLOTS, maxtasksperchild=1)
    try:
        pool.starmap(_one, [(hook, each) for hook in hooks], chunksize=1)
    finally:
        pool.close()
        pool.join()


def _one(hook: Any, each: int) -> None:
    from airflow_green_notify.drain import StopCondition, drain

    with _store().open(f"benchmark/{hook.config.id_instance}") as store:
        drain(hook, store, stop=StopCondition(max_notifications=each))


def _sdk(hooks: list[Any], each: int) -> None:
    from whatsapp_api_client_python.API import GreenAPI

    from airflow_green_notify.notification import Notification

    one_at_a_time = threading.Lock()

    def loop(config: Any) -> None:
        api = GreenAPI(config.id_instance, config.api_token, host=config.base_url, media=config.base_url)
        for _ in range(each):
            answer = api.receiving.receiveNotification().data
            with one_at_a_time:
                store.put(Notification(answer["receiptId"], answer["body"]))
            api.receiving.deleteNotification(answer["receiptId"])

    with _store().open("benchmark") as store, ThreadPoolExecutor(len(hooks)) as threads:
        list(threads.map(loop, [hook.config for hook in hooks]))


CONTESTANTS: dict[str, Callable[[list[Any], int], None]] = {
    "fleet": _fleet,
    f"{SLOTS} processes": _processes,
    "SDK in threads": _sdk,
}


def _work(name: str, count: int, each: int) -> None:
    """Run a contestant, and print when it began and how many seconds of CPU it took."""
    hooks = _hooks(count)
    _store().open("warm").close()
    print(BEGIN, flush=True)
    cpu = _cpu_seconds()
    CONTESTANTS[name](hooks, each)
    print(CPU + str(_cpu_seconds() - cpu), flush=True)


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# --- the gateway and the table ---


def _run(name: str, gateway: ManyInstances, each: int, database: Database, patience: float) -> dict[str, Any]:
    """Let a contestant drain everything, and return what that cost and what came of it."""
    count = len(gateway.ids)
    gateway.push_traffic(each)
    wait_for_rest(patience)
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | QUIET | gateway.connections
        environment |= {"AIRFLOW_HOME": home, "AIRFLOW_CONN_BENCHMARK_STORE": database.connection}
        command = [sys.executable, "-m", "tests.benchmarks.fleet", "--worker", name, str(count), str(each)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            next(line for line in process.stdout if line.strip() == BEGIN)
            began = time.time()
            with Meter(process.pid, gateway) as meter:
                line = next(line for line in process.stdout if line.startswith(CPU))
            process.stdout.read()
    assert process.returncode == 0
    total, end = count * each, gateway.last_delete()
    return meter.cores(end) | {
        "per_second": total / (end - began),
        "cpu_ms": 1000 * float(line.removeprefix(CPU)) / total,
        "peak_mib": meter.peak_mib,
        "requests": gateway.requests() / total,
        "outcome": Outcome.of(gateway, database.column(TABLE, "key")),
    }


def _bound_by(row: dict[str, Any], name: str) -> str:
    if row["gateway"] > 0.9:
        return "gateway"
    if name != f"{SLOTS} processes" and row["own"] > 0.9:
        return "own CPU"
    if row["own"] + row["gateway"] + row["elsewhere"] > 0.95 * CORES:
        return "machine"
    return "round trip"


@contextmanager
def _databases(kind: str) -> Iterator[Iterator[Database]]:
    """Give one empty database after the other."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = json.loads(stack.enter_context(postgres())) if kind == "postgres" else {}

        def make() -> Iterator[Database]:
            for number in range(10_000):
                if not server:
                    yield Database(json.dumps({"conn_type": "sqlite", "host": f"{folder}/{number}.db"}))
                    continue
                Database(json.dumps(server)).execute(f'CREATE DATABASE "{TABLE}_{number}"')
                yield Database(json.dumps(server | {"schema": f"{TABLE}_{number}"}))

        yield make()


HEADER = (
    "round trip  instances  contestant        each  per second  to one  CPU ms  peak MiB  requests  "
    "own, gateway, other cores  lost  left  twice  bound by"
)


def compare(
    names: list[str], round_trips: list[int], instances: dict[int, int], kind: str, patience: float
) -> bool:
    """Print the table; return whether nothing was lost, left or doubled."""
    print(HEADER, flush=True)
    is_clean, names = True, [name for name in names if name != "SDK in threads" or _has_sdk()]
    with _databases(kind) as databases:
        for round_trip in round_trips:
            one: float | None = None
            for count, each in instances.items():
                for name in names:
                    with many_instances(count, round_trip) as gateway:
                        row = _run(name, gateway, each, next(databases), patience)
                    if count == 1 and name == "fleet":
                        one = row["per_second"]
                    _print((round_trip, count, name, each), row, one)
                    is_clean = is_clean and row["outcome"].is_clean()
    return is_clean


def _print(cell: tuple[int, int, str, int], row: dict[str, Any], one: float | None) -> None:
    round_trip, count, name, each = cell
    to_one = f"{row['per_second'] / one:7.1f}" if one else f"{'-':>7}"
    cores = f"{row['own']:.2f}, {row['gateway']:.2f}, {row['elsewhere']:.2f}"
    outcome = row["outcome"]
    print(
        f"{round_trip:7} ms  {count:9}  {name:16} {each:5} {row['per_second']:11.0f} {to_one} "
        f"{row['cpu_ms']:7.2f} {row['peak_mib']:9.0f} {row['requests']:9.2f}  {cores:>25} "
        f"{outcome.lost:5} {outcome.left:5} {outcome.twice:6}  {_bound_by(row, name)}",
        flush=True,
    )


def _has_sdk() -> bool:
    return find_spec("whatsapp_api_client_python") is not None


def main() -> int:
    """Measure, or be a contestant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trips", type=int, nargs="+", default=[20, 50], help="in milliseconds")
    parser.add_argument("--instances", type=int, nargs="+", choices=list(EACH), default=list(EACH))
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--patience", type=float, default=30, help="seconds to wait for others to rest")
    parser.add_argument("--short", action="store_true", help="1 and 20 instances at 20 ms")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, count, each = options.worker
        _work(name, int(count), int(each))
        return 0
    if options.short:
        return int(not compare(options.contestants, [20], SHORT, options.store, options.patience))
    instances = {count: EACH[count] for count in options.instances}
    return int(
        not compare(options.contestants, options.round_trips, instances, options.store, options.patience)
    )


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent.parent)
    sys.exit(main())
