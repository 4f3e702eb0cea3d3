"""Metrics as a StatsD server gets them: from tasks, from a triggerer, and from drains in this process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from statsd import StatsClient

from airflow_green_notify import metrics
from airflow_green_notify.drain import StopCondition, drain, meter
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore

ROOT = Path(__file__).parent.parent
INSTANCE = "1101000001"
NAMES = {value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}


class StatsdServer:
    """What a StatsD server is: a UDP socket. Counters are summed up, of all else the last value is kept."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.port = int(self._socket.getsockname()[1])
        self.values: dict[str, float] = {}
        self.kinds: dict[str, str] = {}

    def take(self, seconds: float = 0.0) -> dict[str, float]:
        """Take what has come, or comes within so many seconds; return the values of this package's."""
        metrics.flush()
        end = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(0.05, end - time.monotonic()))
            try:
                packet = self._socket.recv(65535).decode()
            except TimeoutError:
                return self.values
            for line in packet.splitlines():
                self._note(line)

    def wait_for(self, names: Sequence[str], sender: subprocess.Popen[bytes]) -> dict[str, float]:
        """Wait until these have come from a process, as long as it runs."""
        end = time.monotonic() + 90
        while missing := {*names} - self.take(0.2).keys():
            assert sender.poll() is None, f"The process ended, and {missing} didn't come."
            assert time.monotonic() < end, f"{missing} didn't come; what did: {self.values}"
        return self.values

    def close(self) -> None:
        self._socket.close()

    def _note(self, line: str) -> None:
        found = re.fullmatch(r"airflow\.(green_api\.[^:]+):([0-9.e+-]+)\|(c|g|ms)", line)
        if found is None:
            return
        name, value, kind = found[1], float(found[2]), found[3]
        self.kinds[name] = kind
        self.values[name] = value + (self.values.get(name, 0.0) if kind == "c" else 0.0)


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    server = StatsdServer()
    yield server
    server.close()


