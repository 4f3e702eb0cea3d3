"""Receive, store, delete: the only code that joins the three."""

from airflow_green_notify.drain.engine import adrain, drain
from airflow_green_notify.drain.report import DrainReport, StopCondition

__all__ = ["DrainReport", "StopCondition", "adrain", "drain"]
