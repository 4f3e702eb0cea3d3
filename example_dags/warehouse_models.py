"""Drain, keep SQL models over what was stored, and draw each evening who wrote when, as an HTML file.

The models are views, which show what was drained without being made anew: their task has something to do in
the first run and after an upgrade. What came too late for the chart of its day is in it if you run the Dag
with ``day``.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime
from html import escape

from airflow.sdk import BaseHook, Param, dag, task

from airflow_green_notify.operators import GreenApiCreateModelsOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite
HOME = os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow"))
DAY = Param(None, type=["null", "string"], format="date", description="in UTC; by default today")
SENT = "SELECT chat_id, substr(sent_at, 12, 2) FROM green_api_notifications__messages WHERE sent_on = ?"
STYLE = "<style>td, th {min-width: 2em; text-align: center; font: 14px sans-serif}</style>"


def chart(sent: Counter[tuple[str, int]]) -> str:
    """Draw a row for each chat and a cell for each hour, the darker the more messages."""
    table = "<table><tr><th>UTC" + "".join(f"<th>{hour}" for hour in range(24))
    for chat in sorted({chat for chat, _ in sent}):
        table += f"\n<tr><th>{escape(chat)}"
        for hour in range(24):
            shade = 100 * sent[chat, hour] // max(sent.values())
            table += f'<td style="background:rgb(0 150 90/{shade}%)">{sent[chat, hour] or ""}'
    return table + "</table>"


@dag(schedule="0 20 * * *", catchup=False, tags=["green-api"], doc_md=__doc__, params={"day": DAY})
def warehouse_models() -> None:
    store = SqlStore(WAREHOUSE)
    drain = GreenApiDrainNotificationsOperator(task_id="drain", store=store, retries=3)
    models = GreenApiCreateModelsOperator(task_id="models", store=store, retries=3)

    @task
    def report(day: str) -> str:
        on = date.fromisoformat(day) if day else datetime.now(UTC).date()
        rows = BaseHook.get_hook(WAREHOUSE).get_records(SENT, parameters=(str(on),))
        path = os.path.join(HOME, f"green-api-{on}.html")
        with open(path, "w", encoding="utf-8") as page:
            drawn = chart(Counter((chat, int(hour)) for chat, hour in rows))
            page.write(f"<!doctype html><meta charset=utf-8>{STYLE}<h1>{on}</h1>{drawn}")
        return path

    drain >> models >> report("{{ params.day or '' }}")


warehouse_models()
