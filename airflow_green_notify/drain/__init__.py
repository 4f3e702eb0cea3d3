"""Receive, store, delete: the only code that joins the three."""

from airflow_green_notify.drain.report import DrainReport, StopCondition
from airflow_green_notify.drain.run import adrain, drain

__all__ = ["DrainReport", "StopCondition", "adrain", "drain"]
