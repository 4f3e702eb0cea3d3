"""The operators, by what they are about: the queue, draining it."""

from airflow_green_notify.operators.draining import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
)
from airflow_green_notify.operators.queue import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)

__all__ = [
    "GreenApiDeleteNotificationOperator",
    "GreenApiDrainNotificationsOperator",
    "GreenApiProcessNotificationsOperator",
    "GreenApiReceiveNotificationOperator",
]
