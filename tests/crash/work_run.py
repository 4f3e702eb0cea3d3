"""A task that works through a store, in a process of its own: the real operator in a task's context.

What a test has to know lies in a file: a line for each beginning and end of a handler, and for each note that
it ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from airflow_green_notify.consume import leases, working
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiProcessStoredOperator
from airflow_green_notify.stores.sql import database
from airflow_green_notify.stores.sql.intake import lane_of
from airflow_green_notify.stores.sql.work import Claim, SqlWork
from tests.crash.task_run import TaskInstance, store_of

SPAN = 3.0
"""Seconds of a lease here, so that workers lose theirs in a test's time."""


def run(job: dict[str, Any]) -> int:
    leases.SPAN, leases.MARGIN, leases.RENEW_EVERY, working.ASK_EVERY = SPAN, SPAN / 5, SPAN / 6, 0.2
    database.IDLE_IN_TRANSACTION = 1
    chance = random.Random(job["name"])
    finish_of_work = SqlWork.finish
    log = os.open(Path(job["folder"]) / "handled.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(**line: Any) -> None:
        line |= {"worker": job["name"], "at": time.monotonic()}
        os.write(log, json.dumps(line).encode() + b"\n")

    def note(event: str, notification: Notification, call: int) -> None:
        body, lane = notification.body, lane_of(notification)
        tell(event=event, chat=body["chat"], lane=lane, number=body["number"], call=f"{job['name']}/{call}")

    def finish(self: SqlWork, claim: Claim) -> bool:
        is_own = finish_of_work(self, claim)
        tell(event="noted", lane=claim.chat)
        return is_own

    def plain(notification: Notification) -> None:
        call = chance.getrandbits(64)
        note("begin", notification, call)
        time.sleep(chance.uniform(0, job["handler_seconds"]))
        note("end", notification, call)

    async def on_loop(notification: Notification) -> None:
        call = chance.getrandbits(64)
        note("begin", notification, call)
        await asyncio.sleep(chance.uniform(0, job["handler_seconds"]))
        note("end", notification, call)

    SqlWork.finish = finish  # type: ignore[method-assign]
    operator = GreenApiProcessStoredOperator(
        task_id="work",
        store=store_of(job["store"]),
        handler=on_loop if job["is_async"] else plain,
        consumer="bot",
        max_parallel=4,
        max_attempts=1000,
    )
    operator.execute({"ti": TaskInstance(job | {"run_id": job["name"], "try_number": 1})})
    return 0
