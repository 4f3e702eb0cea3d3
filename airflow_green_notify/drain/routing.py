"""Which store a notification goes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_green_notify.filters import NotificationFilter, Verdict, judge

if TYPE_CHECKING:
    from airflow_green_notify.drain.report import DrainReport
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore

Matching = NotificationFilter | Callable[["Notification"], object]


class Routing:
    """What is accepted goes to one store, the rest to another; nothing is dropped.

    :raises ValueError: ``accept`` is given without a store for the rest.
    """

    def __init__(
        self, store: NotificationStore, accept: Matching | None, unmatched: NotificationStore | None
    ) -> None:
        if (accept is None) != (unmatched is None):
            raise ValueError("accept= and unmatched= go together: name a store for what is not accepted.")
        self._store = store
        self._accept = accept
        self._unmatched = unmatched

    def put(self, notification: Notification, report: DrainReport) -> None:
        """Put the notification where it belongs, durably, and count it."""
        verdict = Verdict.MATCH if self._accept is None else judge(self._accept, notification)
        store = self._store
        if verdict is Verdict.MISS and self._unmatched is not None:
            store = self._unmatched
            report.unmatched += 1
        report.undecided += verdict is Verdict.ERROR
        if store.put(notification):
            report.stored += 1
        else:
            report.already_stored += 1
