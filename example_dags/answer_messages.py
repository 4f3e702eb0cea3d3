"""Answer each message that came in, in one task, and none of them twice.

The function sees one notification after the other, and returns what to send, or nothing. Nothing is mapped:
texts that people write don't travel through expand_kwargs, which would render them as templates, and a batch
may hold more than Airflow maps over. A retry goes on where the try before it stopped.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator, GreenApiSendMessageOperator
from airflow_green_notify.stores import SqlStore

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite


def answer(notification: Notification) -> dict[str, str | None] | None:
    """Tell who wrote a text, in a chat of their own, that it was read."""
    chat_id = notification.chat_id or ""
    if notification.type_webhook != "incomingMessageReceived" or not chat_id.endswith("@c.us"):
        return None
    if not notification.text:
        return None
    return {
        "message": f"Thank you, we got “{notification.text[:100]}” and will write back within a day.",
        "quoted_message_id": notification.id_message,
    }


@dag(schedule="*/5 * * * *", catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def answer_messages() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain", store=SqlStore(WAREHOUSE), skip_if_empty=True, retries=3
    )
    GreenApiSendMessageOperator(
        task_id="answer",
        messages=answer,
        notifications=drained.output,
        on_refused="list",  # a chat that can't be written to is no reason to alarm anybody
        retries=3,
    )


answer_messages()
