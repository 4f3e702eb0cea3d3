"""The sensors."""

from airflow_green_notify.sensors.notification import GreenApiNotificationSensor
from airflow_green_notify.sensors.stored_notification import GreenApiStoredNotificationSensor

__all__ = ["GreenApiNotificationSensor", "GreenApiStoredNotificationSensor"]
