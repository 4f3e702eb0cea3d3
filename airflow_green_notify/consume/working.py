"""Works through a store: in order within each chat, chats side by side."""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from contextlib import suppress
from functools import partial
from queue import Empty
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_green_notify import metrics
from airflow_green_notify.consume import leases
from airflow_green_notify.consume.chat_context import ChatContext
from airflow_green_notify.consume.handlers import Call, NotCalled
from airflow_green_notify.consume.report import Stopped, WorkReport
from airflow_green_notify.consume.terms import Terms, pause_after
from airflow_green_notify.progress import Progress, span
from airflow_green_notify.stoppable import ToldToStop, check
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.stores.dead_letter import Failure, dead_letter, note_of

if TYPE_CHECKING:
    from airflow_green_notify.consume.handlers import Handlers
    from airflow_green_notify.consume.replaying import Replays
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.notification_store import NoteSink
    from airflow_green_notify.stores.sql.work import Claim, SqlWork

log = logging.getLogger(__name__)

PAGE = 1000
"""Rows that are taken in at a time."""

ASK_EVERY = 1.0
"""Seconds between two looks for something to do."""

MAX_STOPPED = 100
"""Chats that may stop at what their handler fails on; then the handler is broken, rather than a message."""


class Working:
    """Hands what is next in each chat to the handlers, and notes what became of it.

    One thread claims, reads and notes; handlers run beside it. Each attempt is noted durably before the
    handler is called, with the claim, and that it returned is noted before the chat's next one is claimed.

    :param dead_letters: Where what is given up goes. Without it a chat stops at that, and is kept until the
        end, so that nobody else tries it meanwhile.
    :param replays: What of the dead letters is handled anew, by turns with the rows.
    """

    def __init__(
        self,
        work: SqlWork,
        handlers: Handlers,
        terms: Terms,
        dead_letters: NoteSink | None = None,
        replays: Replays | None = None,
    ) -> None:
        self._work = work
        self._replays = replays
        self._turns: list[SqlWork | Replays] = [work, replays] if replays else [work]
        """Where to claim next, in this order."""
        self._handlers = handlers
        self._terms = terms
        self._dead_letters = dead_letters
        self._calls: dict[str, Call] = {}
        """By chat, those that are at work."""
        self._stopped: list[Stopped] = []
        self._held: dict[str, str] = {}
        """The chat of each owner whose lease is to be renewed."""
        self._firsts: dict[str, Failure] = {}
        """By key, the first failure of what is to be tried again."""
        self._chats: set[str] = set()
        self._began = time.monotonic()
        self._is_cancelled = False
        self._worth_waiting_until = 0.0
        self._wait_for(leases.SPAN)
        self.report = WorkReport()

    def run(self) -> None:
        """Work until nothing is left, or it is over for another reason, and fill the report.

        :raises ToldToStop: The task was told to stop. Handlers that can't be cancelled were waited for.
        :raises NotificationStoreError: The database was away for too long.
        """
        progress = Progress()
        with leases.renewed(self._work.renew, self._held):
            try:
                while self._goes_on():
                    self._note_ended(min(ASK_EVERY, self._replays.due_in if self._replays else ASK_EVERY))
                    if progress.is_due():
                        log.info(
                            "So far, after %s: %d handled.", span(progress.seconds()), self.report.handled
                        )
                        self._send_lag()
            except ToldToStop:
                self._is_cancelled = True
                self._handlers.cancel()
                while self._calls:
                    self._note_ended(ASK_EVERY)
                raise
            finally:
                self._handlers.close()
            self._end()

    # --- what is next ---

    def _goes_on(self) -> bool:
        """Begin what can be begun, and tell whether there is anything to wait for."""
        check()
        asked_at = time.monotonic()
        while not (closing := self._is_closing()) and len(self._calls) < self._terms.max_parallel:
            if not self._begin_next():
                break
            check()
            self._note_ended(0.0)
            asked_at = time.monotonic()
        if any(not self._hangs(call) for call in self._calls.values()):
            return True
        may_begin = not closing and len(self._calls) < self._terms.max_parallel
        return may_begin and self._is_worth_waiting(asked_at)

    def _is_closing(self) -> bool:
        """Tell whether nothing is to begin any more, and note why."""
        limit = self._terms.max_seconds
        if limit is not None and time.monotonic() - self._began >= limit:
            self.report.stopped_by = "max_seconds"
        elif len(self._stopped) >= MAX_STOPPED:
            self.report.stopped_by = "failures"
        return self.report.stopped_by != "nothing_left"

    def _is_worth_waiting(self, asked_at: float) -> bool:
        """Tell whether something may be left to do after a while, though nothing was when that was asked.

        A chat that pauses is waited for. So is one that another worker has, as long as its lease would last
        if that worker were dead.
        """
        if asked_at - self._began < self._terms.linger:
            return True
        if self._replays and self._replays.is_worth_waiting(asked_at, self._worth_waiting_until):
            return True
        is_in_time = asked_at < self._worth_waiting_until
        return is_in_time and leases.patiently(lambda: self._work.is_left(self._busy()))

    def _begin_next(self) -> bool:
        """Claim a chat and call the handler with what is next in it; ``False`` if there is none."""
        turns = self._turns
        self._turns = turns[::-1]
        return any(self._begin_next_of(source) for source in turns)

    def _begin_next_of(self, source: SqlWork | Replays) -> bool:
        asked = Stopwatch()
        claim = leases.patiently(lambda: source.claim(self._busy()))
        if claim is None:
            return leases.patiently(lambda: source.take_in(PAGE)) > 0
        self._held[claim.owner] = claim.chat
        self._wait_for(leases.SPAN)
        notification = leases.patiently(lambda: source.read(claim))
        if notification is None:
            self._finish(claim, None)
        elif claim.attempt > self._terms.max_attempts:
            self._give_up(claim, notification, Failure.of(None, claim.attempt - 1), None)
        else:
            is_own = partial(_is_within, asked, leases.SPAN - leases.MARGIN)
            self._calls[claim.chat] = call = Call(claim, notification, is_own)
            self._handlers.begin(call, ChatContext(claim.attempt, partial(self._work.history, claim)))
        return True

    def _source_of(self, claim: Claim) -> SqlWork | Replays:
        return self._replays if self._replays and claim.letter else self._work

    def _busy(self) -> list[str]:
        """Return the chats that are not to be claimed, lost leases of calls that are at work included."""
        return [*self._calls, *(each.claim.chat for each in self._stopped)]

    def _hangs(self, call: Call) -> bool:
        hangs = self._handlers.hangs(call)
        if hangs and not call.is_told:
            call.is_told = True
            log.warning(
                "The handler has been at work on %r for %s, longer than handler_timeout, and can't be ended. "
                "Its chat waits for it, and it takes one of the places of max_parallel.",
                call.notification,
                span(call.seconds()),
            )
        return hangs

    # --- what became of it ---

    def _note_ended(self, seconds: float) -> None:
        """Wait so long for a call to end, and note what became of it and of others that ended."""
        with suppress(Empty):
            while True:
                call, error = self._handlers.ended.get(block=seconds > 0, timeout=seconds or None)
                seconds = 0.0
                try:
                    self._note(call, error)
                finally:
                    self._calls.pop(call.claim.chat, None)

    def _note(self, call: Call, error: BaseException | None) -> None:
        claim, notification = call.claim, call.notification
        if isinstance(error, AirflowSkipException):
            log.info("The handler skipped %r: %s", notification, error)
            error = None
        if error is None:
            is_noted = self._finish(claim, notification)
            self.report.replayed += is_noted and claim.letter is not None
            self.report.handled += is_noted and claim.letter is None
            return
        if isinstance(error, NotCalled):
            self._give_back(claim, 0.0, claim.attempt - 1)
            return
        if self._is_cancelled and isinstance(error, CancelledError):
            self._give_back(claim, 0.0, claim.attempt)
            return
        failure = Failure.of(error, claim.attempt)
        log.warning(
            "Attempt %d of %d on %r failed.",
            claim.attempt,
            self._terms.max_attempts,
            notification,
            exc_info=error,
        )
        if claim.attempt >= self._terms.max_attempts or isinstance(error, AirflowFailException):
            self._give_up(claim, notification, failure, error)
            return
        self._firsts.setdefault(notification.key, failure)
        self._give_back(claim, pause_after(claim.attempt), claim.attempt)

    def _finish(self, claim: Claim, notification: Notification | None) -> bool:
        """Let the chat go on; ``False`` if another worker has it."""
        is_own = leases.patiently(lambda: self._source_of(claim).finish(claim))
        self._leave(claim, notification, is_own)
        return is_own

    def _leave(self, claim: Claim, notification: Notification | None, is_own: bool) -> None:
        self._held.pop(claim.owner, None)
        self._wait_for(leases.SPAN)
        if notification is not None:
            self._firsts.pop(notification.key, None)
            self._chats.add(claim.chat)
        if not is_own:
            self.report.taken_over += 1
            log.warning(
                "Another worker took the chat of %r over while its handler was at work, and handles it "
                "again, since this process stood still or the database was away.",
                notification,
            )

    def _give_back(self, claim: Claim, pause: float, attempts: int) -> None:
        leases.patiently(lambda: self._source_of(claim).give_back(claim, pause, attempts))
        self._held.pop(claim.owner, None)
        self._wait_for(max(pause, leases.SPAN))

    def _give_up(
        self, claim: Claim, notification: Notification, last: Failure, error: BaseException | None
    ) -> None:
        if not leases.patiently(lambda: self._source_of(claim).hold(claim)):
            self._leave(claim, notification, is_own=False)
            return
        if leases.patiently(lambda: self._source_of(claim).read(claim)) is None:
            self._finish(claim, notification)  # it was erased: a dead letter would bring it back
            return
        if self._dead_letters is None:
            leases.patiently(lambda: self._work.forget_attempts(claim))
            self._stopped.append(Stopped(claim, notification, last))
            log.error("Gave up %r after %d attempts; its chat stops there.", notification, last.attempt)
            return
        sink = self._dead_letters
        former = claim.letter.note if claim.letter else None
        first = self._firsts.get(notification.key, last)
        note = note_of(first, last, task=self._terms.task, former=former)
        leases.patiently(lambda: sink.put(*dead_letter(notification, note)))
        if self._finish(claim, notification):
            self.report.dead_letters += 1
            metrics.count(metrics.DEAD_LETTERS, instance=notification.instance_id)
            log.error(
                "Set %r aside as a dead letter after %d attempts: %s",
                notification,
                note["attempts"],
                last.error_type,
            )

    def _end(self) -> None:
        """Give back the chats that stopped, and fill the report; what hangs is left to run out."""
        for each in self._stopped:
            self._give_back(each.claim, 0.0, 0)
        self.report.seconds = time.monotonic() - self._began
        self.report.chats = len(self._chats)
        self.report.stopped = self._stopped
        self.report.hanging = [call.notification for call in self._calls.values()]
        self.report.lag = self._send_lag()

    def _send_lag(self) -> int:
        lag = leases.patiently(self._work.lag)
        metrics.gauge(metrics.CONSUMER_LAG, lag, consumer=self._work.consumer)
        return lag

    def _wait_for(self, seconds: float) -> None:
        """Let it be worth waiting for so long, and a look more, from now on."""
        until = time.monotonic() + seconds + ASK_EVERY
        self._worth_waiting_until = max(self._worth_waiting_until, until)


def _is_within(watch: Stopwatch, seconds: float) -> bool:
    return watch.seconds() < seconds
