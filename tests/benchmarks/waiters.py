"""What it costs to wait for many instances in one event loop, and how fast a push becomes an event.

``python -m tests.benchmarks.waiters`` waits for 1,000 instances with the doorbell's own code, against the
emulator; beside it, in the same run, for 50 queues with the SQS trigger of the Amazon provider against moto's
server, which holds no more. Each contestant runs in a process of its own. Exit code 1 if the doorbell needs
10 % of a core while idle, 100 MiB over the bare process, or a second from push to event (p99).

Airflow's secrets masker is told to leave the connections alone: it compiles all secrets anew into one pattern
for each that it learns, which costs 70 s and 180 MiB at 1,000 connections, whoever looks them up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any

import aiohttp

IDLE_SECONDS = 45.0  # two rounds of long polls
PUSHES = 300
PUSHES_PER_SECOND = 30
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR", "AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET": "1000"}
LIMITS = {"core %": 10.0, "MiB": 100.0, "p99 ms": 1000.0}
RESULT = "result: "
COLUMNS = ("waiters", "core %", "ms CPU/s each", "MiB", "KiB each", "p50 ms", "p99 ms")

Push = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


# --- one contestant, in its own process ---


def _doorbells(count: int) -> tuple[list[Any], Push]:
    from airflow_green_notify.hooks import aiohttp_transport  # noqa: F401  (part of the bare process)
    from airflow_green_notify.triggers import GreenApiDoorbellTrigger

    instances = json.loads(os.environ["BENCHMARK_INSTANCES"])

    async def push(session: aiohttp.ClientSession, number: int) -> None:
        body = json.dumps({"typeWebhook": "incomingMessageReceived", "idMessage": str(number)})
        address = f"{os.environ['BENCHMARK_URL']}/_emulator/push?instance={instances[number]}"
        async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as response:
            response.raise_for_status()

    return [GreenApiDoorbellTrigger(f"green_api_{number}") for number in range(count)], push


def _sqs_triggers(count: int) -> tuple[list[Any], Push]:
    from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger

    address = f"{os.environ['BENCHMARK_URL']}/123456789012/queue"

    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sqs/aws4_request",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessage",
    }

    async def push(session: aiohttp.ClientSession, number: int) -> None:
        message = json.dumps({"QueueUrl": f"{address}{number}", "MessageBody": "hello"})
        async with session.post(os.environ["BENCHMARK_URL"], data=message, headers=headers) as response:
            response.raise_for_status()

    queues = (f"{address}{number}" for number in range(count))
    # Long polls without a pause: by default it looks for 1 s a minute.
    options = {"wait_time_seconds": 20, "waiter_delay": 0, "region_name": "us-east-1"}
    return [SqsSensorTrigger(queue, **options) for queue in queues], push


CONTESTANTS = {"doorbell": _doorbells, "SQS trigger": _sqs_triggers}


async def _measure(contestant: str, count: int) -> dict[str, float]:
    triggers, push = CONTESTANTS[contestant](count)
    bare = _resident_kib()
    first_events = [asyncio.get_running_loop().create_future() for _ in triggers]
    tasks = [
        asyncio.create_task(_note_first_event(trigger.run(), first))
        for trigger, first in zip(triggers, first_events, strict=True)
    ]
    await asyncio.sleep(10 + count / 100)
    cpu, began_at = time.process_time(), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    core = (time.process_time() - cpu) / (time.monotonic() - began_at)
    kib = _resident_kib() - bare
    latencies = sorted(await _latencies(push, first_events))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for trigger in triggers:
        await trigger.cleanup()
    figures = (count, core * 100, core * 1000 / count, kib / 1024, kib / count)
    return dict(zip(COLUMNS, (*figures, _percentile(latencies, 50), _percentile(latencies, 99)), strict=True))


async def _note_first_event(events: AsyncIterator[Any], first: asyncio.Future[float]) -> None:
    async for _ in events:
        if not first.done():
            first.set_result(time.monotonic())


async def _latencies(push: Push, first_events: Sequence[asyncio.Future[float]]) -> list[float]:
    """Push to different waiters, one after the other, and return milliseconds from push to event."""
    chosen = random.Random(1).sample(range(len(first_events)), min(PUSHES, len(first_events)))
    pushed_at = {}
    async with aiohttp.ClientSession() as session:
        for number in chosen:
            pushed_at[number] = time.monotonic()
            await push(session, number)
            await asyncio.sleep(1 / PUSHES_PER_SECOND)
        arrived = await asyncio.wait_for(asyncio.gather(*(first_events[number] for number in chosen)), 60)
    return [(at - pushed_at[number]) * 1000 for number, at in zip(chosen, arrived, strict=True)]


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _resident_kib() -> int:
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# --- what the contestants wait for ---


def _gateway(stack: ExitStack, count: int) -> dict[str, str]:
    from airflow_green_notify.emulator import GreenApiEmulator

    gateway = stack.enter_context(GreenApiEmulator())
    instances = [gateway.add_instance() for _ in range(count)]
    connections = {
        f"AIRFLOW_CONN_GREEN_API_{number}": instance.connection for number, instance in enumerate(instances)
    }
    return connections | {
        "BENCHMARK_URL": gateway.url,
        "BENCHMARK_INSTANCES": json.dumps([instance.id_instance for instance in instances]),
    }


def _queues(stack: ExitStack, count: int) -> dict[str, str]:
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    stack.callback(server.stop)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark"}
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=url, **keys)
    for number in range(count):
        client.create_queue(QueueName=f"queue{number}")
    connection = {
        "conn_type": "aws",
        "login": "benchmark",
        "password": "benchmark",
        "extra": {"endpoint_url": url, "region_name": "us-east-1"},
    }
    return {"BENCHMARK_URL": url, "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}


SERVERS = {"doorbell": _gateway, "SQS trigger": _queues}


def _run(contestant: str, count: int) -> dict[str, Any]:
    with ExitStack() as stack:
        environment = SERVERS[contestant](stack, count)
        process = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.waiters", "--contestant", contestant, str(count)],
            env=os.environ | environment | QUIET,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(process.stdout.partition(RESULT)[2].partition("\n")[0])
    return result


def main() -> int:
    """Run both contestants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiters", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=50)
    parser.add_argument("--contestant", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        logging.disable(logging.WARNING)
        contestant, count = arguments.contestant
        print(RESULT + json.dumps(asyncio.run(_measure(contestant, int(count)))))
        return 0
    print(f"{'':14}" + "".join(f"{column:>15}" for column in COLUMNS), flush=True)
    results = {}
    for contestant, count in (("doorbell", arguments.waiters), ("SQS trigger", arguments.queues)):
        results[contestant] = _run(contestant, count)
        figures = "".join(f"{results[contestant][column]:>15.4g}" for column in COLUMNS)
        print(f"{contestant:14}{figures}", flush=True)
    return int(any(results["doorbell"][name] >= limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
