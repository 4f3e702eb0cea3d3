"""A handler as a sink: what it did is what counts as durable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_green_notify.drain.doubt import pause_after
from airflow_green_notify.stoppable import check
from airflow_green_notify.stores.dead_letter import Failure, dead_letter, note_of
from airflow_green_notify.stores.notification_store import AttemptLedger, NoteSink

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)


class DeadLetterStore(NoteSink, AttemptLedger, Protocol):
    """Keeps what is given up, with a note of why, and the count of attempts that led there."""


class NotificationHandler:
    """Calls a handler for each notification, a bounded number of times, and gives up what it fails on.

    Each attempt is noted durably *before* the handler runs, so that one which takes the whole process down
    counts too, and that it returned is noted before the notification is deleted.

    What is given up goes to the dead letters, or stops the drain and stays in the queue. Then its attempts
    are counted anew: whoever starts the next run has fixed something.

    :param handler: Called with the notification. It may raise: ``AirflowFailException`` ends the attempts on
        this notification at once, ``AirflowSkipException`` counts it as handled.
    :param max_attempts: Hard limit of attempts on one key, over all tries and runs. Without a store, over
        this one.
    :param store: Opened; keeps the note of attempts, and the dead letters.
    :param lease: The lease on the queue, checked before each attempt: another reader may handle it by now.
    :param sets_aside: Whether what is given up goes to the dead letters.
    :param task: What dead letters tell of who gave them up, ``dag_id/task_id``.
    """

    def __init__(
        self,
        handler: Callable[[Notification], object],
        max_attempts: int,
        store: DeadLetterStore | None,
        lease: ReaderLease | None = None,
        *,
        sets_aside: bool = True,
        task: str = "",
    ) -> None:
        self._lease = lease
        self._handler = handler
        self._max_attempts = max_attempts
        self._store = store
        self._sets_aside = sets_aside
        self._task = task
        self._last_handled = ""
        self.handled = 0
        self.dead_letters = 0

    def __repr__(self) -> str:
        return "the handler"  # what it holds is nobody's business

    def put(self, notification: Notification) -> bool:
        """Handle the notification, or give it up.

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
        first: Failure | None = None
        while not isinstance(error, AirflowFailException):
            check()
            attempt = self._begin_attempt(notification.key, attempt)
            if attempt == 0:
                return False
            if attempt > self._max_attempts:
                attempt -= 1
                break
            error = self._attempt(notification, attempt)
            if error is None:
                self._finish(notification.key)
                self.handled += 1
                return True
            first = first or Failure.of(error, attempt)
        self._give_up(notification, first, attempt, error)
        return True

    def _attempt(self, notification: Notification, attempt: int) -> Exception | None:
        """Call the handler, and return what it raised."""
        if self._lease is not None:
            self._lease.check()  # behind the note, which may have taken long: nothing lies between now
        check()
        try:
            self._handler(notification)
        except AirflowSkipException as skipped:
            log.info("The handler skipped %r: %s", notification, skipped)
        except Exception as error:
            log.warning(
                "Attempt %d of %d on %r failed.", attempt, self._max_attempts, notification, exc_info=True
            )
            if attempt < self._max_attempts and not isinstance(error, AirflowFailException):
                time.sleep(pause_after(attempt + 1))
            return error
        return None

    def _begin_attempt(self, key: str, last_attempt: int) -> int:
        return self._store.begin_attempt(key) if self._store else last_attempt + 1

    def _finish(self, key: str) -> None:
        if self._store:
            self._store.finish(key)

    def _give_up(
        self, notification: Notification, first: Failure | None, attempts: int, error: Exception | None
    ) -> None:
        if self._store is None:
            raise error or RuntimeError(f"{attempts} attempts on {notification!r} failed.")
        if self._sets_aside:
            last = Failure.of(error, attempts)
            self._set_aside(notification, first or last, last, self._store)
            return
        self._store.forget_attempts(notification.key)
        if isinstance(error, AirflowFailException):
            raise error
        reason = f": {type(error).__name__}: {error}" if error else "; the process died during the last one"
        raise AirflowFailException(
            f"{attempts} attempts on {notification!r} failed{reason}. It stays at the head of the queue: "
            "fix the handler, then clear this task or start the next run."
        ) from error

    def _set_aside(
        self, notification: Notification, first: Failure, last: Failure, store: DeadLetterStore
    ) -> None:
        store.put(*dead_letter(notification, note_of(first, last, task=self._task)))
        self._finish(notification.key)
        self.dead_letters += 1
        log.error(
            "Set %r aside as a dead letter after %d attempts: %s", notification, last.attempt, last.error_type
        )
