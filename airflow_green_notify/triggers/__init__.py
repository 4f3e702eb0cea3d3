"""What waits in the triggerer: the doorbell, the notification itself, and the wait of a deferred sensor."""

from airflow_green_notify.triggers.doorbell import GreenApiDoorbellTrigger
from airflow_green_notify.triggers.head import GreenApiHeadTrigger
from airflow_green_notify.triggers.notification import GreenApiNotificationTrigger

__all__ = ["GreenApiDoorbellTrigger", "GreenApiHeadTrigger", "GreenApiNotificationTrigger"]
