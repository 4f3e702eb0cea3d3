"""The leases of a worker on chats: renewed together, and how long a database may be away that keeps them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stoppable import sleep
from airflow_green_notify.stopwatch import Stopwatch

log = logging.getLogger(__name__)

T = TypeVar("T")

SPAN = 20.0
"""Seconds after which the chat of a worker that died is anybody's."""

RENEW_EVERY = 5.0
MARGIN = 2.0
"""Seconds before its end from which on a worker that could not renew a lease calls no handler."""

AGAIN_AFTER = 1.0
"""Seconds after something failed in the database."""


def patiently(work: Callable[[], T]) -> T:
    """Do something in the database, which may be away for as long as the leases last.

    If the task ended at once, what its handlers do meanwhile would be done again.
    """
    waited = Stopwatch()
    while True:
        try:
            return work()
        except NotificationStoreError as error:
            if waited.seconds() >= SPAN - MARGIN:
                raise
            log.warning("Trying again in %.0f s: %s", AGAIN_AFTER, error)
            sleep(AGAIN_AFTER)


@contextmanager
def renewed(renew: Callable[[Mapping[str, str]], None], held: Mapping[str, str]) -> Iterator[None]:
    """Renew the leases that are held meanwhile.

    :param held: The chat of each owner, which another thread changes.
    """
    ended = threading.Event()
    renewal = threading.Thread(
        target=_renew_until, args=(renew, held, ended), name="green-api-leases", daemon=True
    )
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()


def _renew_until(
    renew: Callable[[Mapping[str, str]], None], held: Mapping[str, str], ended: threading.Event
) -> None:
    pause = RENEW_EVERY
    while not ended.wait(pause):
        pause = RENEW_EVERY
        chats = dict(held)
        try:
            if chats:
                renew(chats)
        except NotificationStoreError as error:
            pause = AGAIN_AFTER
            log.warning("The leases on chats were not renewed; trying again in %.0f s: %s", pause, error)
