"""Replays dead letters beside a worker's rows, each under the lease on its chat."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from airflow_green_notify.drain.lease import ASK_EVERY, ReaderLease, renewed
from airflow_green_notify.drain.pace import Pace
from airflow_green_notify.drain.replaying import AT_LEAST, FRESH, lease_name
from airflow_green_notify.stores.sql.intake import lane_of

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.dead_letters import Marked
    from airflow_green_notify.stores.sql.work import Claim, SqlWork
    from airflow_green_notify.stores.store import Store

log = logging.getLogger(__name__)


class Replays:
    """Claims the chats of what is marked for a task, as :class:`SqlWork` claims those of rows.

    Within a chat letters follow each other in the order of their marks, and what fails is tried again before
    the next one; the rows of the chat wait only while a handler is at work on a letter. One worker of a task
    at a time replays, so that its rate holds for all of them; another one goes on if that dies. Only the
    chat's lease decides who calls the handler.

    A crash at any point leaves a letter marked, and its replay is begun again: without another call of the
    handler if the last one had returned, and that was noted.

    :param store: Opened; where the task sets aside, and where attempts at letters are counted.
    :param task: Whose marks are meant.
    :param reader: What other workers are told of this one.
    """

    def __init__(self, work: SqlWork, store: Store, task: str, reader: str) -> None:
        self._work = work
        self._store = store
        self._task = task
        self._letters = store.dead_letters()
        self._lease = ReaderLease(store.leases, lease_name(task), reader)
        self._renewal = ExitStack()
        self._told = ""
        self._pace = Pace()
        self._began = time.monotonic()
        self._read_at = -math.inf
        self._is_left = False
        self._waiting: dict[str, list[Marked]] = {}
        """By chat, what was read and is not done."""
        self._paused: dict[str, float] = {}
        """By chat, until when it is left alone."""
        self.due_in = math.inf
        """Seconds until a rate allows what it didn't allow when :meth:`claim` was last asked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewal.close()
        self._letters.close()

    def take_in(self, limit: int) -> int:
        """Read the first ones that are marked, unless that was a moment ago; return how many that are."""
        if self._is_fresh():
            return 0
        self._read_at = time.monotonic()
        self._waiting = {}
        self._is_left = bool(self._letters.marked(self._task, 1))
        if self._is_left and not self._is_ours():
            self._read_at += ASK_EVERY - FRESH  # the other worker may have died
        elif self._is_left:
            for each in self._letters.marked(self._task, limit):
                self._waiting.setdefault(lane_of(each.letter.notification), []).append(each)
        return sum(map(len, self._waiting.values()))

    def claim(self, busy: Collection[str]) -> Claim | None:
        """Take the chat of the first letter that may be tried, and count an attempt at that.

        :param busy: Chats that are not to be taken.
        :return: ``None`` if there is none; with attempt 0 one that was finished before.
        """
        self.due_in = math.inf
        if self._is_fresh() and self._lease.is_valid():
            for chat, marked in self._waiting.items():
                if chat not in busy and self._is_due(chat, marked[0].rate):
                    claim = self._work.claim_for(marked[0].letter)
                    if claim is not None:
                        return self._attempt(claim, marked[0])
                    self._paused[chat] = time.monotonic() + ASK_EVERY
        return None

    def read(self, claim: Claim) -> Notification | None:
        """Return what was given up; ``None`` if there is nothing to do for it any more."""
        return claim.letter.notification if claim.letter and claim.attempt else None

    def hold(self, claim: Claim) -> bool:
        """Tell whether the chat is still this claim's, and keep it for another span if so."""
        return self._work.hold(claim)

    def finish(self, claim: Claim) -> bool:
        """Let the letter be none any more, and give the chat back.

        :return: ``False`` if the chat is another's by now, who may be at the letter.
        """
        letter = claim.letter
        if letter is None or not self._work.hold(claim):
            self._read_at = -math.inf
            return False
        self._store.finish(letter.key)
        self._letters.remove([letter])
        self._work.give_back(claim, 0.0)
        self._forget(claim.chat, letter.key)
        return True

    def give_back(self, claim: Claim, pause: float, attempts: int) -> None:
        """Let anybody take the chat, and try the letter again after so many seconds."""
        self._work.give_back(claim, 0.0)
        self._paused[claim.chat] = time.monotonic() + pause

    def is_worth_waiting(self, asked_at: float, until: float) -> bool:
        """Tell whether something may be left to do after a while, though nothing was when that was asked.

        :param until: Up to when, by ``time.monotonic()``, it is waited for what others have; for a rate it is
            waited for until :data:`AT_LEAST` seconds after the start.
        """
        if self.due_in < math.inf:
            until = max(until, self._began + AT_LEAST)
        return self._is_left and asked_at < until

    def _attempt(self, claim: Claim, marked: Marked) -> Claim:
        attempt = self._store.begin_attempt(marked.letter.key)
        if attempt:
            self._pace.note_call()
        return replace(claim, attempt=attempt)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH

    def _is_due(self, chat: str, rate: float | None) -> bool:
        if self._paused.get(chat, 0.0) > time.monotonic():
            return False
        seconds = self._pace.due_in(rate)
        if seconds:
            self.due_in = min(self.due_in, seconds)
        return not seconds

    def _is_ours(self) -> bool:
        """Take the lease without which nobody replays for this task, if it is free."""
        if not self._lease.is_valid():
            self._renewal.close()
            if not self._lease.take():
                if self._lease.holder != self._told:
                    self._told = self._lease.holder
                    log.info("The dead letters of %s are being replayed by %s.", self._task, self._told)
                return False
            self._renewal.enter_context(renewed(self._lease))
        return True

    def _forget(self, chat: str, key: str) -> None:
        """Let a letter be waited for no more; look for further ones if it was the last."""
        self._paused.pop(chat, None)
        letters = [each for each in self._waiting.get(chat, ()) if each.letter.key != key]
        if letters:
            self._waiting[chat] = letters
        else:
            self._waiting.pop(chat, None)
        if not self._waiting:
            self._read_at = -math.inf
