"""Each instance is drained by a Dag of its own, by that of a fleet, or by one that streams.

What a drain hands on is noted by the task behind it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.triggers import GreenApiDoorbellTrigger
from tests.production.witness import STORE, WAREHOUSE, note

OWN = os.environ["CHAOS_OWN"].split()
FLEET = os.environ["CHAOS_FLEET"].split()
STREAM = os.environ["CHAOS_STREAM"].split()
RING_INTERVAL = float(os.environ["CHAOS_RING_INTERVAL"])
LINGER = float(os.environ["CHAOS_LINGER"])
RETRIES = 100


def doorbell(name: str, connections: str | list[str]) -> Asset:
    """Make an asset whose events start the Dag that drains these."""
    trigger = GreenApiDoorbellTrigger(connections, min_ring_interval=RING_INTERVAL)
    return Asset(f"queues_{name}", watchers=[AssetWatcher(name=f"doorbell_{name}", trigger=trigger)])


def drain(connections: str | list[str], linger: float = 0.0) -> None:
    """Drain, and note what is handed on."""
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain",
        green_api_conn_id=connections,
        store=SqlStore(WAREHOUSE, table=STORE),
        skip_if_empty=True,
        linger=linger,
        on_instance_error="warn",
        retries=RETRIES,
    )

    @task(retries=RETRIES)
    def hand_on(batch: dict[str, Any]) -> None:
        note("handed_on", [each.key for each in read_batch(batch)])

    hand_on(drained.output)


def make_dag(name: str, connections: str | list[str]) -> None:
    """Make a Dag that drains when the doorbell rings."""

    @dag(dag_id=name, schedule=[doorbell(name, connections)], catchup=False, max_active_runs=1)
    def drain_on_ring() -> None:
        drain(connections)

    drain_on_ring()


for connection in OWN:
    make_dag(f"own_{connection}", connection)

make_dag("fleet", FLEET)


@dag(schedule="@continuous", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def stream() -> None:
    drain(STREAM, LINGER)


stream()
