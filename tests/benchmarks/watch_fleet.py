"""What it costs to watch many instances with one trigger.

``python -m tests.benchmarks.watch_fleet`` watches 1,000 instances of the emulator, which runs in another
process: seconds until each is looked at, share of a core and memory while idle, milliseconds from a push to
the ring, and the share of a core while something waits in a tenth of the queues and in all of them. Exit code
1 if it needs 10 % of a core or more while idle.

``--real-masker`` leaves Airflow's secrets masker as it is, see :mod:`tests.benchmarks.waiters`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import Any

import aiohttp

from tests.benchmarks.waiters import QUIET, RESULT, _gateway, _resident_kib

IDLE_SECONDS = 60.0
BUSY_SECONDS = 20.0


class Watcher:
    """The doorbell of a fleet, running in this process."""

    def __init__(self, count: int) -> None:
        from airflow_green_notify.hooks import aiohttp_transport  # noqa: F401  (part of the bare process)
        from airflow_green_notify.triggers import GreenApiDoorbellTrigger

        self.instances = json.loads(os.environ["BENCHMARK_INSTANCES"])
        self.trigger = GreenApiDoorbellTrigger([f"green_api_{number}" for number in range(count)])
        self.rung = asyncio.Event()

    async def run(self) -> None:
        """Ring."""
        async for _ in self.trigger.run():
            self.rung.set()

    async def start(self) -> float:
        """Wait until the first look at each instance is under way; return the seconds."""
        began_at = time.monotonic()
        members = self.trigger._watch._members.values()  # type: ignore[union-attr]
        while not all(member._admitted for member in members):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return time.monotonic() - began_at

    async def push(self, *numbers: int) -> None:
        """Push a notification to each of these instances."""
        async with aiohttp.ClientSession() as session:
            for number in numbers:
                text = json.dumps({"typeWebhook": "incomingMessageReceived", "idMessage": f"{number}"})
                url = f"{os.environ['BENCHMARK_URL']}/_emulator/push?instance={self.instances[number]}"
                async with session.post(url, data=text, headers={"Content-Type": "application/json"}) as done:
                    done.raise_for_status()


async def _core_percent(seconds: float) -> float:
    cpu, began_at = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / (time.monotonic() - began_at) * 100


async def _measure(count: int) -> dict[str, float]:
    watcher = Watcher(count)
    bare, cpu = _resident_kib(), time.process_time()
    task = asyncio.create_task(watcher.run())
    await asyncio.sleep(0.1)
    figures = {"start s": await watcher.start(), "start CPU s": time.process_time() - cpu}
    await asyncio.sleep(25)  # a round of long polls
    figures["idle core %"] = await _core_percent(IDLE_SECONDS)
    figures["MiB"] = (_resident_kib() - bare) / 1024
    pushed_at = time.monotonic()
    await watcher.push(0)
    await watcher.rung.wait()
    figures["push to ring ms"] = (time.monotonic() - pushed_at) * 1000
    await watcher.push(*range(1, count // 10))
    figures["tenth waits core %"] = await _core_percent(BUSY_SECONDS)
    await watcher.push(*range(count // 10, count))
    figures["all wait core %"] = await _core_percent(BUSY_SECONDS)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await watcher.trigger.cleanup()
    return figures


def main() -> int:
    """Run the fleet in a process of its own, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--real-masker", action="store_true")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        logging.disable(logging.WARNING)
        print(RESULT + json.dumps(asyncio.run(_measure(arguments.instances))))
        return 0
    with ExitStack() as stack:
        environment = _gateway(stack, arguments.instances)
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.watch_fleet",
                "--watch",
                f"--instances={arguments.instances}",
            ],
            env=os.environ | environment | ({} if arguments.real_masker else QUIET),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures: dict[str, Any] = json.loads(ended.stdout.partition(RESULT)[2].partition("\n")[0])
    for name, figure in figures.items():
        print(f"{name:20}{figure:10.4g}")
    return int(figures["idle core %"] >= 10)


if __name__ == "__main__":
    sys.exit(main())
