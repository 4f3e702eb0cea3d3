"""What the two stores have in common: a description, and a batch once opened."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, Self

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.stores.notification_store import NotificationStore

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification


class OpenBatch(Protocol):
    """A batch in a store, and the store's ledger of attempts."""

    def put(self, notification: Notification, note: dict[str, Any] | None) -> bool:
        """Store a notification unless its key is there."""
        ...

    def finish(self) -> int:
        """Finish the batch and return how many notifications it has."""
        ...

    def begin_attempt(self, key: str) -> int:
        """Count an attempt; 0 if the key is finished."""
        ...

    def finish_attempts(self, key: str) -> None:
        """Let no attempt begin any more."""
        ...

    def release(self) -> None:
        """Let go of connections."""
        ...


class Store(NotificationStore):
    """A store that hands its work to the batch it opened, and says what an error means."""

    _batch: OpenBatch | None = None
    _description: dict[str, Any]

    def open(self, batch_id: str) -> Self:
        opened = copy.copy(self)
        opened._description = {"batch_id": batch_id} | self._described(batch_id)
        with self._errors_told():
            opened._batch = self._open_batch(batch_id)
        return opened

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        with self._errors_told():
            return self._opened().put(notification, note)

    def close(self) -> dict[str, Any]:
        with self._errors_told():
            batch = self._opened()
            if "count" not in self._description:
                self._description["count"] = batch.finish()
            batch.release()
        return dict(self._description)

    def begin_attempt(self, key: str) -> int:
        with self._errors_told():
            return self._opened().begin_attempt(key)

    def finish(self, key: str) -> None:
        with self._errors_told():
            self._opened().finish_attempts(key)

    def release(self) -> None:
        with self._errors_told():
            self._opened().release()

    def _opened(self) -> OpenBatch:
        if self._batch is None:
            raise NotificationStoreError("The store is not open: use what its open() returned.")
        return self._batch

    def _open_batch(self, batch_id: str) -> OpenBatch:
        raise NotImplementedError

    def _described(self, batch_id: str) -> dict[str, Any]:
        """Return what a reader of the batch has to know."""
        raise NotImplementedError

    def _errors_told(self) -> AbstractContextManager[None]:
        """Turn whatever goes wrong into an error that says what to do."""
        raise NotImplementedError
