"""What reads the queue: the tasks and triggers of the provider, and somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from airflow_green_notify.drain import StopCondition, adrain, lease
from airflow_green_notify.drain.compare_and_delete import acompare_and_delete
from airflow_green_notify.drain.handling import NotificationHandler
from airflow_green_notify.drain.lease import ReaderLease, renewed
from airflow_green_notify.drain.ownership import adopt_forgotten
from airflow_green_notify.errors import GreenApiError, NotificationStoreError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.triggers.doorbell import GreenApiDoorbellTrigger
from airflow_green_notify.triggers.producer import GreenApiQueueProducer, Offer
from tests.simulation.loop import current_process
from tests.simulation.store import QUEUE, ModelStore

if TYPE_CHECKING:
    from tests.simulation.history import History

MAX_ATTEMPTS = 3

STOOD_STILL = lease.SPAN - lease.RENEW_EVERY
"""Seconds of a freeze in which a lease may run out; nothing can stop a handler that is at work by then."""


async def drain(history: History, store: ModelStore) -> None:
    """As the drain operator does: the store at work holds the event loop."""
    with _reading(history, store) as held:
        if held is not None:
            async with GreenApiHook() as hook:
                stop = StopCondition(until="start")
                await adrain(hook, store, stop=stop, store_in_thread=False, lease=held)
        await _return(history, store)


async def process(history: History, store: ModelStore) -> None:
    """As the process operator does, the store being that of its dead letters."""
    with _reading(history, store) as held:
        if held is not None:
            handling = NotificationHandler(history.handle, MAX_ATTEMPTS, store, held)
            async with GreenApiHook() as hook:
                await adrain(hook, handling, stop=StopCondition(until="start"), lease=held)
        await _return(history, store)


@contextmanager
def _reading(history: History, store: ModelStore) -> Iterator[ReaderLease | None]:
    """Be the queue's reader, as the draining operators are; ``None`` if somebody else is."""
    own = ReaderLease(store.leases, QUEUE, store.batch_id)
    if own.wait(60.0):
        with renewed(own):
            adopt_forgotten(store, history.outcome_of)
            yield own
    elif own.holder.startswith(f"{store.batch_id} "):
        raise NotificationStoreError("An earlier try of this task still reads the queue.")
    else:
        yield None


async def load(history: History, store: ModelStore) -> None:
    """Receive, store, and compare-and-delete, as three tasks of a Dag."""
    async with GreenApiHook() as hook:
        head = await hook.areceive_notification()
        if head is not None:
            store.put(head)
            await acompare_and_delete(hook, head.key)
    await _return(history, store)


async def _return(history: History, store: ModelStore) -> None:
    """Close the batch and take a moment to return its description."""
    store.close()
    await asyncio.sleep(0.1 * history.chance.random())


async def watch(history: History) -> None:
    """The notification trigger, with a stand-in for what confirms its events."""
    producer = GreenApiQueueProducer(GreenApiHook.default_conn_name, 20.0, 60.0)
    confirmations = []
    async for offer, _ in producer.open_stream():
        offer.take()
        confirmations.append(asyncio.ensure_future(_confirm(history, producer, offer)))


async def _confirm(history: History, producer: GreenApiQueueProducer, offer: Offer) -> None:
    await asyncio.sleep(history.chance.uniform(0.5, 2.0))
    failed = int(history.chance.random() < history.mix.failing)
    if offer.key and not failed:
        history.take(offer.key, "has the event of")
        await asyncio.sleep(history.chance.uniform(0.1, 1.0))
    await producer.advance([AdvanceItem(offer, AdvanceOutcome(acked=1 - failed, failed=failed))])


async def ring(history: History) -> None:
    """The doorbell: its looks hand out receipt ids, its rings start readers."""
    async for _ in GreenApiDoorbellTrigger().run():
        history.ring()


async def foreign(history: History) -> None:
    """Somebody else's bot: it deletes what it receives, and what it deletes is its own."""
    hook = GreenApiHook()
    while True:
        try:
            head = await hook.areceive_notification()
            await asyncio.sleep(history.chance.uniform(0.0, 4.0))
            if head is not None:
                history.take(head.key, "takes")
                await hook.adelete_notification(head.receipt_id)
        except GreenApiError:
            await asyncio.sleep(1.0)


TASKS: dict[str, Callable[[History, ModelStore], Coroutine[Any, Any, None]]] = {
    "drain": drain,
    "process": process,
    "load": load,
}
"""What runs again and again, and is tried again when it dies."""

WATCHERS: dict[str, Callable[[History], Coroutine[Any, Any, None]]] = {
    "watch": watch,
    "ring": ring,
    "foreign": foreign,
}
"""What runs for ever, and is started again when it dies."""


class HandlerFails(Exception):
    """A failure that is the handler's own."""


class Handlers:
    """Who handles what just now."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._at_work: dict[str, list[Any]] = {}

    def handle(self, notification: Notification) -> None:
        """Handle a notification; it takes time, and may fail."""
        history, process = self._history, current_process()
        name = str(notification.id_message)
        others = [each for each in self._at_work.get(name, ()) if each.alive and each is not process]
        if others:
            awake = any(each.longest_freeze < STOOD_STILL for each in others)
            (history.outcome.at_once if awake else history.outcome.beside_frozen).append(int(name[1:]))
        history.world.tell(process.name, f"handles {name}" + (", as does another one" if others else ""))
        self._at_work.setdefault(name, []).append(process)
        process.block(history.pace.seconds())
        self._at_work[name].remove(process)
        if history.pace.fails():
            raise HandlerFails
        history.take(notification.key, "has handled")
