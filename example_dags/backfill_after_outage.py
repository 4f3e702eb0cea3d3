"""After an outage of more than a day: drain what the queue still has, fetch what it lost from the journals.

The gateway keeps notifications for 24 hours. Messages are in its journals for longer, so the backfill stores
those that the drain could not bring any more, marked as such, and none that the store has already. Calls,
states and delivery statuses are in no journal; those of the time before are lost.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiDrainNotificationsOperator,
)
from airflow_green_notify.stores import SqlStore

STORE = SqlStore("green_api_warehouse")  # the connection, of type sqlite, of the store that is drained into


@dag(
    schedule=None,
    catchup=False,
    tags=["green-api"],
    doc_md=__doc__,
    params={"minutes": Param(3 * 24 * 60, type="integer", description="how long the outage was, and more")},
)
def backfill_after_outage() -> None:
    drained = GreenApiDrainNotificationsOperator(task_id="drain", store=STORE, retries=2)
    backfilled = GreenApiBackfillMessagesOperator(
        task_id="backfill", store=STORE, minutes="{{ params.minutes }}", retries=2
    )

    @task
    def report(drained: dict[str, Any], backfilled: dict[str, Any]) -> None:
        print(f"{drained['count']} from the queue; from the journals: {backfilled['report']}")

    drained >> backfilled
    report(drained.output, backfilled.output)


backfill_after_outage()
