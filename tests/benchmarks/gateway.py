"""How many requests, long polls and notifications the emulator holds.

``python -m tests.benchmarks.gateway`` prints figures of an emulator in a process of its own: requests a
second with the server's CPU time for each and what its memory grows by, 500 long polls ended by one push,
200,000 notifications pushed, their audit read, and how long another client waits meanwhile. It fails on
nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp

CONNECTIONS = 16
REQUESTS = 20_000
POLLS = 500
NOTIFICATIONS = 200_000
PROGRAM = [sys.executable, "-m", "airflow_green_notify.emulator", "--port", "0", "--no-rate-limits"]


class Gateway:
    """The emulator as a process, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], session: aiohttp.ClientSession) -> None:
        assert process.stdout is not None
        process.stdout.readline()
        connection = json.loads(shlex.split(process.stdout.readline())[1].partition("=")[2])
        self.url, self.token = connection["host"], connection["password"]
        self.base = f"{self.url}/waInstance{connection['login']}"
        self.process, self.session = process, session

    async def get(self, method: str, query: str = "") -> bytes:
        """Call a method."""
        async with self.session.get(f"{self.base}/{method}/{self.token}{query}") as answer:
            return await answer.read()

    async def control(self, name: str, **arguments: Any) -> bytes:
        """Use the control plane."""
        verb = "POST" if arguments else "GET"
        address, body = f"{self.url}/_emulator/{name}", arguments or None
        async with self.session.request(verb, address, json=body) as answer:
            return await answer.read()

    @property
    def memory(self) -> float:
        """What the process holds, in MiB."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def cpu(self) -> float:
        """Seconds of CPU that the process used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def requests_per_second(gateway: Gateway) -> None:
    """Ask for the state from several connections."""
    numbers = iter(range(REQUESTS))

    async def ask() -> None:
        for _ in numbers:
            await gateway.get("getStateInstance")

    began, cpu, memory = time.perf_counter(), gateway.cpu, gateway.memory
    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    each, grown = (gateway.cpu - cpu) / REQUESTS * 1e6, gateway.memory - memory
    print(f"{REQUESTS / seconds:.0f} requests/s; {each:.0f} us of the server's CPU each; +{grown:.1f} MiB")


async def long_polls(gateway: Gateway) -> None:
    """Let one push end many polls."""
    waiting = [
        asyncio.create_task(gateway.get("receiveNotification", "?receiveTimeout=60")) for _ in range(POLLS)
    ]
    await asyncio.sleep(3)
    began = time.perf_counter()
    await gateway.control("push", n=1)
    await asyncio.gather(*waiting)
    print(f"{POLLS} long polls ended in {time.perf_counter() - began:.3f} s; {gateway.memory:.0f} MiB")


async def beside(gateway: Gateway, name: str, work: Awaitable[bytes]) -> None:
    """Do some work, and tell how long another client waits for an answer meanwhile."""
    began, task, worst = time.perf_counter(), asyncio.ensure_future(work), 0.0
    while not task.done():
        asked = time.perf_counter()
        await gateway.get("getStateInstance")
        worst = max(worst, time.perf_counter() - asked)
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - began
    print(f"{name}: {seconds:.1f} s, another client waits {worst * 1000:.0f} ms; {gateway.memory:.0f} MiB")


async def measure(process: subprocess.Popen[str]) -> None:
    """One figure after the other."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        gateway = Gateway(process, session)
        for _ in range(2):
            await requests_per_second(gateway)
        await long_polls(gateway)
        push = gateway.control("push_traffic", n=NOTIFICATIONS)
        await beside(gateway, f"{NOTIFICATIONS} pushed", push)
        await beside(gateway, "audit", gateway.control("audit"))
        await requests_per_second(gateway)


def main() -> None:
    """Measure an emulator, and end it."""
    process = subprocess.Popen(PROGRAM, stdout=subprocess.PIPE, text=True)
    try:
        asyncio.run(measure(process))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
