"""Repair a gap from the journals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_green_notify.arguments import Judge, count_of, names_of, receive_timeout_of, seconds_of, store_of
from airflow_green_notify.drain.lease import BACKFILL, ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.queue_head import EMPTY_ANSWERS, QueueHead
from airflow_green_notify.lineage import Lineage, Queue, TellsLineage, stored
from airflow_green_notify.message import message_of
from airflow_green_notify.protocol.journal import journal_notification
from airflow_green_notify.stoppable import check, run_async
from airflow_green_notify.stores import batch_id_of, open_batch
from airflow_green_notify.stores.held import JOURNAL
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore
    from airflow_green_notify.stores.notification_store import MessageLookup

JOURNALS = ("incoming", "outgoing")

OVERLAP = timedelta(minutes=2)
"""How late a message may be: in the journal after it happened, or in the queue behind a newer one."""

RETENTION = timedelta(hours=24)
"""What is older is in the queue no more."""

STATUS_LAG = timedelta(hours=24)
"""An outgoing message's timestamp in the journal is that of its last status, which may be a day after it."""


class GreenApiBackfillMessagesOperator(TellsLineage, GreenApiTask):
    """Stores the messages of a span that the store lacks, from the journals: for an outage of over 24 hours.

    A crash at any point leaves what was stored, and a retry adds the rest; repeated backfills, also at once,
    store no message twice. Nothing is deleted from the gateway.

    A message is recognised by instance and message id (beside WhatsApp by its chat too), whichever way it
    came first: the backfill leaves out what the queue brought, and a drain what a backfill brought. What
    seems to wait in the queue, as its head tells, is left to the next drain, since the queue brings it with
    more fields; so run this behind a drain into the same store. Meanwhile it holds the queue's lease, and
    drains into that store wait. Messages come from the journals with
    ``{"source": "journal"}`` in their note and the entry itself as ``journalEntry`` in their body, which is
    otherwise shaped as the queue would have brought it. The journals hold messages only: no calls, states or
    statuses, and only kinds of messages whose notifications are switched on.

    With ``outlets``, each asset event carries ``{"batch": …}``, the batch description, in its ``extra``; when
    nothing was stored there is no event.

    :param store: The store that the drain uses.
    :param minutes: How far to look back; 1440 is a day. Two more are added, since journals lag.
    :param journals: ``"incoming"``, ``"outgoing"`` or both.
    :param receive_timeout: Seconds the gateway may hold the look at the queue's head open, 5 to 60.
    :param wait_for_reader: Seconds to wait while somebody reads the queue into ``store``. Then the task
        fails, and a retry goes on.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: The batch description for :func:`~airflow_green_notify.stores.read_batch`, with ``"report"``:
        how many entries the journals had; how many were stored, held before, or wait in the queue; how many
        were ``adopted`` from runs of this task that failed for good.
    :raises ValueError: An argument is wrong, as far as no template hides it.

    .. seealso:: https://green-api.com/en/docs/api/journals/LastIncomingMessages/
        and https://green-api.com/en/docs/api/journals/LastOutgoingMessages/
    """

    template_fields: Sequence[str] = (
        "store",
        "minutes",
        "journals",
        "receive_timeout",
        "wait_for_reader",
        "green_api_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"store": "py"}
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "store": store_of,
        "minutes": count_of,
        "journals": names_of(*JOURNALS, at_least=1),
        "receive_timeout": receive_timeout_of,
        "wait_for_reader": seconds_of,
    }
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: NotificationStore,
        minutes: int | str = 1440,
        journals: Sequence[str] = JOURNALS,
        receive_timeout: float | timedelta | str = 5,
        wait_for_reader: float | timedelta | str = 60,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.minutes = minutes
        self.journals = journals
        self.receive_timeout = receive_timeout
        self.wait_for_reader = wait_for_reader
        self.green_api_conn_id = green_api_conn_id
        self.check_arguments()
        self.check_handed_on()

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute, context))

    def _execute(self, context: Context) -> dict[str, Any]:
        given = self.judged_arguments()
        with fail_fast(), ExitStack() as stack:
            hook = stack.enter_context(self.hook)
            queue = hook.config.queue
            self.log.info(
                "Looking through the journals of %r for the last %d minutes.",
                self.green_api_conn_id,
                given.minutes,
            )
            store = stack.enter_context(open_batch(given.store, context, f"{queue}{JOURNAL}"))
            lease = ReaderLease(store.leases, queue, f"{BACKFILL}{batch_id_of(context)}")
            _become_reader(lease, given.wait_for_reader, stack)
            adopted = adopt_forgotten(store, TaskOutcomes(context))
            waiting_since = _waiting_since(hook, given.receive_timeout)
            messages = _messages(hook, given.minutes, given.journals)
            report = _store(messages, store, waiting_since, lease, given.minutes) | {"adopted": adopted}
            self._batch = batch = store.close()
        self.log.info(
            "The journals hold %(entries)d messages: %(stored)d new in the store, %(held)d there already, "
            "%(waiting)d still wait in the queue; %(adopted)d taken over from earlier runs.",
            report,
        )
        self.tell_outlets(context, {"batch": batch} if batch["count"] else None)
        return {**batch, "report": report}

    def lineage(self) -> Lineage:
        return Lineage([Queue(self.hook)], stored(self.store, self._batch))


