"""Drain, keep SQL models over what was stored, and draw each evening who wrote when, as an HTML file.

The models are views, which show what was drained without being made anew: their task has something to do in
the first run and after an upgrade. What arrives later, such as the status "read", still changes the numbers
of the day, so the same question gets a fuller answer tomorrow: run the Dag with ``day``.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime
from html import escape
from typing import Any

from airflow.sdk import BaseHook, Param, dag, task

from airflow_green_notify.operators import GreenApiCreateModelsOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore

STORE = SqlStore("green_api_warehouse")  # a connection to SQLite, PostgreSQL, MySQL or MariaDB
HOME = os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow"))
MODEL = "green_api_notifications__"
NUMBERS = ("incoming", "outgoing", "read_count", "failed_count")
TOTALS = f"SELECT {', '.join(NUMBERS)} FROM {MODEL}instance_daily WHERE day ="
MESSAGES = f"SELECT chat_id, sent_at FROM {MODEL}messages WHERE sent_on ="
STYLE = "<style>td, th {min-width: 2em; text-align: center; font: 14px sans-serif}</style>"


def hour_of(sent_at: Any) -> int:
    at = datetime.fromisoformat(sent_at) if isinstance(sent_at, str) else sent_at
    return int((at.astimezone(UTC) if at.tzinfo else at).hour)


def chart(sent: Counter[tuple[str, int]]) -> str:
    """Draw a row for each chat and a cell for each hour, the darker the more messages."""
    table = "<table><tr><th>UTC" + "".join(f"<th>{hour}" for hour in range(24))
    for chat in sorted({chat for chat, _ in sent}):
        shades = [100 * sent[chat, hour] // max(sent.values()) for hour in range(24)]
        cells = [
            f'<td style="background:rgb(0 150 90/{s}%)">{sent[chat, h] or ""}' for h, s in enumerate(shades)
        ]
        table += f"\n<tr><th>{escape(chat)}{''.join(cells)}"
    return table + "</table>"


@dag(
    schedule="0 20 * * *",
    catchup=False,
    max_active_runs=1,
    tags=["green-api"],
    doc_md=__doc__,
    params={"day": Param(None, type=["null", "string"], format="date", description="in UTC; else today")},
)
def warehouse_models() -> None:
    drain = GreenApiDrainNotificationsOperator(task_id="drain", store=STORE, retries=3)
    models = GreenApiCreateModelsOperator(task_id="models", store=STORE, retries=3)

    @task
    def report(day: str) -> dict[str, Any]:
        on = date.fromisoformat(day) if day else datetime.now(UTC).date()
        warehouse = BaseHook.get_hook(STORE.conn_id)
        sent = Counter((chat, hour_of(at)) for chat, at in warehouse.get_records(f"{MESSAGES} '{on}'"))
        totals = [sum(column) for column in zip(*warehouse.get_records(f"{TOTALS} '{on}'"), strict=True)]
        path = os.path.join(HOME, f"green-api-{on}.html")
        with open(path, "w", encoding="utf-8") as page:
            page.write(f"<!doctype html><meta charset=utf-8>{STYLE}<h1>{on}</h1>{chart(sent)}")
        return {"path": path, **dict(zip(NUMBERS, map(int, totals), strict=False))}

    drain >> models >> report("{{ params.day or '' }}")


warehouse_models()
