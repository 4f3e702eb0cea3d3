"""Numbers for dashboards and alerts, by way of Airflow's own metrics: StatsD, Datadog or OpenTelemetry.

``docs/metrics.md`` tells what each means. A metric of an instance or a consumer is sent twice, as Airflow's
own are: under its plain name with a tag, and, since plain StatsD drops tags, with the tag's value behind the
name, unless ``[metrics] legacy_names_on`` is off.
"""

from __future__ import annotations

import logging
import re

from airflow_green_notify.files.names import digest

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

_LONGEST_WORD = 80

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


def _send(kind: str, name: str, value: float, tag: str, of: str | None) -> None:
    """Send a metric. Whatever a backend does about it, whoever sends goes on."""
    global _has_failed
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
        if not _has_failed:
            _has_failed = True
            log.warning("Metrics can't be sent, and are left out: %s: %s", type(error).__name__, error)
