"""Repair a gap from the journals."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_green_notify.deletion import EMPTY_ANSWERS
from airflow_green_notify.drain.lease import BACKFILL, ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.drain.task_outcome import TaskOutcomes
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.journal import journal_notification
from airflow_green_notify.stoppable import StopsWhenTold, check, run_async
from airflow_green_notify.stores import batch_id_of, open_batch
from airflow_green_notify.stores.held import JOURNAL, message_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore

JOURNALS = ("incoming", "outgoing")

OVERLAP = timedelta(minutes=2)
"""How late a message may be: in the journal after it happened, or in the queue behind a newer one."""

RETENTION = timedelta(hours=24)
"""What is older is in the queue no more."""

STATUS_LAG = timedelta(hours=24)
"""An outgoing message's timestamp in the journal is that of its last status, which may be a day after it."""


class GreenApiBackfillMessagesOperator(StopsWhenTold, BaseOperator):
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

    :param store: The store that the drain uses.
    :param minutes: How far to look back; 1440 is a day. Two more are added, since journals lag.
    :param journals: ``"incoming"``, ``"outgoing"`` or both.
    :param receive_timeout: Seconds the gateway may hold the look at the queue's head open, 5 to 60.
    :param wait_for_reader: Seconds to wait while somebody reads the queue into ``store``. Then the task
        fails, and a retry goes on.
    :param green_api_conn_id: The connection, of type ``green_api``.
    :return: The batch description for :func:`~airflow_green_notify.stores.read_batch`, with ``"report"``:
        how many entries the journals had; how many were stored, held before, or wait in the queue; how many
        were ``adopted`` from runs of this task that failed for good.

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
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: NotificationStore,
        minutes: int | str = 1440,
        journals: Sequence[str] = JOURNALS,
        receive_timeout: float | str = 5,
        wait_for_reader: float | str = 60,
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

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute, context))

    def _execute(self, context: Context) -> dict[str, Any]:
        with fail_fast(), ExitStack() as stack:
            hook = stack.enter_context(GreenApiHook(self.green_api_conn_id))
            queue = hook.config.queue
            store = stack.enter_context(open_batch(self.store, context, f"{queue}{JOURNAL}"))
            lease = ReaderLease(store.leases, queue, f"{BACKFILL}{batch_id_of(context)}")
            self._become_reader(lease, stack)
            adopted = adopt_forgotten(store, TaskOutcomes(context))
            waiting_since = self._waiting_since(hook)
            report = self._store(self._messages(hook), store, waiting_since, lease) | {"adopted": adopted}
            batch = store.close()
        self.log.info("From the journals: %s", report)
        return {**batch, "report": report}

    def _become_reader(self, lease: ReaderLease, stack: ExitStack) -> None:
        """Hold the queue's lease until the stack is left, so that no drain stores what is looked for."""
        if not lease.wait(float(self.wait_for_reader)):
            raise NotificationStoreError(
                f"The queue is being read by {lease.holder}, and a backfill waits for its end. A retry goes "
                "on; to wait longer, set wait_for_reader."
            )
        stack.enter_context(renewed(lease))

    def _waiting_since(self, hook: GreenApiHook) -> datetime:
        """Return from when on messages may still wait in the queue; one empty answer is not proof."""
        timeout = float(self.receive_timeout)
        for _ in range(EMPTY_ANSWERS):
            head = run_async(hook, partial(hook.areceive_notification, timeout))
            now = hook.gateway_time() or datetime.now(UTC)
            if head is not None:
                return _came_at(head, now) - OVERLAP
            time.sleep(min(1.0, timeout))
        return now - OVERLAP

    def _messages(self, hook: GreenApiHook) -> list[Notification]:
        """Return what the journals hold, oldest first."""
        unknown = {*self.journals} - {*JOURNALS}
        if unknown:
            raise GreenApiConfigError(f"journals must be of {JOURNALS}, not {', '.join(sorted(unknown))}.")
        minutes = int(self.minutes) + OVERLAP // timedelta(minutes=1)
        entries: list[Mapping[str, Any]] = []
        if "incoming" in self.journals:
            entries += hook.last_incoming_messages(minutes)
        if "outgoing" in self.journals:
            entries += hook.last_outgoing_messages(minutes)
        entries.sort(key=_timestamp)
        instance_data = _instance_data(hook)
        return [journal_notification(entry, instance_data) for entry in entries]

    def _store(
        self,
        messages: Sequence[Notification],
        store: NotificationStore,
        waiting_since: datetime,
        lease: ReaderLease,
    ) -> dict[str, int]:
        """Store what the store lacks; tell what became of the entries."""
        past = [message for message in messages if not message.timestamp or message.timestamp < waiting_since]
        lacking = self._lacking(past, store)
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

    def _lacking(self, messages: Sequence[Notification], store: NotificationStore) -> list[Notification]:
        """Return the messages that the store doesn't hold.

        What came from the queue was received after it had entered the journal's span, whatever time it bears.
        """
        if not messages:
            return []
        held = store.held_messages(datetime.now(UTC) - timedelta(minutes=int(self.minutes)) - STATUS_LAG)
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
