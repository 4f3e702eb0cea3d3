"""Drain, keep SQL models over what was stored, and tell each evening how the day went.

The models are views, which show what was drained without being made anew: their task has something to do in
the first run and after an upgrade. What arrives later, such as the status "read", still changes the numbers
of the day, so the same question gets a fuller answer tomorrow: run the Dag with ``day``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import BaseHook, Param, dag, task

from airflow_green_notify.operators import GreenApiCreateModelsOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore

STORE = SqlStore("green_api_warehouse")  # a connection to SQLite, PostgreSQL, MySQL or MariaDB

NUMBERS = """
    SELECT instance_id, incoming, outgoing, read_count, failed_count
    FROM green_api_notifications__instance_daily WHERE day = '{day}' ORDER BY instance_id
"""
WAITING = """
    SELECT chat_id, incoming FROM green_api_notifications__conversations
    WHERE started_on = '{day}' AND waiting_since IS NOT NULL ORDER BY waiting_since, chat_id
"""


@dag(
    schedule="0 20 * * *",
    catchup=False,
    max_active_runs=1,
    tags=["green-api"],
    doc_md=__doc__,
    params={"day": Param("", type="string", description="as 2026-01-31, in UTC; today if left out")},
)
def report_of_the_day() -> None:
    drain = GreenApiDrainNotificationsOperator(task_id="drain", store=STORE, retries=3)
    models = GreenApiCreateModelsOperator(task_id="models", store=STORE, retries=3)

    @task
    def report(day: str) -> dict[str, list[list[Any]]]:
        on = date.fromisoformat(day) if day else datetime.now(UTC).date()
        hook = BaseHook.get_hook(STORE.conn_id)
        questions = {"numbers": NUMBERS, "waiting": WAITING}
        return {name: [*map(list, hook.get_records(sql.format(day=on)))] for name, sql in questions.items()}

    drain >> models >> report("{{ params.day }}")


report_of_the_day()
