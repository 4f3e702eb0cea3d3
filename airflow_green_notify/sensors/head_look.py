"""One look of a worker at the head of a queue: judged, and what doesn't match set aside."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.drain import StopCondition, drain
from airflow_green_notify.drain.lease import ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.filters import Verdict, judge
from airflow_green_notify.hooks.queue_head import QueueHead
from airflow_green_notify.stoppable import run_async
from airflow_green_notify.stores import batch_id_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.contacts import Contacts
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink, NotificationStore

log = logging.getLogger(__name__)

MAX_SECONDS = 10.0
"""How long a look sets aside at most before it gives its worker slot back."""


class Seen(NamedTuple):
    """What is at the head after a look.

    :param match: The notification that was waited for.
    :param miss: One that doesn't match.
    :param more: Whether there may be a head that this look could not judge or set aside.
    """

    match: Notification | None = None
    miss: Notification | None = None
    more: bool = False


class HeadLook:
    """Looks at the head of a queue and judges it. A crash at any point loses nothing.

    :param matching: What is waited for.
    :param receive_timeout: Seconds the gateway may hold a receive open.
    :param contacts: Who is who.
    """

    def __init__(
        self, hook: GreenApiHook, matching: Matching, receive_timeout: float, contacts: Contacts
    ) -> None:
        self._hook = hook
        self._matching = matching
        self._contacts = contacts
        self._receive_timeout = receive_timeout
        self._queue = QueueHead(hook)
        self.other_reader = ""
        """Another task that reads the same queue into the same store, if there is one."""

    def see(self, looks: int = 1) -> Seen:
        """Return what is at the head, and leave it there.

        :param looks: How often to look before the queue counts as empty.
        """
        head = next(filter(None, (self._receive() for _ in range(looks))), None)
        if head is None:
            return Seen()
        return Seen(match=head) if self._is_match(head) else Seen(miss=head)

    def set_aside(
        self, miss: Notification, store: NotificationStore, seconds: float, context: Context
    ) -> Seen:
        """Put what doesn't match into a store and delete it, and return what is at the head then.

        What is newer than the beginning is left to the next look, so that steady traffic can't hold a worker
        for ever; everything is, while somebody else reads the queue into this store.

        :param store: Opened for the batch of the running task.
        :param seconds: How long at most.
        """
        lease = ReaderLease(store.leases, self._hook.config.queue, batch_id_of(context))
        if not lease.take():
            self.other_reader = lease.other_task()
            return Seen(miss=miss, more=True)
        self.other_reader = lease.other_task()
        with renewed(lease):
            adopt_forgotten(store, TaskOutcomes(context))
            return self._drain(miss, store, seconds, lease)

    def _drain(self, miss: Notification, sink: NotificationSink, seconds: float, lease: ReaderLease) -> Seen:
        log.info("Setting aside what doesn't match, for at most %.0f s, beginning with %r.", seconds, miss)
        report = drain(
            self._hook,
            sink,
            stop=StopCondition(max_seconds=seconds, empty_answers=1, until="start"),
            receive_timeout=self._receive_timeout,
            keep=self._is_match,
            lease=lease,
        )
        log.info("%s", report.sentence("Set aside"))
        if report.stopped_by == "empty":
            return Seen()
        seen = self.see()
        return seen._replace(more=seen.match is None)

    def _is_match(self, head: Notification) -> bool:
        verdict = judge(self._matching, head, self._contacts)
        if verdict is Verdict.ERROR:
            raise RuntimeError(
                f"The filter failed on {head!r}, see the log. An error is never a miss: the notification "
                "stays at the head of the queue."
            )
        return verdict is Verdict.MATCH

    def _receive(self) -> Notification | None:
        receive = partial(self._queue.receive_checked, self._receive_timeout)
        return run_async(self._hook, receive)  # given up when the task is told to stop
