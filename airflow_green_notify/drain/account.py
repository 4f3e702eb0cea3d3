"""What a store keeps of a task's drains: a record for each instance, written at the end, whatever that is."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_green_notify.drain.report import DrainReport
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.printable import NAME, TEXT, printable
from airflow_green_notify.stoppable import ToldToStop
from airflow_green_notify.stores.drain_record import DrainRecord
from airflow_green_notify.stores.store import Store

if TYPE_CHECKING:
    from airflow_green_notify.drain.fleet_report import FleetReport
    from airflow_green_notify.stores.notification_store import NotificationStore

log = logging.getLogger(__name__)


class Account:
    """Writes the records of one task. That they can't be written is no reason to fail: what counts is stored.

    A process that is killed leaves none.

    :param store: Opened; only one of ours keeps records.
    :param batch_id: Of the task.
    :param instances: The instance of each connection that could be looked up.
    """

    def __init__(self, store: NotificationStore | None, batch_id: str, instances: Mapping[str, str]) -> None:
        self._store = store if isinstance(store, Store) else None
        self._batch_id = batch_id
        self._instances = instances
        self._began = datetime.now(UTC)

    @contextmanager
    def kept(self, report: Callable[[], FleetReport]) -> Iterator[None]:
        """Write when the block ends.

        :param report: Returns how far the drains are.
        """
        try:
            yield
        except BaseException as error:
            self.write(report(), error)
            raise
        self.write(report())
        self._forget_old()

    def write(self, report: FleetReport, error: BaseException | None = None) -> None:
        """Write what came of the drains.

        :param error: What ended all of them.
        """
        conn_ids = [*report.instances, *(report.errors.keys() - report.instances.keys())]
        if self._store is None or not conn_ids:
            return
        records = [self._record(conn_id, report, error) for conn_id in conn_ids]
        try:
            self._store.note_drains(records)
        except Exception as failure:
            log.warning("The drains report of %r lacks this drain: %s", self._store, failure)

    def _forget_old(self) -> None:
        if self._store is not None:
            try:
                self._store.forget_old()
            except Exception as failure:
                log.warning(
                    "%r was not cleared of old attempts; the next drain does it: %s", self._store, failure
                )

    def _record(self, conn_id: str, of_all: FleetReport, error: BaseException | None) -> DrainRecord:
        report = of_all.instances.get(conn_id, DrainReport())
        error = of_all.errors.get(conn_id, None if report.stopped_by else error)
        return DrainRecord(
            batch_id=self._batch_id,
            conn_id=printable(conn_id, NAME),
            instance_id=self._instances.get(conn_id, ""),
            began_at=self._began,
            ended_at=self._began + timedelta(seconds=report.seconds),
            received=report.received,
            stored=report.stored,
            duplicates=report.already_stored,
            deleted=report.deleted,
            dead_letters=report.dead_letters,
            doubtful_deletes=report.doubtful_deletes,
            other_consumers=report.other_consumers,
            oldest_age=report.oldest_age,
            stopped_by=report.stopped_by or _stopped_by(error),
            error=_words(error),
        )


def _stopped_by(error: BaseException | None) -> str:
    return "told_to_stop" if isinstance(error, ToldToStop | CancelledError) else "error"


def _words(error: BaseException | None) -> str:
    """Return an error of ours as it is, and the kind of any other: it may quote what somebody wrote."""
    if error is None or isinstance(error, ToldToStop | CancelledError):
        return ""
    return printable(error, TEXT) if isinstance(error, GreenApiError) else type(error).__name__
