"""Which store a notification goes to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow_green_notify.arguments import matching_of
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.filters import Verdict, judge

if TYPE_CHECKING:
    from airflow_green_notify.contacts import Contacts
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification


log = logging.getLogger(__name__)

Sink = TypeVar("Sink")


class Routing(Generic[Sink]):
    """What is accepted goes to one store, the rest to another; nothing is dropped.

    Neither store is looked into for what goes to the other: a notification that comes again, because its
    delete failed, must be judged as before, or it lies in both.

    :raises ValueError: ``accept`` is given without a store for the rest, or is nothing that judges: an async
        function is refused, since its answer would never be awaited.
    """

    def __init__(
        self, store: Sink, accept: Matching | None, unmatched: Sink | None, contacts: Contacts
    ) -> None:
        if (accept is None) != (unmatched is None):
            raise ValueError("accept= and unmatched= go together: name a store for what is not accepted.")
        self._store = store
        self._accept = None if accept is None else matching_of("accept", accept)
        self._store_for_rest = store if unmatched is None else unmatched
        self._contacts = contacts

    @property
    def judges(self) -> bool:
        """Whether there is anything to judge, which may take long: the gateway may be asked."""
        return self._accept is not None

    def verdict(self, notification: Notification) -> Verdict:
        """Judge; whoever is unknown while the gateway can't be asked doesn't hold up the queue."""
        if self._accept is None:
            return Verdict.MATCH
        try:
            return judge(self._accept, notification, self._contacts)
        except GreenApiError as error:
            log.warning("Who is behind %r could not be asked: %s", notification, error)
            return Verdict.ERROR

    def sink(self, verdict: Verdict) -> Sink:
        """Return where that belongs: an error is never a miss."""
        return self._store_for_rest if verdict is Verdict.MISS else self._store