def _become_reader(lease: ReaderLease, seconds: float, stack: ExitStack) -> None:
    """Hold the queue's lease until the stack is left, so that no drain stores what is looked for."""
    if not lease.wait(seconds):
        raise NotificationStoreError(
            f"The queue is being read by {lease.holder}, and a backfill waits for its end. A retry goes "
            "on; to wait longer, set wait_for_reader."
        )
    stack.enter_context(renewed(lease))


def _waiting_since(hook: GreenApiHook, timeout: float) -> datetime:
    """Return from when on messages may still wait in the queue; one empty answer is not proof."""
    queue = QueueHead(hook)
    while True:
        head = run_async(hook, partial(queue.receive, timeout))
        now = hook.gateway_time() or datetime.now(UTC)
        if head is not None:
            return _came_at(head, now) - OVERLAP
        if queue.empty_answers >= EMPTY_ANSWERS:
            return now - OVERLAP


def _messages(hook: GreenApiHook, minutes: int, journals: Sequence[str]) -> list[Notification]:
    """Return what the journals hold, oldest first."""
    minutes += OVERLAP // timedelta(minutes=1)
    entries: list[Mapping[str, Any]] = []
    if "incoming" in journals:
        entries += hook.last_incoming_messages(minutes)
    if "outgoing" in journals:
        entries += hook.last_outgoing_messages(minutes)
    entries.sort(key=_timestamp)
    instance_data = _instance_data(hook)
    return [journal_notification(entry, instance_data) for entry in entries]


def _store(
    messages: Sequence[Notification],
    store: NotificationStore,
    waiting_since: datetime,
    lease: ReaderLease,
    minutes: int,
) -> dict[str, int]:
    """Store what the store lacks; tell what became of the entries."""
    past = [message for message in messages if not message.timestamp or message.timestamp < waiting_since]
    lacking = _lacking(past, store, minutes)
    stored = 0
    for message in lacking:
        check()
        if not lease.is_valid():
            raise NotificationStoreError(
                "The lease on the queue was lost, since this process stood still or the store was away. "
                "A drain may store by now what this backfill was about to; a retry goes on."
            )
        stored += store.put(message, {"source": "journal"})
    return {
        "entries": len(messages),
        "stored": stored,
        "held": len(past) - stored,
        "waiting": len(messages) - len(past),
    }


def _lacking(messages: Sequence[Notification], store: MessageLookup, minutes: int) -> list[Notification]:
    """Return the messages that the store doesn't hold.

    What came from the queue was received after it had entered the journal's span, whatever time it bears.
    """
    if not messages:
        return []
    held = store.held_messages(datetime.now(UTC) - timedelta(minutes=minutes) - STATUS_LAG)
    return [message for message in messages if message_of(message) not in held]


def _came_at(head: Notification, now: datetime) -> datetime:
    """Return when the head came, at the latest: now if its timestamp can't be when it came.

    A notification about a state may bear any time. If more is left to the queue than waits there, it is
    stored by no one; if less, the drain finds it stored.
    """
    timestamp = head.timestamp
    return timestamp if timestamp and now - RETENTION <= timestamp <= now else now


def _timestamp(entry: Mapping[str, Any]) -> float:
    value = entry.get("timestamp")
    return float(value) if isinstance(value, int | float) else 0.0


def _instance_data(hook: GreenApiHook) -> dict[str, Any]:
    """Return what the queue's notifications carry under that name."""
    settings = hook.get_settings()
    return {
        "idInstance": int(hook.config.id_instance),
        "wid": settings.get("wid", ""),
        "typeInstance": settings.get("typeInstance", "whatsapp"),
    }
