"""Tells when something else takes from a queue what it was about to delete itself."""

from __future__ import annotations

import logging

from airflow_green_notify.hooks.queue_head import EMPTY_ANSWERS
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.triggers.watch import HEARTBEAT

log = logging.getLogger(__name__)

REMEDY = "Let one AssetWatcher alone read an instance, and put several Dags on its asset."


class OtherReaders:
    """Notices heads that vanish though they were not deleted here, and watchers beside the first one."""

    def __init__(self, green_api_conn_id: str) -> None:
        self._conn_id = green_api_conn_id
        self._expected: str | None = None
        self._empty_answers = 0
        self._vanished = 0
        self._since_told: Stopwatch | None = None
        self._watchers = 1
        self._told_of_watchers = False

    def expect(self, key: str | None) -> None:
        """Say which head stays until it is deleted here; ``None`` once a delete was sent."""
        self._expected = key

    def see(self, key: str | None) -> None:
        """Compare what a look shows. One empty answer is not proof of an empty queue."""
        self._empty_answers = self._empty_answers + 1 if key is None else 0
        if self._expected in (None, key) or 0 < self._empty_answers < EMPTY_ANSWERS:
            return
        self._vanished += 1
        if self._since_told is None or self._since_told.seconds() >= HEARTBEAT:
            self._since_told = Stopwatch()
            log.warning(
                "Notification %s left the queue of %r, and this trigger did not delete it (%d so far). "
                "Something else reads the queue: a watcher in another triggerer, a drain or a bot. What it "
                "deletes first is in no event here. %s",
                self._expected,
                self._conn_id,
                self._vanished,
                REMEDY,
            )
        self._expected = None

    def count_watchers(self, watchers: int) -> None:
        """Compare how many watchers an event was offered to; one that is replaced is there twice, once."""
        if watchers > 1 and self._watchers > 1 and not self._told_of_watchers:
            self._told_of_watchers = True
            log.warning(
                "%d watchers share the queue of %r. In another triggerer, or while its Dags are paused, a "
                "watcher gets none of what the others delete. %s",
                watchers,
                self._conn_id,
                REMEDY,
            )
        self._watchers = watchers
