"""One try of a task that drains or handles, in a process of its own: the real operator in a task's context.

What a test has to know of it lies in a folder: the description that it returned, and a line for each
beginning and end of a handler.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_green_notify.consume import leases, working
from airflow_green_notify.drain import lease
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiProcessStoredOperator,
)
from airflow_green_notify.protocol import call
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

SPAN = 2.0
"""Seconds of a lease here: a tenth of the real one, so that readers lose theirs in a test's time."""


class TaskInstance:
    """What operators read of a task instance, and what Airflow answers about others: what the test wrote."""

    map_index = -1

    def __init__(self, job: dict[str, Any]) -> None:
        self.dag_id, self.task_id = "dag", job.get("task", job["kind"])
        self.run_id, self.try_number = job["run_id"], job["try_number"]
        self._states = Path(job["folder"]) / "states.json"

    def get_task_states(self, *, run_ids: list[str], task_ids: list[str], **_: Any) -> dict[str, Any]:
        states = json.loads(self._states.read_text())
        return {run_id: {task_ids[0]: states[run_id]} for run_id in run_ids if run_id in states}


def store_of(description: dict[str, Any]) -> SqlStore | ObjectStorageStore:
    kinds = {"sql": SqlStore, "object_storage": ObjectStorageStore}
    return kinds[description["kind"]](**description["arguments"])


def operator_of(job: dict[str, Any]) -> Any:
    store = store_of(job["store"])
    options: dict[str, Any] = {"task_id": job.get("task", job["kind"]), "until": None}
    options |= {"receive_timeout": 0.3, "wait_for_reader": 20}
    if "connections" in job:
        options |= {"green_api_conn_id": job["connections"], "on_instance_error": "warn"}
    if job["kind"] in ("drain", "fleet"):
        return GreenApiDrainNotificationsOperator(store=store, **options)
    log = os.open(Path(job["folder"]) / "handled.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: str, notification: Notification) -> None:
        line = {"event": event, "key": notification.key, "run": job["name"], "at": time.monotonic()}
        os.write(log, json.dumps(line).encode() + b"\n")

    def handler(notification: Notification) -> None:
        note("begin", notification)
        time.sleep(job["handler_seconds"])
        if notification.key in job.get("poison", ()):
            raise LookupError("no such customer")
        note("end", notification)

    max_attempts = job.get("max_attempts", 1000)
    if job["kind"] == "process_stored":
        return GreenApiProcessStoredOperator(
            task_id="process_stored",
            store=store,
            handler=dying(job, "handler", handler),
            consumer="bot",
            dead_letter=store,
            max_attempts=max_attempts,
        )
    return GreenApiProcessNotificationsOperator(
        handler=dying(job, "handler", handler), dead_letter=store, max_attempts=max_attempts, **options
    )


def dying(job: dict[str, Any], step: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Kill the process before or after a step, the so-manieth time that it is done, if the job says so."""
    if job.get("dies", {}).get("step") != step:
        return work
    left = job["dies"]["times"]

    def dies(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if not left and job["dies"]["when"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return work(*arguments, **named)
        finally:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return dies


def let_die(job: dict[str, Any]) -> None:
    """Put the death of a job into the step where it is to happen."""
    from airflow_green_notify.stores.object_storage.dead_letters import FileDeadLetters
    from airflow_green_notify.stores.sql.dead_letters import SqlDeadLetters
    from airflow_green_notify.stores.sql.work import SqlWork
    from airflow_green_notify.stores.store import Store

    for owner, names in (
        (Store, ("begin_attempt", "put", "finish", "close")),
        (SqlDeadLetters, ("remove",)),
        (FileDeadLetters, ("remove", "_create", "unmark")),
        (SqlWork, ("claim_for", "hold", "give_back")),
    ):
        for name in names:
            setattr(owner, name, dying(job, name, getattr(owner, name)))


def run(job: dict[str, Any]) -> int:
    """Execute the operator and keep what it returned, as Airflow does with a task that succeeds.

    Airflow takes its time to keep it, and some more until it knows that the task succeeded.
    """
    span = job.get("span", SPAN)
    lease.SPAN, lease.MARGIN, lease.RENEW_EVERY, lease.ASK_EVERY = span, span / 5, span / 4, 0.1
    leases.SPAN, leases.MARGIN, leases.RENEW_EVERY = span, span / 5, span / 4
    working.pause_after = lambda attempts: 0.1  # type: ignore[assignment]
    let_die(job)
    operator = operator_of(job)
    if "connections" in job:
        call.READ_TIMEOUT = 1.0  # of a gateway that hangs
        signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())  # as Airflow does
    result = operator.execute({"ti": TaskInstance(job)})
    pause = job.get("seconds_to_return", 0.0) / 2
    time.sleep(pause)
    returned = Path(job["folder"]) / f"{job['name']}.json"
    returned.with_suffix(".part").write_text(json.dumps(result.get("dead_letter_batch") or result))
    returned.with_suffix(".part").rename(returned)
    time.sleep(pause)
    return 0
