"""A handler as a sink: what it did is what counts as durable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_green_notify import metrics
from airflow_green_notify.drain.doubt import pause_after
from airflow_green_notify.stoppable import check
from airflow_green_notify.stores.dead_letter import DeadLetter, Failure, dead_letter, note_of
from airflow_green_notify.stores.notification_store import AttemptLedger, NoteSink

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)


class DeadLetterStore(NoteSink, AttemptLedger, Protocol):
    """Keeps what is given up, with a note of why, and the count of attempts that led there."""


@dataclass
class Case:
    """A notification, and what came of the attempts at it in this process.

    :param key: Under which its attempts are counted.
    :param letter: The dead letter that it is, if this is a replay.
    """

    notification: Notification
    key: str
    letter: DeadLetter | None = None
    attempt: int = 0
    error: Exception | None = None
    first: Failure | None = None
    last: Failure | None = None

    @classmethod
    def of(cls, letter: DeadLetter) -> Case:
        """Return the case that a dead letter is anew: its attempts are counted apart from the former ones."""
        return cls(letter.notification, letter.key, letter)

    def note(self, error: Exception) -> None:
        """Note that an attempt failed."""
        self.error = error
        self.last = Failure.of(error, self.attempt)
        self.first = self.first or self.last


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
        case = Case(notification, notification.key)
        while (handled := self.attempt(case)) is None:
            time.sleep(pause_after(case.attempt + 1))
        self._last_handled = notification.key
        return handled

    def attempt(self, case: Case) -> bool | None:
        """Make the next attempt at a notification, and give it up if that was the last one.

        :return: ``None`` if another attempt is to follow, after a pause; ``False`` if it was handled before.
        """
        check()
        number = self._begin_attempt(case)
        if number == 0:
            return False
        if number > self._max_attempts:
            self._give_up(case, number - 1)
            return True
        case.attempt = number
        error = self._call(case)
        if error is None:
            self._finish(case.key)
            self.handled += 1
            return True
        case.note(error)
        if number < self._max_attempts and not isinstance(error, AirflowFailException):
            return None
        self._give_up(case, number)
        return True

    def _call(self, case: Case) -> Exception | None:
        """Call the handler, and return what it raised."""
        if self._lease is not None:
            self._lease.check()  # behind the note, which may have taken long: nothing lies between now
        check()
        try:
            self._handler(case.notification)
        except AirflowSkipException as skipped:
            log.info("The handler skipped %r: %s", case.notification, skipped)
        except Exception as error:
            numbers = (case.attempt, self._max_attempts)
            log.warning("Attempt %d of %d on %r failed.", *numbers, case.notification, exc_info=True)
            return error
        return None

    def _begin_attempt(self, case: Case) -> int:
        return self._store.begin_attempt(case.key) if self._store else case.attempt + 1

    def _finish(self, key: str) -> None:
        if self._store:
            self._store.finish(key)

    def _give_up(self, case: Case, attempts: int) -> None:
        if self._lease is not None:
            self._lease.check()  # another reader may be at it by now, and handle it
        notification, error = case.notification, case.error
        if self._store is None:
            raise error or RuntimeError(f"{attempts} attempts on {notification!r} failed.")
        if self._sets_aside:
            self._set_aside(case, attempts, self._store)
            return
        self._store.forget_attempts(case.key)
        if isinstance(error, AirflowFailException):
            raise error
        reason = f": {type(error).__name__}: {error}" if error else "; the process died during the last one"
        raise AirflowFailException(
            f"{attempts} attempts on {notification!r} failed{reason}. It stays at the head of the queue: "
            "fix the handler, then clear this task or start the next run."
        ) from error

    def _set_aside(self, case: Case, attempts: int, store: DeadLetterStore) -> None:
        last = case.last or Failure.of(None, attempts)
        former = case.letter.note if case.letter else None
        note = note_of(case.first or last, last, task=self._task, former=former)
        store.put(*dead_letter(case.notification, note))
        self._finish(case.key)
        self.dead_letters += 1
        metrics.count(metrics.DEAD_LETTERS, instance=case.notification.instance_id)
        log.error(
            "Set %r aside as a dead letter after %d attempts: %s",
            case.notification,
            note["attempts"],
            last.error_type,
        )
