"""A Dag whose drain kills its own process after some notifications; run as a program, one try of it."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG

from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore
from tests.conftest import save_dag

LOGICAL_DATE = datetime(2026, 1, 1, tzinfo=UTC)


class MortalStore(SqlStore):
    """Kills the process right after it stored so many notifications."""

    lives = int(os.environ.get("DIES_AFTER", "-1"))

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        new = super().put(notification, note)
        MortalStore.lives -= 1
        if not MortalStore.lives:
            os.kill(os.getpid(), signal.SIGKILL)
        return new


def drain_dag() -> DAG:
    with DAG("killed_in_the_middle", schedule=None) as dag:
        GreenApiDrainNotificationsOperator(task_id="drain", store=MortalStore("store"), receive_timeout=0.2)
    return dag


def run() -> Any:
    """Run the Dag; always the same run, so each call is a further try of its task."""
    dag = drain_dag()
    save_dag(dag)
    return dag.test(run_after=LOGICAL_DATE, logical_date=LOGICAL_DATE)


if __name__ == "__main__":
    sys.exit(str(run().state) != "success")
