"""Looks at the gateway for the page: what the doctor finds, once per instance and minute at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import AirflowException

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.examination import Examination
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.looks import findings
from airflow_green_notify.page.kept import Threads

SPAN = 60.0
"""Seconds from the end of a look at an instance to the next one."""

AT_ONCE = 32
"""Instances that are looked at side by side; a look takes 6 s and more, most of it waiting."""

ASKED_FOR = 30.0
"""Seconds after which nobody looks at the page any more; it asks more often than that."""


def are_allowed() -> bool:
    """Tell whether Airflow's API server may use connections: users edit them, and may lead them anywhere."""
    from airflow.providers.common.compat.sdk import conf

    return str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower() == "enabled"


@dataclass(frozen=True)
class Look:
    """What was last seen of the instance of a connection.

    :param examination: ``None`` if it was not looked at yet.
    :param at: When that was seen.
    :param others: Connections of the same instance that are known of, with which this one takes turns.
    """

    examination: Examination | None = None
    at: datetime | None = None
    others: Sequence[str] = ()


class Looks:
    """The last look at each instance. Connections of the same instance take turns."""

    def __init__(self) -> None:
        self._threads = Threads(AT_ONCE)
        self._lock = threading.Lock()
        self._seen: dict[str, Look] = {}
        self._asked_at: dict[str, float] = {}
        self._under_way: set[str] = set()
        self._queue_of: dict[str, str] = {}
        self._due_at: dict[str, float] = {}
        """When each queue may be looked at again; for ever later while it is looked at."""

    def seen(self, conn_ids: Collection[str]) -> dict[str, Look]:
        """Return what was seen last, if anything was."""
        with self._lock:
            return {each: self._seen.get(each) or self._not_seen(each) for each in conn_ids}

    def ask(self, conn_ids: Collection[str]) -> None:
        """Have those looked at whose time has come; nobody waits for that."""
        now = time.monotonic()
        with self._lock:
            self._asked_at |= dict.fromkeys(conn_ids, now)
            due = [each for each in conn_ids if each not in self._under_way and self._is_due(each, now)]
            self._under_way |= {*due}
            longest_ago = sorted(due, key=lambda each: self._seen.get(each, _NEVER).at or _LONG_AGO)
        for each in longest_ago:
            self._threads.do(lambda conn_id=each: self._look(conn_id))  # type: ignore[misc]

    def _is_due(self, conn_id: str, now: float) -> bool:
        return now >= self._due_at.get(self._queue_of.get(conn_id, _none_of(conn_id)), 0.0)

    def _not_seen(self, conn_id: str) -> Look:
        return Look() if conn_id in self._under_way else Look(others=self._others(conn_id))

    def _others(self, conn_id: str) -> list[str]:
        queue = self._queue_of.get(conn_id)
        return sorted(each for each, of in self._queue_of.items() if of == queue and each != conn_id)

    def _look(self, conn_id: str) -> None:
        try:
            if time.monotonic() - self._asked_at[conn_id] < ASKED_FOR:
                self._look_now(conn_id)
        finally:
            with self._lock:
                self._under_way.discard(conn_id)

    def _look_now(self, conn_id: str) -> None:
        with GreenApiHook(conn_id, max_attempts=1) as hook:
            try:
                queue = hook.config.queue
            except (AirflowException, GreenApiConfigError):
                queue = _none_of(conn_id)  # what is wrong with it will be a finding
            with self._lock:
                self._queue_of[conn_id] = queue
                if not self._is_due(conn_id, time.monotonic()):
                    return
                self._due_at[queue] = float("inf")
            try:
                examination = Examination(conn_id)
                examination.findings.extend(findings(hook, examination, None, once=True))
                with self._lock:
                    self._seen[conn_id] = Look(examination, datetime.now(UTC), self._others(conn_id))
            finally:
                self._due_at[queue] = time.monotonic() + SPAN


_NEVER = Look()
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _none_of(conn_id: str) -> str:
    """Return what stands for the queue of a connection that isn't known, or leads to none."""
    return f"none of {conn_id}"
