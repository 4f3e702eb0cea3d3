"""Drain the queue into a store, or through a handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import BaseOperator

from airflow_green_notify.drain import DrainReport, StopCondition, drain
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.handling import NotificationHandler
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stores import open_batch

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.drain.routing import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore


class _DrainingOperator(BaseOperator):
    """When to stop, and how to receive: what draining operators have in common."""

    template_fields: Sequence[str] = (
        "green_api_conn_id",
        "max_notifications",
        "max_seconds",
        "until",
        "receive_timeout",
    )

    def __init__(
        self,
        *,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        max_notifications: int | str | None = None,
        max_seconds: float | str | None = None,
        empty_answers: int = 2,
        until: datetime | str | None = "start",
        receive_timeout: float | str = 5,
        overlap: bool = True,
        skip_if_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.max_notifications = max_notifications
        self.max_seconds = max_seconds
        self.empty_answers = empty_answers
        self.until = until
        self.receive_timeout = receive_timeout
        self.overlap = overlap
        self.skip_if_empty = skip_if_empty

    def _drain(self, store: Any, **options: Any) -> DrainReport:
        try:
            stop = StopCondition(
                max_notifications=None if self.max_notifications is None else int(self.max_notifications),
                max_seconds=None if self.max_seconds is None else float(self.max_seconds),
                empty_answers=self.empty_answers,
                until=_timestamp(self.until),
            )
            receive_timeout = float(self.receive_timeout)
        except ValueError as error:
            raise AirflowFailException(str(error)) from error
        report = drain(
            GreenApiHook(self.green_api_conn_id),
            store,
            stop=stop,
            receive_timeout=receive_timeout,
            overlap=self.overlap,
            **options,
        )
        self.log.info("Drained: %s", report.as_dict())
        return report

    def _skip_if(self, nothing_came: bool) -> None:
        if nothing_came and self.skip_if_empty:
            raise AirflowSkipException("The queue was empty.")


class GreenApiDrainNotificationsOperator(_DrainingOperator):
    """Drains the queue into a store: receives, stores durably, and only then deletes, one by one.

    A crash at any point loses nothing and doubles nothing: what was not stored is still in the queue; what
    was stored and not yet deleted comes again and is recognised by its key. A retry continues the batch of
    the try before it, so what the first try stored is in what the second returns.

    :param store: Where notifications become durable, such as
        ``SqlStore("warehouse")`` or ``ObjectStorageStore("s3://bucket/green-api")``.
    :param accept: What goes into ``store``, a :class:`~airflow_green_notify.filters.NotificationFilter` or a
        callable; everything else goes into ``unmatched``. What it fails on goes into ``store``.
    :param unmatched: The store for everything else; required with ``accept``.
    :param green_api_conn_id: The connection, of type ``green_api``.
    :param max_notifications: Hard limit of notifications.
    :param max_seconds: No receive begins later than this after the start.
    :param empty_answers: The queue counts as empty after so many empty answers in a row.
    :param until: Stop at the first notification that is newer than this timestamp (with a time zone), and
        leave it for the next run; by default newer than the start of this try, so that steady traffic can't
        hold the task for ever. ``None`` drains until the queue is empty.
    :param receive_timeout: Seconds the gateway may hold a receive open, 5 to 60.
    :param overlap: Whether to receive the next notification while the last is being deleted.
    :param skip_if_empty: Skip this task, and what is behind it, if the batch is empty.
    :return: The batch description for :func:`~airflow_green_notify.stores.read_batch`, with ``"report"``
        (and ``"unmatched"``, the description of the other store's batch).
    """

    template_fields: Sequence[str] = (*_DrainingOperator.template_fields, "store", "accept", "unmatched")
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: NotificationStore,
        accept: Matching | None = None,
        unmatched: NotificationStore | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (accept is None) != (unmatched is None):
            raise ValueError("accept= and unmatched= go together: name a store for what is not accepted.")
        self.store = store
        self.accept = accept
        self.unmatched = unmatched

    def execute(self, context: Context) -> dict[str, Any]:
        with fail_fast(), ExitStack() as stores:
            store = stores.enter_context(open_batch(self.store, context))
            unmatched = self.unmatched and stores.enter_context(open_batch(self.unmatched, context))
            report = self._drain(store, accept=self.accept, unmatched=unmatched)
            batch = store.close()
            if unmatched:
                batch["unmatched"] = unmatched.close()
        self._skip_if(batch["count"] == 0)
        return {**batch, "report": report.as_dict()}


class GreenApiProcessNotificationsOperator(_DrainingOperator):
    """Calls a handler for each notification of the queue, and deletes each one after its handler returned.

    A crash while the handler runs leaves the notification in the queue, and the handler is called again with
    it: make it idempotent, for instance by ``notification.key``. A crash after it returned is recognised, and
    the notification is deleted without another call. One that fails ``max_attempts`` times, over all tries
    and runs, goes to the dead-letter store with the error, and the queue moves on.

    :param handler: Called with each :class:`~airflow_green_notify.notification.Notification`, in a thread of
        its own, one at a time.
    :param dead_letter: The store for what the handler keeps failing on; it also keeps the count of attempts.
    :param max_attempts: Hard limit of attempts on one notification.
    :param on_error: After ``max_attempts``: ``"dead_letter"`` sets the notification aside, ``"stop"`` fails
        the task and leaves it at the head of the queue.
    :param green_api_conn_id: The connection, of type ``green_api``.
    :param max_notifications: As in :class:`GreenApiDrainNotificationsOperator`, like all that follow.
    :return: ``{"handled", "dead_letters", "dead_letter_batch", "report"}``.
    """

    template_fields: Sequence[str] = (*_DrainingOperator.template_fields, "dead_letter", "max_attempts")
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        handler: Callable[[Notification], object],
        dead_letter: NotificationStore | None = None,
        max_attempts: int | str = 3,
        on_error: Literal["dead_letter", "stop"] = "dead_letter",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_error not in ("dead_letter", "stop"):
            raise ValueError(f"on_error is {on_error!r}; it must be 'dead_letter' or 'stop'.")
        if (on_error == "dead_letter") != (dead_letter is not None):
            raise ValueError(
                'dead_letter= names the store for on_error="dead_letter"; with "stop" leave it out.'
            )
        self.handler = handler
        self.dead_letter = dead_letter
        self.max_attempts = max_attempts
        self.on_error = on_error

    def execute(self, context: Context) -> dict[str, Any]:
        with fail_fast(), ExitStack() as stores:
            dead_letter = self.dead_letter and stores.enter_context(open_batch(self.dead_letter, context))
            handling = NotificationHandler(self.handler, int(self.max_attempts), dead_letter)
            # In a thread of its own a handler may run an event loop.
            report = self._drain(handling, store_in_thread=True)
            batch = dead_letter.close() if dead_letter else None
        self._skip_if(handling.handled + handling.dead_letters == 0)
        return {
            "handled": handling.handled,
            "dead_letters": handling.dead_letters,
            "dead_letter_batch": batch,
            "report": report.as_dict(),
        }


def _timestamp(until: datetime | str | None) -> datetime | None:
    if until == "start":
        return datetime.now(UTC)
    if until in (None, "", "None"):
        return None
    return until if isinstance(until, datetime) else datetime.fromisoformat(str(until))
