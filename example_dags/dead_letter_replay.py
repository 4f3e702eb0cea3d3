"""Book orders that people write in chats; set aside what can't be booked, and book it once it can.

An order for a product without a price fails three times and becomes a dead letter, with the error beside it;
the orders behind it are booked all the same. Add the price to the Variable green_api_prices, run the Dag with
``replay``, and what was set aside is booked in its order. Booking twice changes nothing, as it must not.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, Variable, dag, task

from airflow_green_notify.consume.dead_letters import replay_dead_letters
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiProcessStoredOperator
from airflow_green_notify.stores import SqlStore

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite, which another Dag drains into
UNBOOKED = SqlStore(WAREHOUSE, table="unbooked")


def book(notification: Notification) -> None:
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    _, product, *_ = (notification.text or "").lower().split()
    price = Variable.get("green_api_prices", default={}, deserialize_json=True)[product]
    warehouse = SqliteHook(WAREHOUSE)
    warehouse.run("CREATE TABLE IF NOT EXISTS orders (key TEXT PRIMARY KEY, chat_id, product, price)")
    row = (notification.key, notification.chat_id, product, price)
    warehouse.run("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?)", parameters=row)


@dag(
    schedule="*/5 * * * *",
    catchup=False,
    max_active_runs=1,
    tags=["green-api"],
    doc_md=__doc__,
    params={"replay": Param(False, type="boolean")},
)
def dead_letter_replay() -> None:
    @task
    def replay(params: dict[str, Any] | None = None) -> dict[str, int]:
        """Mark what was set aside; the next task takes it up."""
        return replay_dead_letters(UNBOOKED, everything=True) if params and params["replay"] else {}

    replay() >> GreenApiProcessStoredOperator(
        task_id="book",
        store=SqlStore(WAREHOUSE),
        consumer="orders",
        matching={"direction": "incoming", "text": r"(?i)^order \w"},
        handler=book,
        dead_letter=UNBOOKED,
        retries=3,
    )


dead_letter_replay()
