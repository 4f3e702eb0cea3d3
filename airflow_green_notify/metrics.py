"""Numbers for dashboards and alerts, by way of Airflow's own metrics: StatsD, Datadog or OpenTelemetry.

``docs/metrics.md`` tells what each means. A metric of an instance or a consumer is sent twice, as Airflow's
own are: under its plain name with a tag, and, since plain StatsD drops tags, with the tag's value behind the
name, unless ``[metrics] legacy_names_on`` is off.

They are sent by a thread of their own: a backend looks names up, connects, and may hang, and most of what is
told of happens in an event loop, that of a triggerer among them.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from airflow_green_notify.files.names import digest
from airflow_green_notify.printable import printable

log = logging.getLogger(__name__)

RECEIVED = "green_api.received"
STORED = "green_api.stored"
DUPLICATES = "green_api.duplicates"
DELETED = "green_api.deleted"
DOUBTFUL_DELETES = "green_api.doubtful_deletes"
DEAD_LETTERS = "green_api.dead_letters"
RINGS = "green_api.rings"
FAILED_LOOKS = "green_api.failed_looks"
DRAIN_DURATION = "green_api.drain.duration"
OLDEST_AGE = "green_api.oldest_age"
CONSUMER_LAG = "green_api.consumer.lag"

FLUSH = 0.2
"""Seconds for which the end of a task waits for what it sends."""

_MOST_WAITING = 10_000
_LONGEST_WORD = 80

_sender: _Sender
_has_failed = False


def are_on() -> bool:
    """Tell whether Airflow sends metrics anywhere, so that it is worth looking something up for them."""
    from airflow.providers.common.compat.sdk import conf

    backends = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    return any(conf.getboolean("metrics", backend, fallback=False) for backend in backends)


def count(name: str, number: int = 1, *, instance: str | None = None) -> None:
    """Add to a counter; of an instance, if that is known."""
    if number:
        _send("incr", name, number, "instance_id", instance)


def gauge(name: str, value: float, *, instance: str | None = None, consumer: str | None = None) -> None:
    """Set a gauge of an instance or a consumer."""
    if consumer is not None:
        _send("gauge", name, value, "consumer", consumer)
    else:
        _send("gauge", name, value, "instance_id", instance)


def timing(name: str, seconds: float, *, instance: str | None = None) -> None:
    """Note how long something took; Airflow wants milliseconds."""
    _send("timing", name, seconds * 1000, "instance_id", instance)


def safe_word(text: str) -> str:
    """Return what stands for an id in names and tags of any backend; others get other words."""
    word = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:_LONGEST_WORD]
    return word if word == text else f"{word}-{digest(text)[:8]}"


def flush() -> None:
    """Wait until what was told so far is sent, but no longer than :data:`FLUSH`."""
    sent = threading.Event()
    if _sender.do(sent.set):
        sent.wait(FLUSH)


class _Sender:
    """The thread that sends, in the order in which it is told."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, call: Callable[[], None]) -> bool:
        """Make a call behind those before it; ``False`` if there are too many of them."""
        if self._calls.qsize() >= _MOST_WAITING:
            return False
        self._calls.put(call)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="green-api-metrics", daemon=True)
            self._thread.start()
        return True

    def _serve(self) -> None:
        while True:
            self._calls.get()()


def _begin_anew() -> None:
    global _sender
    _sender = _Sender()


_begin_anew()
os.register_at_fork(after_in_child=_begin_anew)  # the thread stays behind, and sends what waits for it


def _send(kind: str, name: str, value: float, tag: str, of: str | None) -> None:
    if not _sender.do(partial(_send_now, kind, name, value, tag, of)):
        _tell_failure("the backend is too slow")


def _send_now(kind: str, name: str, value: float, tag: str, of: str | None) -> None:
    """Send a metric. Whatever a backend does about it, whoever told of it goes on."""
    try:
        from airflow.providers.common.compat.sdk import Stats, conf

        send = getattr(Stats, kind)
        if of is None:
            send(name, value)
            return
        word = safe_word(of)
        send(name, value, tags={tag: word})
        if conf.getboolean("metrics", "legacy_names_on", fallback=True):
            send(f"{name}.{word}", value, tags={tag: word})
    except Exception as error:
        _tell_failure(f"{type(error).__name__}: {printable(error)}")


def _tell_failure(reason: str) -> None:
    global _has_failed
    if not _has_failed:
        _has_failed = True
        log.warning("Metrics can't be sent, and are left out: %s", reason)
