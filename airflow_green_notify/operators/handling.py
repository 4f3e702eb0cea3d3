"""The handlers of a task: one for each queue, and one for the dead letters that are replayed beside them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_green_notify.drain.handling import NotificationHandler
from airflow_green_notify.drain.replaying import InTurn, Replays
from airflow_green_notify.stores.store import Store

if TYPE_CHECKING:
    from airflow_green_notify.drain.lease import ReaderLease
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink, NotificationStore


class Handling:
    """Makes the handlers that a task drains its queues into, and counts what they did.

    :param given: The arguments of the operator.
    :param store: Opened; where dead letters go. Only a store of ours is asked for what is to be replayed.
    :param task: Who gives up: ``dag_id/task_id``.
    """

    def __init__(self, given: SimpleNamespace, store: NotificationStore | None, task: str) -> None:
        self._given = given
        self._store = store
        self._task = task
        self._handlers: list[NotificationHandler] = []
        self._replays: Replays | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if isinstance(self._store, Store):
            replays = Replays(self._store.dead_letters(), self._task, self._replaying)
            self._replays = self._stack.enter_context(replays)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def sink_of(self, lease: ReaderLease | None) -> NotificationSink:
        """Return what a queue is drained into, and begin the replay, now that there is a lease."""
        sets_aside = self._given.on_error == "dead_letter"
        handler = self._handler(self._given.handler, lease, sets_aside)
        self._handlers.append(handler)
        if self._replays is None or lease is None:
            return handler
        self._replays.begin(lease)
        return InTurn(handler, self._replays)

    def counts(self) -> dict[str, Any]:
        """Return how many were handled, were given up, and were handled on their replay."""
        replays = self._replays
        return {
            "handled": sum(each.handled for each in self._handlers),
            "dead_letters": sum(each.dead_letters for each in self._handlers)
            + (replays.dead_letters if replays else 0),
            "replayed": replays.handled if replays else 0,
        }

    def _replaying(self, lease: ReaderLease) -> NotificationHandler:
        return self._handler(self._replay, lease, sets_aside=True)

    def _replay(self, notification: Notification) -> object:
        if self._replays is not None:
            self._replays.note_call()
        answer: object = self._given.handler(notification)
        return answer

    def _handler(
        self, handler: Callable[[Notification], object], lease: ReaderLease | None, sets_aside: bool
    ) -> NotificationHandler:
        return NotificationHandler(
            handler, self._given.max_attempts, self._store, lease, sets_aside=sets_aside, task=self._task
        )
