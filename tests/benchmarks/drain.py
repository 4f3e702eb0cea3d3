"""How fast a drain is, beside the vendor's SDK and the limit of the queue.

``python -m tests.benchmarks.drain`` prints the comparison at added round trips of 0, 20 and 50 ms, and
``python -m tests.benchmarks.drain --growth`` the time and memory of 1,000 to 100,000 notifications. Every
contestant runs in a process of its own, in turn, against the same emulator in another one. The limit is
1 / (one receive alone + one put alone), both measured in the same run. The SDK comes with the extra
``test-vendor``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

COUNTS = {0: 2000, 20: 500, 50: 200}
CONTESTANTS = ("ours", "ours, no overlap", "ours, files", "vendor's SDK")


# --- one contestant, in its own process ---


def _hook() -> Any:
    """A hook with its connection looked up and its transports imported: all start warm."""
    from airflow_green_notify.hooks import GreenApiHook, aiohttp_transport, requests_transport  # noqa: F401

    hook = GreenApiHook()
    _ = hook.config
    return hook


def _store(kind: str, folder: str) -> Any:
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore

    if kind == "files":
        return ObjectStorageStore(f"{folder}/files")
    return SqlStore("benchmark_store")


def _ours(count: int, folder: str, kind: str = "sqlite", overlap: bool = True) -> dict[str, Any]:
    from airflow_green_notify.drain import StopCondition, drain

    hook = _hook()
    with _store(kind, folder).open("benchmark") as store:
        tenths = _Tenths(store, count)
        measure = _Measure()
        report = drain(hook, tenths, stop=StopCondition(max_notifications=count), overlap=overlap)  # type: ignore[arg-type]
        result = measure.result(report.stored)
    return result | {"last_to_first": tenths.last_to_first()}


class _Tenths:
    """A store that notes how long the first and the last tenth of all puts took."""

    def __init__(self, store: Any, count: int) -> None:
        self._store = store
        self._tenth = count // 10
        self._times: list[float] = [time.perf_counter()]
        self._puts = 0

    def put(self, notification: Any) -> bool:
        self._puts += 1
        if self._puts % self._tenth == 0:
            self._times.append(time.perf_counter())
        return bool(self._store.put(notification))

    def last_to_first(self) -> float:
        first, *_, before_last, last = self._times
        return (last - before_last) / (self._times[1] - first)


def _sdk(count: int, folder: str) -> dict[str, Any]:
    from whatsapp_api_client_python.API import GreenAPI

    from airflow_green_notify.notification import Notification

    config = _hook().config
    api = GreenAPI(config.id_instance, config.api_token, host=config.base_url, media=config.base_url)
    with _store("sqlite", folder).open("benchmark") as store:
        measure = _Measure()
        for _ in range(count):
            answer = api.receiving.receiveNotification().data
            store.put(Notification(answer["receiptId"], answer["body"]))
            api.receiving.deleteNotification(answer["receiptId"])
        return measure.result(count)


def _limit(count: int, folder: str) -> dict[str, Any]:
    import asyncio

    from airflow_green_notify.emulator import traffic
    from airflow_green_notify.notification import Notification

    async def receive() -> float:
        async with _hook() as hook:
            await hook.areceive_notification()
            began = time.perf_counter()
            for _ in range(count):
                await hook.areceive_notification()
            return (time.perf_counter() - began) / count

    with _store("sqlite", folder).open("benchmark") as store:
        fresh = [Notification(0, body) for body in traffic(seed=99, n=count)]
        began = time.perf_counter()
        for notification in fresh:
            store.put(notification)
        put = (time.perf_counter() - began) / count
    return {"per_second": 1 / (asyncio.run(receive()) + put)}


class _Measure:
    def __init__(self) -> None:
        self._cpu = self._cpu_seconds()
        self._began = time.perf_counter()

    @staticmethod
    def _cpu_seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def result(self, count: int) -> dict[str, Any]:
        seconds = time.perf_counter() - self._began
        return {
            "count": count,
            "seconds": seconds,
            "per_second": count / seconds,
            "cpu_ms": 1000 * (self._cpu_seconds() - self._cpu) / count,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


WORKERS: dict[str, Callable[..., dict[str, Any]]] = {
    "ours": _ours,
    "ours, no overlap": lambda count, folder: _ours(count, folder, overlap=False),
    "ours, files": lambda count, folder: _ours(count, folder, kind="files"),
    "vendor's SDK": _sdk,
    "limit": _limit,
}


# --- the gateway and the table ---


@contextmanager
def _gateway(round_trip: float) -> Iterator[tuple[str, str]]:
    """An emulator in a process of its own; yields its URL and the connection."""
    arguments = ("--port", "0", "--round-trip", str(round_trip / 1000), "--no-rate-limits")
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_green_notify.emulator", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "AIRFLOW_CONN_" in line)
        connection = json.loads(line.split("=", 1)[1].strip().strip("'"))
        yield connection["host"], json.dumps(_without_own_limit(connection))
    finally:
        process.terminate()
        process.wait()


def _without_own_limit(connection: dict[str, Any]) -> dict[str, Any]:
    return connection | {"extra": {**connection.get("extra", {}), "requests_per_second": 10_000}}


def _run(name: str, count: int, connection: str, url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        requests.post(f"{url}/_emulator/push_traffic", json={"seed": time.time_ns(), "n": count}, timeout=600)
        requests.post(f"{url}/_emulator/clear_requests", json={}, timeout=60)
        environment = os.environ | {
            "AIRFLOW_HOME": folder,
            "AIRFLOW_CONN_GREEN_API_DEFAULT": connection,
            "AIRFLOW_CONN_BENCHMARK_STORE": json.dumps({"conn_type": "sqlite", "host": f"{folder}/store.db"}),
        }
        command = [sys.executable, "-m", "tests.benchmarks.drain", "--worker", name, str(count), folder]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        result: dict[str, Any] = json.loads(output.splitlines()[-1])
        if name != "limit":
            asked = requests.get(f"{url}/_emulator/requests", timeout=600).json()
            result["requests"] = len(asked) / count
            waiting = requests.get(f"{url}/_emulator/queue", timeout=600).text.strip()
            assert waiting in ("", "[]"), "the contestant left notifications in the queue"
        else:
            _clear(url, connection)
        return result


def _clear(url: str, connection: str) -> None:
    values = json.loads(connection)
    path = f"{url}/waInstance{values['login']}/clearWebhooksQueue/{values['password']}"
    requests.delete(path, timeout=60)
    requests.post(f"{url}/_emulator/advance", json={"seconds": 61}, timeout=60)


def compare(round_trips: list[int], rounds: int) -> None:
    print("round trip  contestant         per second  to SDK  to limit  requests  CPU ms  peak MiB")
    for round_trip in round_trips:
        count = COUNTS.get(round_trip, 500)
        with _gateway(round_trip) as (url, connection):
            for _ in range(rounds):
                results = {name: _run(name, count, connection, url) for name in ("limit", *CONTESTANTS)}
                _print(round_trip, results)


def _print(round_trip: int, results: dict[str, dict[str, Any]]) -> None:
    sdk, limit = results["vendor's SDK"]["per_second"], results["limit"]["per_second"]
    for name in CONTESTANTS:
        row = results[name]
        print(
            f"{round_trip:7} ms  {name:18} {row['per_second']:10.0f} {row['per_second'] / sdk:7.2f} "
            f"{row['per_second'] / limit:9.2f} {row['requests']:9.2f} {row['cpu_ms']:7.2f} "
            f"{row['peak_mib']:9.0f}"
        )
    print(f"{round_trip:7} ms  {'limit':18} {limit:10.0f}", flush=True)


def growth(kinds: tuple[str, ...], counts: list[int]) -> None:
    print("notifications  store               per second  last tenth / first  CPU ms  peak MiB")
    for name in kinds:
        for count in counts:
            with _gateway(0) as (url, connection):
                row = _run(name, count, connection, url)
            print(
                f"{count:13}  {name:18} {row['per_second']:11.0f} "
                f"{row['last_to_first']:19.2f} {row['cpu_ms']:7.2f} {row['peak_mib']:9.0f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trips", type=int, nargs="+", default=list(COUNTS), help="in milliseconds")
    parser.add_argument("--rounds", type=int, default=1, help="how often each round trip is measured")
    parser.add_argument(
        "--growth", nargs="*", type=int, help="so many notifications instead (1000 10000 100000)"
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, count, folder = options.worker
        print(json.dumps(WORKERS[name](int(count), folder)))
    elif options.growth is not None:
        growth(("ours", "ours, files"), options.growth or [1_000, 10_000, 100_000])
    else:
        compare(options.round_trips, options.rounds)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent.parent)
    main()
