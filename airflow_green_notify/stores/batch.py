"""Batches: named after the task that drains, read by the one behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.filters import NotificationFilter, Verdict
from airflow_green_notify.notification import Notification
from airflow_green_notify.printable import printable
from airflow_green_notify.stores.dead_letter import as_received
from airflow_green_notify.stores.row import TIME_COLUMNS

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pandas import DataFrame
    from pyarrow import Table

    from airflow_green_notify.stores.notification_store import NotificationStore
    from airflow_green_notify.stores.object_storage.store import ObjectStorageBatchReader
    from airflow_green_notify.stores.page import PageReader
    from airflow_green_notify.stores.sql.batch import SqlBatchReader

_ROWS_AT_ONCE = 500


def batch_id_of(context: Context) -> str:
    """Return ``dag_id/run_id/task_id/map_index``: the same for each try of a task.

    In a loop the iteration follows, since the iterations of a task have run and map index in common. One that
    is run again, because an earlier one was cleared, goes on with its batch as a cleared task does.
    """
    task = context["ti"]
    parts = [task.dag_id, task.run_id, task.task_id, str(task.map_index)]
    iteration = iteration_of(context)
    if iteration is not None:
        parts.append(str(iteration))
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def reader_of(context: Context) -> str:
    """Return what other readers are told of a task: its batch and its try."""
    return f"{batch_id_of(context)} (try {context['ti'].try_number})"


def iteration_of(context: Mapping[str, Any]) -> int | None:
    """Return which iteration of a loop a task runs in (Airflow 3.4 and later), ``None`` outside of one."""
    index = getattr(context.get("loop"), "index", None)
    return index if isinstance(index, int) else None


def open_batch(store: NotificationStore, context: Context, queue: str = "") -> NotificationStore:
    """Return a store opened for the batch of the running task.

    :param queue: The queue that it drains, see :meth:`NotificationStore.open`.
    """
    return store.open(batch_id_of(context), queue)


class AssetEvent(Protocol):
    """An event that a drain made, by its outlets or routes."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """What it tells."""
        ...


def read_batch(description: Mapping[str, Any] | AssetEvent | str) -> Batch:
    """Return the notifications of a batch, whatever store it lies in.

    :param description: What a store's ``close`` returned, and so the result of
        ``GreenApiDrainNotificationsOperator``, or that of ``GreenApiReadNewOperator``; its JSON text will do.
        One of a drain from before a retry stays good, and reads what the retry added too. Or the asset event
        of such a task, or its ``extra``: that of a route reads just what its filter fits.
    :raises ValueError: It is no description of a batch.
    """
    told: Any = json.loads(description) if isinstance(description, str) else description
    told = getattr(told, "extra", told)
    if isinstance(told, Mapping) and isinstance(told.get("batch"), Mapping):
        matching = told.get("matching")
        return Batch(told["batch"], None if matching is None else NotificationFilter.from_dict(matching))
    return Batch(told)


def notifications_in(value: Any) -> Iterator[Notification]:
    """Yield the notifications of a batch description, of a list, or of XCom's form of either.

    :raises GreenApiConfigError: It is none of these.
    """
    try:
        if isinstance(value, str):
            value = json.loads(value)
        if isinstance(value, Notification):
            yield value
        elif isinstance(value, Mapping):
            yield from read_batch(value) if "store" in value else [Notification.from_dict(value)]
        else:
            for item in value:
                yield from notifications_in(item)
    except (TypeError, ValueError) as error:
        raise GreenApiConfigError(
            "notifications must be a batch description, or notifications in the form that operators return: "
            f"{error}"
        ) from None


class Batch:
    """The notifications of a batch in queue order, read from the store each time, without loading all.

    Their receipt ids, used up by the delete, are 0 where the store doesn't keep them.

    :param matching: Which of them; by default all.
    :raises NotificationStoreError: On reading, if the store can't be read.
    """

    def __init__(self, description: Mapping[str, Any], matching: NotificationFilter | None = None) -> None:
        self._matching = matching
        try:
            self._reader = _reader(description)
        except (KeyError, TypeError) as error:
            raise ValueError(
                "Not the description of a batch, which GreenApiDrainNotificationsOperator, "
                "GreenApiReadNewOperator and a store's "
                f"close() return: {printable(repr(error))}."
            ) from None

    def __iter__(self) -> Iterator[Notification]:
        return (notification for notification, _ in self.with_notes())

    def __len__(self) -> int:
        return self._reader.count() if self._matching is None else sum(1 for _ in self)

    def with_notes(self) -> Iterator[tuple[Notification, dict[str, Any] | None]]:
        """Yield each notification with the note kept beside it, such as why it is a dead letter."""
        entries = (
            (as_received(entry.notification, entry.note), entry.note) for entry in self._reader.entries()
        )
        if (matching := self._matching) is None:
            return entries
        return (entry for entry in entries if matching.verdict(entry[0]) is Verdict.MATCH)

    def as_dataframe(self) -> DataFrame:
        """Return a pandas frame with the columns of :meth:`.Notification.as_row`."""
        from pandas import DataFrame

        return DataFrame.from_records(
            (notification.as_row() for notification in self), columns=list(Notification(0, {}).as_row())
        )

    def as_arrow(self) -> Table:
        """Return a pyarrow table with the columns of :meth:`.Notification.as_row` (extra ``parquet``)."""
        import pyarrow as pa

        moment = pa.timestamp("us", tz="UTC")
        names = Notification(0, {}).as_row()
        schema = pa.schema([(name, moment if name in TIME_COLUMNS else pa.string()) for name in names])
        rows = (notification.as_row() for notification in self)
        pages = iter(lambda: list(islice(rows, _ROWS_AT_ONCE)), [])
        return pa.Table.from_batches((pa.RecordBatch.from_pylist(page, schema) for page in pages), schema)


def _reader(description: Mapping[str, Any]) -> ObjectStorageBatchReader | SqlBatchReader | PageReader:
    if "consumer" in description:
        from airflow_green_notify.stores.page import PageReader

        return PageReader(description)
    if description["store"] == "sql":
        from airflow_green_notify.stores.sql.batch import SqlBatchReader

        return SqlBatchReader(description)
    if description["store"] == "object_storage":
        from airflow_green_notify.stores.object_storage.store import ObjectStorageBatchReader

        return ObjectStorageBatchReader(description)
    raise KeyError(description["store"])
