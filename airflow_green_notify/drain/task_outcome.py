"""What became of the task that made a batch, as Airflow knows it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_green_notify.stores.names import parts_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.drain.ownership import Outcome
    from airflow_green_notify.stores.ledger import BatchRecord

log = logging.getLogger(__name__)

_OUTCOMES: dict[str, Outcome] = {
    "success": "handed on",
    "failed": "failed",
    "upstream_failed": "failed",
    "removed": "failed",
    "skipped": "failed",
}
"""What is skipped returned nothing. Every other state may still become one of these."""


class TaskOutcomes:
    """Asks Airflow, from inside a task, for the state of one task instance after the other.

    An XCom is no witness: it is pushed before the state is, and removed by each further try.
    """

    def __init__(self, context: Context) -> None:
        self._task_instance = context["ti"]

    def __call__(self, record: BatchRecord) -> Outcome:
        """Return what became of the task of a batch; ``unfinished`` also if Airflow can't be asked."""
        try:
            dag_id, run_id, task_id, map_index = parts_of(record.batch_id)
        except ValueError:
            return "unknown"
        try:
            states = self._task_instance.get_task_states(
                dag_id=dag_id, run_ids=[run_id], task_ids=[task_id], map_index=int(map_index)
            )
        except Exception as error:
            log.warning(
                "Airflow could not be asked about batch %s: %s", record.batch_id, type(error).__name__
            )
            return "unfinished"
        found = [state for of_run in states.values() for state in of_run.values()]
        return _OUTCOMES.get(str(found[0]), "unfinished") if found else "unknown"
