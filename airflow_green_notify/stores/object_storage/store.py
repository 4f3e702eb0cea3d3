"""Files in a folder or bucket as a store."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from os import PathLike
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.place import files_at, place_of
from airflow_green_notify.stores.ledger import warn_of
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage import batch_file
from airflow_green_notify.stores.object_storage.batch import DrainingBatch
from airflow_green_notify.stores.object_storage.dead_letters import FileDeadLetters
from airflow_green_notify.stores.object_storage.ledger import FileLedgerView, adoptions
from airflow_green_notify.stores.store import Store

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_green_notify.files.place import Files
    from airflow_green_notify.stores.entry import Entry
    from airflow_green_notify.stores.object_storage.eraser import FileEraser
    from airflow_green_notify.stores.object_storage.ledger import Link
    from airflow_green_notify.stores.object_storage.stream import FileStream

_ADVICE = {
    errno.ENOSPC: "The disk is full: free space, then clear or retry the task.",
    errno.EFBIG: "The disk refuses a file of that size.",
    errno.EDQUOT: "The quota of the disk is used up.",
    errno.EROFS: "The file system is read-only.",
    errno.ELOOP: "Remove it: below the store's folder no link is followed.",
}
_ADVICE_FOR_KIND: dict[type[Exception], str] = {
    PermissionError: "Give the worker the right to write there, on a file system with hard links.",
    FileNotFoundError: "Create the bucket or folder, or fix the path.",
    ImportError: "Install it on the workers: airflow-green-notify[parquet], or what the file system needs.",
}


class ObjectStorageStore(Store):
    """Stores notifications as files in a local folder, ``s3://``, ``gs://`` or whatever fsspec reaches.

    While a batch is open each notification is one object, ``draining/<key>.json``; closing makes one file of
    them, ``batches/<dag>/<run>/<task>/<map index>/batch.ndjson`` (in a loop one folder deeper, named by the
    iteration), in queue order, with the whole body of each. A crash leaves objects, and the retry of the task
    takes them into its batch. A batch that was closed and then continued (its task was cleared) gets a second
    file ``batch-2.ndjson`` beside the first, so read ``batch*.ndjson``, or use :func:`read_batch`.

    A line is :meth:`Notification.as_dict <airflow_green_notify.notification.Notification.as_dict>` with
    ``batch_id``, and ``note`` where there is one. ``body`` is always an object or ``null``, so that query
    engines (DuckDB, Spark, jq) read the file whatever it holds: what they have no place for is ``null``
    there, and ``body_text`` beside it has the exact body.

    Durable means: on a local disk, file and folder were handed to the disk (fsync); in a bucket, the service
    confirmed the write. Names are taken by exclusive creation (hard links locally, conditional writes on S3,
    GCS and Azure), so that two drains at once don't both store a notification. A store of another kind
    without such writes may then hold one twice; it loses none.

    Local files are for the worker's own user alone (0600 in folders of 0700). ``path`` may be a symbolic
    link; one that lies below it is not followed, and is an error.

    Consumers read what is in closed batches, in the order in which these were closed (``log/``, one small
    file for each closing with the keys of what it stored). ``log/``, ``moved/`` and ``consumers/`` stay;
    batches that somebody removes are passed over.

    A key counts as "already there" if it lies in an open batch, or in one closed today or within the two days
    before. Drains remove what is older than 30 days from ``keys/``, ``attempts/`` and ``drains/`` (what each
    drain came to); ``ledger/`` (which batches were not handed on yet), ``leases/`` (who reads which queue)
    and ``reports/`` (what watchers and examinations said last) stay small anyway.

    :param path: Folder or URL; templated.
    :param conn_id: Airflow connection for the bucket; templated.
    :param format: ``"ndjson"``, or ``"parquet"``: flat columns, with the body as JSON text (extra
        ``parquet``).
    :raises ValueError: The format is neither.
    """

    template_fields: ClassVar[Sequence[str]] = ("path", "conn_id")

    def __init__(
        self,
        path: str | PathLike[str] | ObjectStoragePath,
        *,
        conn_id: str | None = None,
        format: Literal["ndjson", "parquet"] = "ndjson",
    ) -> None:
        if format not in batch_file.FORMATS:
            raise ValueError(f"format is {format!r}; it must be one of {', '.join(batch_file.FORMATS)}.")
        # Airflow 3.1 takes the resolve() of a pathlib path for that of a task's output, and calls it.
        self.path = str(path) if isinstance(path, PurePath) else path
        self.conn_id = conn_id
        self.format = format

    def __repr__(self) -> str:
        return f"ObjectStorageStore({str(self.path)!r}, conn_id={self.conn_id!r}, format={self.format!r})"

    def stream(self) -> FileStream:
        from airflow_green_notify.stores.object_storage.stream import FileStream

        return FileStream(files_at(*place_of(self.path, self.conn_id)), self._translate_errors)

    def described(self) -> dict[str, str | None]:
        root, conn_id = place_of(self.path, self.conn_id)
        return {"store": "object_storage", "path": str(root), "conn_id": conn_id, "format": self.format}

    def dead_letters(self) -> FileDeadLetters:
        return FileDeadLetters(files_at(*place_of(self.path, self.conn_id)), self._translate_errors)

    def eraser(self) -> FileEraser:
        from airflow_green_notify.stores.object_storage.eraser import FileEraser

        return FileEraser(
            files_at(*place_of(self.path, self.conn_id)), str(self.path), self._translate_errors
        )

    def _open_batch(self, batch_id: str, queue: str) -> DrainingBatch:
        if self.format == "parquet":
            # Fails here rather than at the end.
            import_module("airflow_green_notify.stores.object_storage.parquet")
        files = files_at(*place_of(self.path, self.conn_id))
        files.prepare()
        return DrainingBatch(files, batch_id, self.format, queue, self._translate_errors)

    def _view(self) -> FileLedgerView:
        return FileLedgerView(files_at(*place_of(self.path, self.conn_id)))

    def _described(self, batch_id: str) -> dict[str, str | None]:
        root, conn_id = place_of(self.path, self.conn_id)
        path = f"{root}/{folder_of(batch_id)}"
        return {"store": "object_storage", "path": path, "conn_id": conn_id, "format": self.format}

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"The object storage {self.path}")


class ObjectStorageBatchReader:
    """The files of a finished batch, as :meth:`ObjectStorageStore.close` described them."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._path: str = description["path"]
        self._batch_id: str = description["batch_id"]
        self._conn_id: str | None = description.get("conn_id")
        self._count: int = description["count"]

    def entries(self) -> Iterator[Entry]:
        """Yield what the batch holds, in queue order."""
        with translate_errors(f"The batch {self._path}"):
            adopted = self._adoptions()
            warn_of(link.record() for link in adopted)
            yield from batch_file.read_parts(*self._parts(adopted))

    def count(self) -> int:
        """Return how many notifications the batch holds; it is read for that only if it was changed."""
        with translate_errors(f"The batch {self._path}"):
            adopted = self._adoptions()
            files, names = self._parts(adopted)
            is_as_closed = len(names) == 1 and not batch_file.revision_of(names[0])
            if self._count and is_as_closed and not adopted:
                return self._count
            return sum(1 for _ in batch_file.read_parts(files, names))

    def _parts(self, adopted: list[Link]) -> tuple[Files, list[str]]:
        """Return the files, without those that an adopter has yet to remove."""
        files = files_at(self._path, self._conn_id)
        names = batch_file.part_names(files, "")
        if self._count and not names and not adopted:
            raise NotificationStoreError(f"The batch {self._path} has no file any more; was it removed?")
        taken = {batch_file.unrevised(part) for link in adopted for part in link.parts}
        folder = folder_of(self._batch_id)
        return files, [name for name in names if f"{folder}/{batch_file.unrevised(name)}" not in taken]

    def _adoptions(self) -> list[Link]:
        """Return what others took from the batch."""
        root = self._path.removesuffix(f"/{folder_of(self._batch_id)}")
        return adoptions(files_at(root, self._conn_id), self._batch_id)


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Turn whatever a file system raises into an error that says what to do."""
    try:
        yield
    except NotificationStoreError:
        raise
    except Exception as error:
        raise NotificationStoreError(
            f"{subject}: {type(error).__name__}: {error}. {_advice(error)} What isn't stored was not deleted."
        ) from error


def _advice(error: Exception) -> str:
    for kind, advice in _ADVICE_FOR_KIND.items():
        if isinstance(error, kind):
            return advice
    return _ADVICE.get(getattr(error, "errno", 0), "A retry goes on where this stopped.")
