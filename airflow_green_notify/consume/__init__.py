"""What reads a store, and never the gateway."""

from airflow_green_notify.consume.committing import commit
from airflow_green_notify.consume.pages import Page
from airflow_green_notify.consume.reading_on import read_new

__all__ = ["Page", "commit", "read_new"]
