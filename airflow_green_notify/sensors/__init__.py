"""The sensors."""

from airflow_green_notify.sensors.notification import GreenApiNotificationSensor

__all__ = ["GreenApiNotificationSensor"]
