"""The lease on a queue: one reader at a time may delete from it."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stoppable import check
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.stores.names import task_of

if TYPE_CHECKING:
    from airflow_green_notify.stores.notification_store import LeaseLedger

log = logging.getLogger(__name__)

SPAN = 20.0
"""Seconds after which the lease of a reader that died is anybody's."""

RENEW_EVERY = 5.0
MARGIN = 2.0
"""Seconds before its end from which on a reader that could not renew the lease deletes nothing."""

ASK_EVERY = 1.0
"""Seconds between two questions of a reader that waits for its turn, and after a renewal that failed."""


BACKFILL = "a backfill, "
"""Begins the name of a holder that reads nothing, and only wants nobody else to store meanwhile."""


class LeaseLost(Exception):
    """Somebody else may be reading the queue by now."""


class ReaderLease:
    """The lease on one queue, in the ledger of the store that it is drained into.

    It is judged twice: by the clock of the store, when somebody takes it; and by the holder's own clock, one
    that counts suspension, before each delete. A reader that dies leaves it to expire.

    :param queue: Which queue, see :attr:`~airflow_green_notify.hooks.connection.InstanceConfig.queue`.
    :param reader: What other readers are told of this one: the batch and the try.
    :param beside: Another lease of the same reader, in the same ledger, without which this one is worth
        nothing: a fleet's, which keeps its batch apart from other tries and runs.
    """

    def __init__(
        self, ledger: LeaseLedger, queue: str, reader: str, beside: ReaderLease | None = None
    ) -> None:
        self.queue = queue
        self.owner: str = beside.owner if beside else f"{reader} {secrets.token_hex(4)}"
        self.holder = ""
        """Who had it when it was last asked for."""
        self.previous = ""
        """Who had it before that."""
        self._ledger = ledger
        self._beside = beside
        self._renewed: Stopwatch | None = None
        self._one_at_a_time: threading.Lock = beside._one_at_a_time if beside else threading.Lock()

    def with_lease_on(self, queue: str) -> ReaderLease:
        """Return another lease of the same reader, worth nothing without this one, or without a fleet's."""
        return ReaderLease(self._ledger, queue, "", self._beside or self)

    def take(self) -> bool:
        """Take it, or note in :attr:`holder` who has it."""
        lost = self._beside is not None and not self._beside.is_valid()
        take_all([self._beside, self] if self._beside and lost else [self])
        if self._beside is not None and self._beside._renewed is None:
            self.holder = self._beside.holder
            return False
        return self._renewed is not None

    def wait(self, seconds: float) -> bool:
        """Take it as soon as it is free, and tell whether that was within so many seconds."""
        waited = Stopwatch()
        told = ""
        while not self.take():
            if waited.seconds() >= seconds:
                return False
            if self.holder != told:
                told = self.holder
                log.info("The queue is being read by %s; waiting up to %.0f s for it to end.", told, seconds)
            time.sleep(ASK_EVERY * random.uniform(0.5, 1.0))
            check()
        return True

    def other_task(self) -> str:
        """Return the task that had it last, or has it, if that is another than this reader's."""
        other = self.holder if self.holder != self.owner else self.previous
        return "" if other.startswith(BACKFILL) or task_of(other) == task_of(self.owner) else task_of(other)

    def leave_it(self) -> str:
        """Say why the queue may be left to the one who has it.

        :raises NotificationStoreError: Nobody drains it, or into the batch of this very task.
        """
        batch, is_task, _ = self.owner.rpartition(" (try ")
        if is_task and self.holder.startswith(f"{batch} (try "):
            raise NotificationStoreError(
                f"An earlier try of this task still reads the queue, and fills the same batch: "
                f"{self.holder}. A retry goes on when it has ended."
            )
        if self.holder.startswith(BACKFILL):
            raise NotificationStoreError(
                f"The queue is reserved by {self.holder}, and nobody drains it meanwhile. A retry goes on "
                "when that has ended; to wait longer, set wait_for_reader."
            )
        return (
            f"The queue is being read by {self.holder}, which stores what comes. Nothing to do here; to wait "
            "longer, set wait_for_reader."
        )

    def release(self) -> None:
        """Give it back; whoever waits takes it."""
        release_all([self])

    def is_valid(self) -> bool:
        """Tell whether it is surely nobody else's yet, nor is the one that it needs."""
        renewed = self._renewed
        is_own = renewed is not None and renewed.seconds() < SPAN - MARGIN
        return is_own and (self._beside is None or self._beside.is_valid())

    def check(self) -> None:
        """Raise :class:`LeaseLost` unless it is valid."""
        if not self.is_valid():
            raise LeaseLost


def take_all(leases: Sequence[ReaderLease]) -> None:
    """Take leases of one reader, each as :meth:`ReaderLease.take` does."""
    asked = Stopwatch()
    first = leases[0]
    with first._one_at_a_time:
        taken = first._ledger.take_leases([lease.queue for lease in leases], first.owner, SPAN)
        for lease in leases:
            lease.holder, lease.previous = taken[lease.queue]
            lease._renewed = asked if lease.holder == lease.owner else None


def renew_all(leases: Sequence[ReaderLease]) -> None:
    """Let leases of one reader expire later, as far as they are still its."""
    asked = Stopwatch()
    first = leases[0]
    with first._one_at_a_time:
        held = [lease for lease in leases if lease._renewed is not None]
        if held:
            renewed = first._ledger.renew_leases([lease.queue for lease in held], first.owner, SPAN)
            for lease in held:
                lease._renewed = asked if lease.queue in renewed else None


def release_all(leases: Sequence[ReaderLease]) -> None:
    """Give leases of one reader back; whoever waits takes them."""
    first = leases[0]
    with first._one_at_a_time:
        for lease in leases:
            lease._renewed = None
        first._ledger.release_leases([lease.queue for lease in leases], first.owner)


@contextmanager
def renewed(*leases: ReaderLease) -> Iterator[None]:
    """Renew leases of one reader meanwhile, whatever its thread is busy with, and release them at the end."""
    ended = threading.Event()
    renewal = threading.Thread(target=_renew_until, args=(leases, ended), name="green-api-lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()
        _release(leases)


def _renew_until(leases: Sequence[ReaderLease], ended: threading.Event) -> None:
    pause = RENEW_EVERY
    while not ended.wait(pause):
        pause = RENEW_EVERY
        try:
            renew_all(leases)
        except NotificationStoreError as error:
            pause = ASK_EVERY
            log.warning("The lease on the queue was not renewed; trying again in %.0f s: %s", pause, error)


def _release(leases: Sequence[ReaderLease]) -> None:
    try:
        release_all(leases)
    except NotificationStoreError as error:
        log.warning("The lease on the queue was not released; it expires in %d s: %s", SPAN, error)
