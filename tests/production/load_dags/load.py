"""The Dags of the load run: a Dag for each instance; and for each number of them a fleet and a stream."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.sensors import GreenApiStoredNotificationSensor
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

COUNTS = [int(count) for count in os.environ["LOAD_INSTANCES"].split()]
WAITS = [int(count) for count in os.environ["LOAD_SENSORS"].split()]
LINGER = float(os.environ["LOAD_LINGER"])
CONNECTIONS = [f"green_api_{number}" for number in range(max(COUNTS, default=1))]
ONE_RUN = {"catchup": False, "max_active_runs": 1}


def drain(connections: str | Sequence[str], table: str, **arguments: Any) -> None:
    """Drain into a table."""
    store = SqlStore("green_api_warehouse", table=table)
    GreenApiDrainNotificationsOperator(
        task_id="drain", green_api_conn_id=connections, store=store, retries=2, **arguments
    )


def bell(name: str, connections: str | list[str], min_ring_interval: float) -> Asset:
    """Return the asset that a doorbell rings for."""
    trigger = GreenApiDoorbellTrigger(connections, min_ring_interval=min_ring_interval)
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])


def make_own(number: int) -> None:
    """Make the Dag of one instance, with a doorbell of its own."""
    connection = CONNECTIONS[number]

    @dag(dag_id=f"own_{number}", schedule=[bell(f"own_{number}", connection, 1.0)], **ONE_RUN)
    def own() -> None:
        drain(connection, "own", skip_if_empty=True)

    own()


def make_fleet(count: int) -> None:
    """Make the Dag of so many instances, with one doorbell."""
    connections = CONNECTIONS[:count]

    @dag(dag_id=f"fleet_{count}", schedule=[bell(f"fleet_{count}", connections, 5.0)], **ONE_RUN)
    def fleet() -> None:
        drain(connections, f"fleet_{count}", skip_if_empty=True)

    fleet()


def make_stream(count: int) -> None:
    """Make the Dag that streams so many instances."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    @dag(dag_id=f"stream_{count}", schedule="@continuous", start_date=begin, **ONE_RUN)
    def stream() -> None:
        drain(CONNECTIONS[:count], f"stream_{count}", linger=LINGER, on_instance_error="warn")

    stream()


def make_waits(count: int) -> None:
    """Make the Dag of so many sensors, each of which waits for the answer to its own question."""

    @dag(dag_id=f"waits_{count}", schedule=None, catchup=False, max_active_tasks=count, max_active_runs=count)
    def waits() -> None:
        questions = [{"type_webhook": "incomingMessageReceived", "quoted_id": f"Q{n}"} for n in range(count)]
        GreenApiStoredNotificationSensor.partial(
            task_id="wait",
            store=SqlStore("green_api_warehouse", table="stream_1"),
            deferrable=True,
            timeout=6 * 3600,
        ).expand(matching=questions)

    waits()


for place in range(max(COUNTS, default=0)):
    make_own(place)
for size in sorted({*COUNTS, 1}):
    make_fleet(size)
    make_stream(size)
for size in WAITS:
    make_waits(size)
