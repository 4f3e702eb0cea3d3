"""A warmed-up process that forks drains, so that a drain to be killed costs a tenth of a second.

Reads one JSON object per line, ``{"environment", "store", "batch_id", "options", "flaky"}``, or the job of
``task_run.py`` or ``work_run.py``; answers with the child's pid at once, with ``opened`` when its store is
(or at its end), and after an empty line with how it ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from typing import Any, TextIO

from airflow_green_notify.drain import drain
from airflow_green_notify.errors import GreenApiError, NotificationStoreError
from airflow_green_notify.hooks import GreenApiHook, aiohttp_transport  # noqa: F401  (warms up)
from airflow_green_notify.notification import Notification
from airflow_green_notify.stoppable import ToldToStop
from tests.crash import task_run, work_run
from tests.crash.task_run import store_of


class FlakyStore:
    """Fails now and then, before or after what it stands before took the notification."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._chance = random.Random()

    def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
        drawn = self._chance.random()
        if drawn < 0.02:
            raise NotificationStoreError("It fails before it stores.")
        new = self._store.put(notification, note)
        if drawn > 0.98:
            raise NotificationStoreError("It fails after it stored.")
        return bool(new)


def drain_as_a_task_would(job: dict[str, Any], answers: TextIO) -> int:
    """Drain until the queue is empty; 75 (try again) after an error that a retry of the task may fix."""
    os.environ.update(job["environment"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if job.get("kind") == "work":
            return work_run.run(job)
        if "kind" in job:
            return task_run.run(job)
        with store_of(job["store"]).open(job["batch_id"]) as store:
            print(json.dumps({"opened": True}), file=answers, flush=True)
            drain(
                GreenApiHook(max_attempts=2), FlakyStore(store) if job["flaky"] else store, **job["options"]
            )
    except ToldToStop:
        return 143
    except GreenApiError as error:
        return 75 if error.retryable else 1
    return 0


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nowhere:  # Airflow logs to both
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = drain_as_a_task_would(json.loads(line), answers)
            except SystemExit as stopped:
                code = int(stopped.code or 0)
            finally:
                print(json.dumps({"opened": False}), file=answers, flush=True)  # if it failed before
                os._exit(code)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        sys.stdin.readline()  # until then the child stays unreaped, so that its pid can't be another's
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


if __name__ == "__main__":
    main()
