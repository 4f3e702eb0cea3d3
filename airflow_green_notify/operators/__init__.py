"""The operators: queue, draining and repairing, consuming, models, sending, media, instance, any method."""

from airflow_green_notify.operators.backfill import GreenApiBackfillMessagesOperator
from airflow_green_notify.operators.calling import GreenApiCallOperator
from airflow_green_notify.operators.consuming import GreenApiReadNewOperator
from airflow_green_notify.operators.draining import GreenApiDrainNotificationsOperator
from airflow_green_notify.operators.instance import GreenApiConfigureInstanceOperator
from airflow_green_notify.operators.media import GreenApiDownloadMediaOperator
from airflow_green_notify.operators.models import GreenApiCreateModelsOperator
from airflow_green_notify.operators.processing import GreenApiProcessNotificationsOperator
from airflow_green_notify.operators.processing_stored import GreenApiProcessStoredOperator
from airflow_green_notify.operators.queue import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)
from airflow_green_notify.operators.sending import GreenApiSendMessageOperator
from airflow_green_notify.operators.sending_files import GreenApiSendFileOperator
from airflow_green_notify.operators.sending_polls import GreenApiSendPollOperator

__all__ = [
    "GreenApiBackfillMessagesOperator",
    "GreenApiCallOperator",
    "GreenApiConfigureInstanceOperator",
    "GreenApiCreateModelsOperator",
    "GreenApiDeleteNotificationOperator",
    "GreenApiDownloadMediaOperator",
    "GreenApiDrainNotificationsOperator",
    "GreenApiProcessNotificationsOperator",
    "GreenApiProcessStoredOperator",
    "GreenApiReadNewOperator",
    "GreenApiReceiveNotificationOperator",
    "GreenApiSendFileOperator",
    "GreenApiSendMessageOperator",
    "GreenApiSendPollOperator",
]
