"""Where notifications become durable."""

from airflow_green_notify.stores.batch import Batch, batch_id_of, open_batch, read_batch
from airflow_green_notify.stores.notification_store import NotificationSink, NotificationStore
from airflow_green_notify.stores.object_storage.store import ObjectStorageStore
from airflow_green_notify.stores.sql.store import SqlStore

__all__ = [
    "Batch",
    "NotificationSink",
    "NotificationStore",
    "ObjectStorageStore",
    "SqlStore",
    "batch_id_of",
    "open_batch",
    "read_batch",
]
