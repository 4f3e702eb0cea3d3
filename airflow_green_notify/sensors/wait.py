"""What a sensor remembers from one try or poke to the next."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

NOTE = "green_api_wait"
"""Under which name the task's state keeps since when it waits, and what it told."""


class Wait:
    """What a wait knows of its earlier tries and pokes; a task that was cleared waits anew."""

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")  # Airflow 3.3+
        first_try = 0
        if self._store is not None:
            ti: Any = context["ti"]
            first_try = ti.max_tries - (ti.task.retries or 0) + 1
        note = self._store.get(NOTE) if self._store is not None else None
        if not isinstance(note, dict) or note.get("first_try") != first_try:
            note = {"first_try": first_try, "since": time.time(), "blocked_by": ""}
            self._save(note)
        self._note: dict[str, Any] = note

    @property
    def since(self) -> float:
        """UNIX time of the start of the first try."""
        return float(self._note["since"])

    def tell_of_block(self, miss: Notification) -> None:
        """Warn, once for each, of a notification that blocks the queue."""
        if self._is_news("blocked_by", miss.key):
            log.warning(
                "%r is at the head and doesn't match; the sensor waits until something else takes it. Name a "
                "store in unmatched= to have such notifications put there.",
                miss,
            )

    def tell_of_reader(self, task: str, green_api_conn_id: str) -> None:
        """Warn, once for each, of a task that reads the queue too."""
        if self._is_news("read_by", task):
            log.warning(
                "The task %s reads the queue of %r into the same store: each takes what the other waits for. "
                "Give this sensor an instance of its own.",
                task,
                green_api_conn_id,
            )

    def _is_news(self, about: str, what: str) -> bool:
        """Tell whether it wasn't so the last time, and remember it."""
        if self._note.get(about) == what:
            return False
        self._note[about] = what
        self._save(self._note)
        return True

    def _save(self, note: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(NOTE, note)
