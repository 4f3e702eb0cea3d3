"""Which store a notification goes to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_green_notify.arguments import matching_of
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.filters import Verdict, judge

if TYPE_CHECKING:
    from airflow_green_notify.contacts import Contacts
    from airflow_green_notify.drain.report import DrainReport
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationSink


log = logging.getLogger(__name__)


class Routing:
    """What is accepted goes to one store, the rest to another; nothing is dropped.

    Neither store is looked into for what goes to the other: a notification that comes again, because its
    delete failed, must be judged as before, or it lies in both.

    :raises ValueError: ``accept`` is given without a store for the rest, or is nothing that judges: an async
        function is refused, since its answer would never be awaited.
    """

    def __init__(
        self,
        store: NotificationSink,
        accept: Matching | None,
        unmatched: NotificationSink | None,
        contacts: Contacts,
    ) -> None:
        if (accept is None) != (unmatched is None):
            raise ValueError("accept= and unmatched= go together: name a store for what is not accepted.")
        self._store = store
        self._accept = None if accept is None else matching_of("accept", accept)
        self._store_for_rest = unmatched or store
        self._contacts = contacts

    def put(self, notification: Notification, report: DrainReport) -> None:
        """Put the notification where it belongs, durably, and count it."""
        verdict = self._verdict(notification)
        missed = verdict is Verdict.MISS
        new = (self._store_for_rest if missed else self._store).put(notification)
        report.unmatched += missed
        report.undecided += verdict is Verdict.ERROR
        report.stored += new
        report.already_stored += not new

    def _verdict(self, notification: Notification) -> Verdict:
        """Judge; whoever is unknown while the gateway can't be asked doesn't hold up the queue."""
        if self._accept is None:
            return Verdict.MATCH
        try:
            return judge(self._accept, notification, self._contacts)
        except GreenApiError as error:
            log.warning("Who is behind %r could not be asked: %s", notification, error)
            return Verdict.ERROR
