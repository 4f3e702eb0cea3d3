"""Drain the queue through a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_green_notify.arguments import Judge, choice_of, count_of, handler_of, optional, store_of
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.lineage import Lineage, stored
from airflow_green_notify.operators.handling import Handling
from airflow_green_notify.operators.reader import ReaderOperator
from airflow_green_notify.stores import batch_id_of, open_batch
from airflow_green_notify.stores.names import task_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore


class GreenApiProcessNotificationsOperator(ReaderOperator):
    """Calls a handler for each notification of the queue, and deletes each one after its handler returned.

    A crash while the handler runs leaves the notification in the queue, and the handler is called again with
    it: make it idempotent, for instance by ``notification.key``. A crash after it returned is recognised, and
    the notification is deleted without another call. One that fails ``max_attempts`` times, over all tries
    and runs, goes to the dead-letter store with the error, and the queue moves on.

    What ``airflow green-api dead-letters STORE replay`` marked of this task's dead letters it handles anew
    beside the queue, in order, with attempts counted from 1: by turns with what the queue brings, and for
    60 seconds after its start even if the queue is empty by then. What is left waits for the next run. One
    that is handled is a dead letter no more, and one that fails again is a new one, which has the history of
    the old one. A crash leaves it marked: the next run begins it again, without another call of the handler
    if the last one had returned.

    With ``outlets``, each asset event carries ``{"handled", "dead_letters", "replayed",
    "dead_letter_batch"}`` in its ``extra``; when nothing came there is no event.

    A handler may end the attempts on a notification itself. ``AirflowFailException``: trying again is in
    vain, so it is treated as if ``max_attempts`` were reached. ``AirflowSkipException``: there is nothing to
    do for this one, so it counts as handled and is deleted. ``execution_timeout`` and SIGTERM end the task
    within a second; a handler that hangs goes on until the process ends, but nothing is deleted any more.

    :param handler: Called with each :class:`~airflow_green_notify.notification.Notification`, in a thread of
        its own, one at a time.
    :param dead_letter: The store for what the handler keeps failing on; it also keeps the count of attempts,
        and the lease that lets one reader at a time into the queue. A dead letter lies there with the note of
        :func:`~airflow_green_notify.stores.dead_letter.note_of`, which tells reason, attempts and errors,
        apart from the same notification if a drain stored that; a table or folder of its own is best. With
        ``on_error="stop"`` it may be left out; then nothing keeps two runs from handling the same
        notification, so set ``max_active_runs=1``.
    :param max_attempts: Hard limit of attempts on one notification, over all tries and runs. Without a store
        in ``dead_letter`` nothing counts over tries: each retry of the task begins anew.
    :param on_error: After ``max_attempts``: ``"dead_letter"`` sets the notification aside. ``"stop"`` fails
        the task and leaves it at the head of the queue: without using the task's retries if there is a store
        that counts, and the next run, or the cleared task, counts anew.
    :param green_api_conn_id: The connection, of type ``greenapi``, or a list of them. Their handlers take
        turns in one thread, so a slow one holds up all.
    :param max_notifications: As in
        :class:`~airflow_green_notify.operators.draining.GreenApiDrainNotificationsOperator`, like all that
        follow.
    :return: ``{"handled", "dead_letters", "replayed", "dead_letter_batch", "report"}``, and ``"instances"``
        for a list. ``replayed`` counts the dead letters that were handled this time.
    :raises ValueError: An argument is wrong, such as a handler that is async, whose body would never run.
    """

    template_fields: Sequence[str] = (
        *ReaderOperator.template_fields,
        "dead_letter",
        "max_attempts",
        "on_error",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"dead_letter": "py"}
    judges: ClassVar[Mapping[str, Judge]] = {
        **ReaderOperator.judges,
        "handler": handler_of,
        "dead_letter": optional(store_of),
        "max_attempts": count_of,
        "on_error": choice_of("dead_letter", "stop"),
    }

    def __init__(
        self,
        *,
        handler: Callable[[Notification], object],
        dead_letter: NotificationStore | None = None,
        max_attempts: int | str = 3,
        on_error: Literal["dead_letter", "stop"] = "dead_letter",
        green_api_conn_id: str | Sequence[str] = GreenApiHook.default_conn_name,
        max_notifications: int | str | None = None,
        max_seconds: float | timedelta | str | None = None,
        empty_answers: int | str = 2,
        until: datetime | str | None = "start",
        receive_timeout: float | timedelta | str = 5,
        wait_for_reader: float | timedelta | str = 60,
        overlap: bool | str = True,
        skip_if_empty: bool | str = False,
        linger: float | timedelta | str = 0,
        on_instance_error: Literal["fail", "warn"] | str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            green_api_conn_id=green_api_conn_id,
            max_notifications=max_notifications,
            max_seconds=max_seconds,
            empty_answers=empty_answers,
            until=until,
            receive_timeout=receive_timeout,
            wait_for_reader=wait_for_reader,
            overlap=overlap,
            skip_if_empty=skip_if_empty,
            linger=linger,
            on_instance_error=on_instance_error,
            **kwargs,
        )
        self.handler = handler
        self.dead_letter = dead_letter
        self.max_attempts = max_attempts
        self.on_error = on_error
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        super().check_together(known)
        if known.get("on_error") == "dead_letter" and known.get("dead_letter", ...) is None:
            raise ValueError('dead_letter is None; it must be the store that on_error="dead_letter" needs.')

    def _execute(self, context: Context, given: SimpleNamespace) -> dict[str, Any]:
        reading = self._reading(context, given)
        with ExitStack() as stack:
            store = given.dead_letter and stack.enter_context(
                open_batch(given.dead_letter, context, reading.queue)
            )
            handling = Handling(given, store, task_of(batch_id_of(context)))
            with handling:
                report = reading.into_handlers(handling.sink_of, store, stack)
            self._batch = batch = store.close() if store else None
        result = {**handling.counts(), "dead_letter_batch": batch}
        came = any(handling.counts().values()) or (batch and batch["count"])
        self._end(context, report, given.skip_if_empty, result if came else None)
        return {**result, **reading.told(report)}

    def lineage(self) -> Lineage:
        return Lineage(self._queues(), stored(self.dead_letter, self._batch))
