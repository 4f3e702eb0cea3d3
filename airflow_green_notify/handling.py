"""A handler in the place of a store: what it did is what counts as durable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_green_notify.deletion import doubt_wait
from airflow_green_notify.stoppable import check

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore

log = logging.getLogger(__name__)


class NotificationHandler:
    """Calls a handler for each notification, a bounded number of times, and sets aside what it fails on.

    Each attempt is noted durably *before* the handler runs, so that one which takes the whole process down
    counts too, and that it returned is noted before the notification is deleted.

    :param handler: Called with the notification. It may raise.
    :param max_attempts: Hard limit of attempts on one key, over all tries and runs.
    :param dead_letter: Opened; takes what failed ``max_attempts`` times and keeps the note of attempts.
        Without it the last error is raised, and the notification stays in the queue.
    :param lease: The lease on the queue, checked before each attempt: another reader may handle it by now.
    """

    def __init__(
        self,
        handler: Callable[[Notification], object],
        max_attempts: int,
        dead_letter: NotificationStore | None,
        lease: ReaderLease | None = None,
    ) -> None:
        self._lease = lease
        self._handler = handler
        self._max_attempts = max_attempts
        self._dead_letter = dead_letter
        self._last_handled = ""
        self.handled = 0
        self.dead_letters = 0

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        """Handle the notification, or set it aside.

        :return: ``False`` if it was handled before.
        """
        if notification.key == self._last_handled:
            return False
        handled = self._handle(notification)
        self._last_handled = notification.key
        return handled

    def _handle(self, notification: Notification) -> bool:
        attempt = 0
        error: Exception | None = None
        while True:
            check()
            attempt = self._begin_attempt(notification.key, attempt)
            if attempt == 0:
                return False
            if self._lease is not None:
                self._lease.check()  # behind the note, which may have taken long: nothing lies between now
            check()
            if attempt > self._max_attempts:
                self._set_aside(notification, attempt - 1, error)
                return True
            try:
                self._handler(notification)
            except Exception as raised:
                error = raised
                log.warning(
                    "Attempt %d of %d on %r failed.", attempt, self._max_attempts, notification, exc_info=True
                )
                if attempt < self._max_attempts:
                    time.sleep(doubt_wait(attempt, None))
                continue
            self._finish(notification.key)
            self.handled += 1
            return True

    def _begin_attempt(self, key: str, last_attempt: int) -> int:
        return self._dead_letter.begin_attempt(key) if self._dead_letter else last_attempt + 1

    def _finish(self, key: str) -> None:
        if self._dead_letter:
            self._dead_letter.finish(key)

    def _set_aside(self, notification: Notification, attempts: int, error: Exception | None) -> None:
        if self._dead_letter is None:
            raise error or RuntimeError(f"{attempts} attempts on {notification!r} failed.")
        note = {
            "error_type": type(error).__name__ if error else "ProcessDied",
            "error_text": str(error) if error else "The process died during the last attempt.",
            "attempts": attempts,
        }
        self._dead_letter.put(notification, note)
        self._finish(notification.key)
        self.dead_letters += 1
        log.error(
            "Set %r aside as a dead letter after %d attempts: %s", notification, attempts, note["error_type"]
        )
