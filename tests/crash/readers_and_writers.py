"""A writer that fills a store, or a reader that reads on in it, each in a process of its own.

What a test has to know lies in files of a folder, a line for each thing that happened.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from airflow_green_notify.consume import read_new
from airflow_green_notify.drain import lease
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from tests.crash.task_run import store_of

SPAN = 4.0
"""Seconds of a lease here, so that readers lose theirs in a test's time."""


class Lines:
    """A file to which lines are added, each at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line | {"at": time.monotonic(), "pid": os.getpid()}).encode() + b"\n")


def run(job: dict[str, Any]) -> int:
    os.environ.update(job["environment"])
    lease.SPAN, lease.MARGIN, lease.RENEW_EVERY, lease.ASK_EVERY = SPAN, SPAN / 5, SPAN / 4, 0.1
    chance = random.Random(job["seed"])
    return read(job, chance) if "consumer" in job else write(job, chance)


def write(job: dict[str, Any], chance: random.Random) -> int:
    """Store what some instances bring, batch after batch, from where the one before ended.

    The batch that it was at is opened anew, as a retry does: it may not have been closed.
    """
    name, size = f"instances-{job['instances'][0]}", job["batch_size"]
    progress = Path(job["folder"]) / name
    written = Lines(progress)
    done = len(progress.read_text().splitlines())
    for begin in range(max(0, done - 1) // size * size, job["rows"], size):
        with store_of(job["store"]).open(f"dag/{begin}/{name}/-1") as opened:
            for number in range(max(begin, done), min(begin + size, job["rows"])):
                group = [Notification(1, body(instance, number)) for instance in job["instances"]]
                outcomes = opened.put_all(group) if chance.random() < 0.7 else [*map(opened.put, group)]
                assert all(isinstance(each, bool) for each in outcomes), outcomes
                written.add(number=number)
                time.sleep(chance.uniform(0, job["seconds_of_pause"]))
    return 0


def body(instance: int, number: int) -> dict[str, Any]:
    chat = f"{number % 5}@c.us"
    return {"number": number, "instanceData": {"idInstance": instance}, "senderData": {"chatId": chat}}


def read(job: dict[str, Any], chance: random.Random) -> int:
    """Read on as a consumer until all is read, and tell of each page when it was worked on."""
    log = Lines(Path(job["folder"]) / f"consumer-{job['consumer']}")
    store = store_of(job["store"])
    while True:
        try:
            with read_new(store, job["consumer"], page_size=chance.choice(job["page_sizes"])) as page:
                span = {"after": page.after, "until": page.until}
                log.add(event="begin", **span)
                time.sleep(chance.uniform(0, job["seconds_of_work"]))
                rows = [(each.instance_id, each.body["number"]) for each in page]
                log.add(event="worked", rows=rows, **span)
                time.sleep(chance.uniform(0, 6 * job["seconds_of_work"]))
        except NotificationStoreError as error:  # another reader is at work, or took the page over
            log.add(event="refused", error=str(error))
            continue
        log.add(event="committed", **span)
        if page.until >= job["total"]:
            return 0
        if not page.has_more:
            time.sleep(chance.uniform(0, 0.05))
