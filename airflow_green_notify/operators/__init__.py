"""The operators: receive, delete."""

from airflow_green_notify.operators.queue import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)

__all__ = [
    "GreenApiDeleteNotificationOperator",
    "GreenApiReceiveNotificationOperator",
]
