"""What waits in the triggerer: the doorbell, the notification itself, and what deferred tasks wait for."""

from airflow_green_notify.triggers.delivery import GreenApiDeliveryTrigger
from airflow_green_notify.triggers.doorbell import GreenApiDoorbellTrigger
from airflow_green_notify.triggers.head import GreenApiHeadTrigger
from airflow_green_notify.triggers.notification import GreenApiNotificationTrigger, read_events
from airflow_green_notify.triggers.settings import GreenApiSettingsTrigger
from airflow_green_notify.triggers.stored import GreenApiStoredTrigger
from airflow_green_notify.triggers.stored_delivery import GreenApiStoredDeliveryTrigger

__all__ = [
    "GreenApiDeliveryTrigger",
    "GreenApiDoorbellTrigger",
    "GreenApiHeadTrigger",
    "GreenApiNotificationTrigger",
    "GreenApiSettingsTrigger",
    "GreenApiStoredDeliveryTrigger",
    "GreenApiStoredTrigger",
    "read_events",
]
