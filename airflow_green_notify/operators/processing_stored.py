"""Work through what a store holds, in order within each chat, chats side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_green_notify.arguments import (
    Judge,
    choice_of,
    consumer_of,
    count_of,
    filter_argument,
    handler_in_chat_of,
    linger_of,
    matching_of,
    optional,
    positive_seconds_of,
    sql_store_of,
    start_of,
    store_of,
)
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.filters import NotificationFilter, Verdict, judge
from airflow_green_notify.lineage import Lineage, TellsLineage, stored
from airflow_green_notify.stores import batch_id_of, open_batch
from airflow_green_notify.stores.batch import reader_of
from airflow_green_notify.stores.names import task_of
from airflow_green_notify.stores.store import Store
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.consume.handlers import Handlers
    from airflow_green_notify.consume.replaying import Replays
    from airflow_green_notify.consume.report import WorkReport
    from airflow_green_notify.consume.terms import Terms
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore, SqlStore
    from airflow_green_notify.stores.sql.work import SqlWork


class GreenApiProcessStoredOperator(TellsLineage, GreenApiTask):
    """Calls a handler for each notification that a table holds: in order within a chat, chats side by side.

    A crash while handlers are at work leaves their notifications unhandled, and they are called again with
    them, by the retry or by another task of the consumer, once the leases of the dead one have run out
    (20 s): make the handler idempotent, for instance by ``notification.key``. A crash after a handler
    returned and before that was noted is such a crash, too; one after the note is none. Nothing is passed by.

    Within a chat one handler is at work at a time, whatever number of tasks and machines work as the same
    consumer, since each chat is leased, and a notification's handler has returned before the next one's is
    called. A process that stood still, or lost the database, for longer than its leases finds its chats in
    other hands when it wakes, calls no handler for them and notes nothing. But a handler that it had called
    by then goes on beside the one that the other worker called for the same notification.

    One chat's failure or slowness holds up that chat alone: it pauses after a failure (1, 3, 9 … 60 s) while
    others take its place. Attempts are noted before each call, and count over all tries and runs. What fails
    ``max_attempts`` times goes to the dead letters, and the chat goes on. Without ``dead_letter`` the chat
    stops there, others go on, and the task fails at the end without a retry; the next run tries again, with
    attempts counted anew. After 100 such chats nothing more is begun. In the handler ``AirflowFailException``
    ends the attempts at once, and ``AirflowSkipException`` counts as handled.

    What belongs to no chat, such as a change of the instance's state, is in order per instance. A person who
    appears under a phone number and under a LID has two chats. Dead letters that lie in the same table are
    handled only on their replay.

    What ``airflow green-api dead-letters STORE replay`` marked of this task's dead letters it handles anew by
    turns with the table's, under the same leases: within a chat in order, with attempts counted from 1, and
    ``context.history`` up to the message that was given up. A rate holds for all workers of the task, of
    which one replays at a time. Rows of the chat don't wait for a letter that pauses. For a rate, the task
    goes on until 60 seconds after its start; what is left waits for the next run. One that is handled is a
    dead letter no more, and one that fails again is a new one, which has the history of the old one. A crash
    leaves it marked: it is begun again, without another call of the handler if that had returned and it was
    noted.

    The task ends when nothing is left to do: chats that pause are waited for, and so are those that another
    worker has, for as long as the lease of a dead one would last. SIGTERM and ``execution_timeout`` end it
    within a second: async handlers are cancelled, which counts as an attempt; plain ones go on until the
    process ends, and what returned by then is noted.

    With ``outlets``, each asset event carries ``{"handled", "dead_letters", "replayed",
    "dead_letter_batch"}`` in its ``extra``; when nothing was handled there is no event.

    :param store: The :class:`~airflow_green_notify.stores.SqlStore` that a drain fills, on SQLite,
        PostgreSQL, MySQL or MariaDB.
    :param handler: A function, plain or async, called with each
        :class:`~airflow_green_notify.notification.Notification`; one that takes two arguments gets a
        :class:`~airflow_green_notify.consume.chat_context.ChatContext` as well: ``context.history(20)`` are
        the last messages of the chat, ``context.attempt`` the number of the attempt. Plain ones run in
        threads, async ones on one event loop, which they must not block.
    :param consumer: For whom: its name in the store, which keeps what is done. Each consumer sees
        everything, and one that reads in pages is another one.
    :param matching: What is meant: a :class:`~airflow_green_notify.filters.NotificationFilter`, its arguments
        as a dict, or a callable that gets the notification; by default everything. It is asked more than
        once, and has to answer alike. What it fails on is handled. The gateway is not asked who is who.
    :param max_parallel: Handlers that are at work at once, at most, in this task.
    :param order_by: ``"chat"``.
    :param max_attempts: Hard limit of attempts on one notification.
    :param dead_letter: The store for what the handler keeps failing on, with a note of why.
    :param handler_timeout: Seconds that a handler may take. An async one is cancelled then, and the attempt
        has failed. A plain one can't be ended: its chat, and one of the places of ``max_parallel``, wait for
        it; if it returns, that counts; if nothing else is left to do, the task fails, so that its process
        ends, and the attempt counts.
    :param start: Where a new consumer begins: at the ``"beginning"`` of the store, ``"now"``, or at what was
        received at a time (with a time zone) or later. For one that is known it has no effect.
    :param max_seconds: No handler begins later than this after the start.
    :param linger: Seconds after the start in which it is no end that nothing is left to do; the store is
        looked at each second. ``"forever"``: only ``max_seconds`` ends it, so set that.
    :return: ``{"handled", "dead_letters", "replayed", "dead_letter_batch", "chats", "taken_over", "lag",
        "stopped_by", "seconds"}``: counts; ``replayed`` are dead letters that were handled this time;
        ``taken_over`` are handlers that were at work when another worker took their
        chat over; ``lag`` are the notifications from the oldest on that isn't handled.
    :raises ValueError: An argument is wrong, such as a store of files, whose chats can't be leased.
    """

    template_fields: Sequence[str] = (
        "store",
        "consumer",
        "matching",
        "max_parallel",
        "order_by",
        "max_attempts",
        "dead_letter",
        "handler_timeout",
        "start",
        "max_seconds",
        "linger",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "store": "py",
        "matching": "json",
        "dead_letter": "py",
    }
    judges: ClassVar[Mapping[str, Judge]] = {
        "store": sql_store_of,
        "handler": handler_in_chat_of,
        "consumer": consumer_of,
        "matching": optional(matching_of),
        "max_parallel": count_of,
        "order_by": choice_of("chat"),
        "max_attempts": count_of,
        "dead_letter": optional(store_of),
        "handler_timeout": optional(positive_seconds_of),
        "start": start_of,
        "max_seconds": optional(positive_seconds_of),
        "linger": linger_of,
    }
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: SqlStore,
        handler: Callable[..., object],
        consumer: str,
        matching: Matching | Mapping[str, Any] | None = None,
        max_parallel: int | str = 8,
        order_by: Literal["chat"] | str = "chat",
        max_attempts: int | str = 3,
        dead_letter: NotificationStore | None = None,
        handler_timeout: float | timedelta | str | None = None,
        start: Literal["beginning", "now"] | datetime | str = "beginning",
        max_seconds: float | timedelta | str | None = None,
        linger: float | timedelta | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.handler = handler
        self.consumer = consumer
        self.matching = None if matching is None else filter_argument("matching", matching)
        self.max_parallel = max_parallel
        self.order_by = order_by
        self.max_attempts = max_attempts
        self.dead_letter = dead_letter
        self.handler_timeout = handler_timeout
        self.start = start
        self.max_seconds = max_seconds
        self.linger = linger
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        if known.get("linger") == math.inf and known.get("max_seconds", ...) is None:
            raise ValueError("linger is 'forever', so max_seconds must say when the task ends.")

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute, context))

    def _execute(self, context: Context) -> dict[str, Any]:
        given = self.judged_arguments()
        with fail_fast():
            report, batch = self._work_through(context, given)
        self._batch = batch
        self.log.info(report.sentence())
        counts = {name: getattr(report, name) for name in ("handled", "dead_letters", "replayed")}
        self.tell_outlets(context, counts | {"dead_letter_batch": batch} if any(counts.values()) else None)
        if complaint := report.complaint():
            raise (AirflowFailException if report.stopped else AirflowException)(complaint)
        return {**report.as_dict(), "dead_letter_batch": batch}

    def lineage(self) -> Lineage:
        return Lineage(stored(self.store), stored(self.dead_letter, self._batch))

    def _work_through(
        self, context: Context, given: SimpleNamespace
    ) -> tuple[WorkReport, dict[str, Any] | None]:
        from airflow_green_notify.consume.leases import SPAN
        from airflow_green_notify.consume.working import Working

        matching = given.matching or NotificationFilter()
        with closing(given.store.work(given.consumer, partial(_is_meant, matching), SPAN)) as work:
            work.begin(given.start)
            if given.dead_letter is None:
                working = Working(work, *self._how(context, given))
                working.run()
                return working.report, None
            with open_batch(given.dead_letter, context) as dead_letters:
                with self._replays(context, work, dead_letters) as replays:
                    working = Working(work, *self._how(context, given), dead_letters, replays)
                    working.run()
                return working.report, dead_letters.close()

    @staticmethod
    def _how(context: Context, given: SimpleNamespace) -> tuple[Handlers, Terms]:
        from airflow_green_notify.consume.handlers import handlers_of
        from airflow_green_notify.consume.terms import Terms

        names = ("max_parallel", "max_attempts", "max_seconds", "linger")
        terms = Terms(**{name: getattr(given, name) for name in names}, task=task_of(batch_id_of(context)))
        return handlers_of(given.handler, given.handler_timeout), terms

    @staticmethod
    def _replays(
        context: Context, work: SqlWork, store: NotificationStore
    ) -> AbstractContextManager[Replays | None]:
        """Return what is replayed; only a store of ours is asked for that."""
        from airflow_green_notify.consume.replaying import Replays

        if not isinstance(store, Store):
            return nullcontext()
        return Replays(work, store, task_of(batch_id_of(context)), reader_of(context))


def _is_meant(matching: Matching, notification: Notification) -> bool:
    """Judge a notification; an error is never a miss."""
    return judge(matching, notification) is not Verdict.MISS