@pytest.fixture
def airflow_to_statsd(statsd: StatsdServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    """Let metrics of this process, which began without any, go to the server; tags as Influx has them."""
    from airflow.providers.common.compat.sdk import Stats

    client = StatsClient("127.0.0.1", statsd.port, prefix="airflow")

    def sending(kind: str) -> Callable[..., None]:
        def send(name: str, value: float, tags: dict[str, str] | None = None) -> None:
            getattr(client, kind)(name + "".join(f",{tag}={of}" for tag, of in (tags or {}).items()), value)

        return send

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(Stats, kind, sending(kind))
    yield statsd
    client.close()


@contextmanager
def running(
    what: str, statsd: StatsdServer, folder: Path, **connections: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with an Airflow of its own, whose metrics go to the server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
        **{f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in connections.items()},
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.metrics_run", what, str(folder)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-6000:])
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def of_instance(name: str) -> tuple[str, str]:
    """The two names of a metric of the instance."""
    return f"{name},instance_id={INSTANCE}", f"{name}.{INSTANCE},instance_id={INSTANCE}"


# --- Airflow's own way ---


@pytest.mark.slow
def test_metrics_of_tasks_arrive(
    statsd: StatsdServer, green_api_emulator: GreenApiEmulator, tmp_path: Path
) -> None:
    """What a drain, a handler, a reader and a worker send reaches the server with name, tag and kind."""
    green_api_emulator.push(*traffic(seed=1, n=8))
    with running("tasks", statsd, tmp_path, green_api_default=green_api_emulator.connection) as process:
        assert process.wait(180) == 0
    values = statsd.take(0.2)
    expected = {metrics.RECEIVED: 8, metrics.STORED: 8, metrics.DELETED: 8, metrics.DEAD_LETTERS: 1}
    assert {name: values[each] for name in expected for each in of_instance(name)} == expected
    assert values.keys().isdisjoint(of_instance(metrics.DUPLICATES)), "nothing is sent of what didn't happen"
    assert 0 < values[of_instance(metrics.OLDEST_AGE)[1]] < 600
    assert 0 < values[of_instance(metrics.DRAIN_DURATION)[1]] < 60_000
    assert {statsd.kinds[of_instance(name)[1]] for name in expected} == {"c"}
    assert statsd.kinds[of_instance(metrics.OLDEST_AGE)[0]] == "g"
    assert statsd.kinds[of_instance(metrics.DRAIN_DURATION)[0]] == "ms"
    lags = {name: values[f"{metrics.CONSUMER_LAG}.{name},consumer={name}"] for name in ("reader", "worker")}
    assert lags == {"reader": 2, "worker": 0}


def test_metrics_of_triggers_arrive_from_a_triggerer(
    statsd: StatsdServer, green_api_emulator: GreenApiEmulator, tmp_path: Path
) -> None:
    """A doorbell that rings and one whose gateway is away, in the process that Airflow runs triggers in."""
    green_api_emulator.push(*traffic(seed=1, n=1))
    away = '{"conn_type": "greenapi", "host": "http://127.0.0.1:1", "login": "1101000002", "password": "x"}'
    failed = f"{metrics.FAILED_LOOKS}.1101000002,instance_id=1101000002"
    connections = {"green_api_default": green_api_emulator.connection, "green_api_away": away}
    with running("triggerer", statsd, tmp_path, **connections) as process:
        values = statsd.wait_for([*of_instance(metrics.RINGS), failed], process)
    assert values[of_instance(metrics.RINGS)[0]] >= 1
    assert values[failed] >= 1


# --- what is sent, and when ---


def test_drain_sends_what_it_did_once(
    airflow_to_statsd: StatsdServer, green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """Sums at the end, not a packet per notification; the second drain of the same adds duplicates."""
    bodies = list(traffic(seed=1, n=30))
    for _ in range(2):
        green_api_connection.push(*bodies)
        with ObjectStorageStore(tmp_path / "store").open("d/r/t/-1") as store:
            drain(GreenApiHook(), store, receive_timeout=0.2)
    values = airflow_to_statsd.take()
    expected = {metrics.RECEIVED: 60, metrics.STORED: 30, metrics.DUPLICATES: 30, metrics.DELETED: 60}
    assert {name: values[each] for name in expected for each in of_instance(name)} == expected


def test_drain_that_stays_sends_while_it_stays(
    airflow_to_statsd: StatsdServer,
    green_api_connection: GreenApiEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody on call sees a stream at work, and how long its queue waits now, not at its worst."""
    monkeypatch.setattr(meter, "EVERY", 0.2)
    seen: list[dict[str, float]] = []

    class Watching:
        def put(self, notification: Notification) -> bool:
            seen.append(dict(airflow_to_statsd.take(0.15)))
            return True

    green_api_connection.push(*traffic(seed=1, n=6))
    hook = GreenApiHook()
    drain(hook, Watching(), stop=StopCondition(linger=2.5), receive_timeout=0.2)
    stored = of_instance(metrics.STORED)[0]
    assert any(0 < values.get(stored, 0) < 6 for values in seen)
    assert airflow_to_statsd.take()[stored] == 6
    assert airflow_to_statsd.values[of_instance(metrics.OLDEST_AGE)[0]] == 0


def test_backend_that_fails_is_told_once_and_harms_no_drain(
    green_api_connection: GreenApiEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Metrics are the least of what a drain is for."""
    from airflow.providers.common.compat.sdk import Stats

    def fail(*arguments: Any, **named: Any) -> None:
        raise OSError("no such host")

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(Stats, kind, fail)
    monkeypatch.setattr(metrics, "_has_failed", False)
    green_api_connection.push(*traffic(seed=1, n=5))
    with ObjectStorageStore(tmp_path / "store").open("d/r/t/-1") as store:
        assert drain(GreenApiHook(), store, receive_timeout=0.2).deleted == 5
    metrics.flush()
    assert [each.getMessage() for each in caplog.records if "Metrics" in each.getMessage()] == [
        "Metrics can't be sent, and are left out: OSError: no such host"
    ]


async def test_backend_that_hangs_holds_up_no_event_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may look a name up for long, in the first metric of all triggers of a process."""
    from airflow.providers.common.compat.sdk import Stats

    callers: SimpleQueue[threading.Thread] = SimpleQueue()
    may_go_on = threading.Event()

    def hang(*arguments: Any, **named: Any) -> None:
        callers.put(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            may_go_on.wait()

    monkeypatch.setattr(Stats, "incr", hang)
    monkeypatch.setattr(metrics, "_has_failed", False)
    try:
        for _ in range(metrics._MOST_WAITING + 10):
            metrics.count(metrics.RINGS)
        metrics.flush()
        assert callers.get(timeout=30) is not threading.main_thread()
        assert metrics._sender._calls.qsize() <= metrics._MOST_WAITING
    finally:
        may_go_on.set()
        while not metrics._sender._calls.empty():
            metrics.flush()
    assert "Metrics can't be sent, and are left out: the backend is too slow" in caplog.messages


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_metrics_are_sent_from_a_forked_process(airflow_to_statsd: StatsdServer) -> None:
    """Some executors run tasks in forks, in which no other thread of theirs lives on."""
    metrics.count(metrics.RINGS)
    assert airflow_to_statsd.take() == {metrics.RINGS: 1}
    child = os.fork()
    if not child:
        metrics.count(metrics.RINGS)
        metrics.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert airflow_to_statsd.take() == {metrics.RINGS: 2}


def test_drain_that_fails_sends_what_it_did_before(
    airflow_to_statsd: StatsdServer, green_api_connection: GreenApiEmulator
) -> None:
    """An outage of the store doesn't hide what came in before."""

    class Failing:
        left = 3

        def put(self, notification: Notification) -> bool:
            self.left -= 1
            if not self.left:
                raise OSError("the disk is full")
            return True

    green_api_connection.push(*traffic(seed=1, n=5))
    with pytest.raises(OSError, match="disk"):
        drain(GreenApiHook(), Failing(), receive_timeout=0.2)
    values = airflow_to_statsd.take()
    assert (values[of_instance(metrics.STORED)[1]], values[of_instance(metrics.DELETED)[1]]) == (2, 2)


def test_names_without_the_instance_are_all_if_legacy_names_are_off(
    airflow_to_statsd: StatsdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has tags needs no second series for each."""
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", "False")
    metrics.count(metrics.RINGS, instance=INSTANCE)
    assert airflow_to_statsd.take() == {f"{metrics.RINGS},instance_id={INSTANCE}": 1}


@pytest.mark.parametrize("name", ["a.b", "billing v2", "x:1|c\ny", "продажи", "a" * 200, "€,=#"])
def test_word_in_a_name_is_safe_and_stands_for_one_id(name: str) -> None:
    """No id cuts a packet in two or another level into a name, and no two share a series."""
    word = metrics.safe_word(name)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", word)
    assert len({word, *map(metrics.safe_word, ("a_b", "billing_v2", "закупки", "a" * 199))}) == 5
    assert metrics.safe_word(INSTANCE) == INSTANCE


# --- the page ---


def test_page_names_every_metric_and_no_other() -> None:
    """What is alerted on is written down, with its kind."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = re.compile(r"^\| `(green_api\.[\w.]+)` \|", re.MULTILINE)
    told = {kind: {*names.findall(part)} for kind, part in parts_of(page)}
    assert told["Gauges"] == {metrics.OLDEST_AGE, metrics.CONSUMER_LAG}
    assert told["Timers"] == {metrics.DRAIN_DURATION}
    assert told["Counters"] == NAMES - told["Gauges"] - told["Timers"]
    assert {*meter.COUNTERS} < told["Counters"]


def parts_of(page: str) -> Iterator[tuple[str, str]]:
    for part in page.split("\n## ")[1:]:
        yield part.split("\n", 1)[0], part
