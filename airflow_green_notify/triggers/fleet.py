"""Looks at the queues of many instances at once, each at its own pace."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_green_notify.printable import listed
from airflow_green_notify.stopwatch import Stopwatch
from airflow_green_notify.triggers.register import InstanceRegister
from airflow_green_notify.triggers.sighting import Lookout, Looks, Sighting
from airflow_green_notify.triggers.watch import HEARTBEAT, QueueWatch

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

PACE = 1.0
"""Seconds between two reports of what all looks show, at least; at most while something waits."""

STARTS_PER_SECOND = 100
"""How many instances get their first look in a second."""

SHORTEST_HOLD = 5.0
HOLDS = 3
"""A long poll is up to two seconds shorter than it may be, so that many that began at once don't end at once;
none becomes shorter than the gateway allows."""

NAMED_AT_MOST = 10
"""How many connections a line of the log names."""


def named(conn_ids: Sequence[str]) -> str:
    """Return the ids of some connections for the log."""
    return listed([*map(repr, conn_ids)], NAMED_AT_MOST)


class FleetWatch:
    """Watches the queues of several connections; what befalls one of them stops none of the others.

    A queue that can't be looked at shows nothing meanwhile. Of two connections that lead to one instance, the
    later one is not watched.

    :param receive_timeout: Seconds the gateway may hold a look open, 5 to 60.
    :param counting: Whether to ask the gateway how many notifications wait behind a head.
    """

    def __init__(self, green_api_conn_ids: Sequence[str], *, receive_timeout: float, counting: bool) -> None:
        register = InstanceRegister()
        self._members = {
            conn_id: _Member(conn_id, receive_timeout=receive_timeout, register=register)
            for conn_id in green_api_conn_ids
        }
        self._receive_timeout = receive_timeout
        self._counting = counting
        self._seen: dict[str, Sighting] = {}
        self._has_news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Task[None] | None = None
        self._told = Stopwatch()

    async def looks(self) -> AsyncIterator[Looks]:
        """Yield what the last look at each queue showed: at once after a change, then once a second at most.

        :raises RuntimeError: A member ended, which none does by itself.
        """
        self._start()
        while True:
            looks = self._shown()
            await self._wait(PACE if any(each.key for each in looks.values()) else self._receive_timeout)
            self._tell_that_it_goes_on()
            if (looks := self._shown()) or looks.faults:
                yield looks
            await asyncio.sleep(PACE)

    async def close(self) -> None:
        """End all looks, and leave the shared session."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self) -> None:
        for place, member in enumerate(self._members.values()):
            task = asyncio.create_task(self._watch(member, place / STARTS_PER_SECOND))
            self._tasks.add(task)
            task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks:
            self._ended = task
            self._has_news.set()

    async def _watch(self, member: _Member, delay: float) -> None:
        conn_id = member.hook.green_api_conn_id
        lookout = Lookout(member, counting=self._counting)
        try:
            await asyncio.sleep(delay)
            while True:
                before, now = self._seen.get(conn_id), await lookout.look()
                self._seen[conn_id] = now
                if now.key is not None or (before is not None and before.key is not None):
                    self._has_news.set()
                if now.key is not None:
                    await member.pause()
        finally:
            await member.close()

    async def _wait(self, seconds: float) -> None:
        """Wait for a change, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # not wait_for, in which Python 3.11 may lose a cancellation
                await self._has_news.wait()
        self._has_news.clear()
        if self._ended is not None:
            cause = None if self._ended.cancelled() else self._ended.exception()
            raise RuntimeError("One of the watches of a fleet ended by itself.") from cause

    def _shown(self) -> Looks:
        faults = {conn_id: member.fault for conn_id, member in self._members.items() if member.fault}
        seen = {conn_id: each for conn_id, each in self._seen.items() if conn_id not in faults}
        return Looks(seen, faults)

    def _tell_that_it_goes_on(self) -> None:
        if self._told.seconds() < HEARTBEAT:
            return
        self._told = Stopwatch()
        failing = [conn_id for conn_id, member in self._members.items() if member.is_failing]
        log.info(
            "Watching %d queues: %s.",
            len(self._members),
            f"{len(failing)} can't be looked at ({named(failing)})" if failing else "all is well",
        )


class _Member(QueueWatch):
    """The watch of one instance among many; a fault that lasts is told again once an hour."""

    def __init__(self, green_api_conn_id: str, *, receive_timeout: float, register: InstanceRegister) -> None:
        super().__init__(green_api_conn_id, receive_timeout=receive_timeout)
        self._register = register
        self._admitted: object = None
        self._fault_told = Stopwatch()
        self._silence_after = random.uniform(1.0, 2.0)  # hours: not all journals at once

    async def _receive(self) -> Notification | None:
        if self._admitted is not self.hook:
            await self._register.admit(self.hook)
            self._admitted = self.hook
        return await self.head.receive_checked(self._hold())

    def _hold(self) -> float:
        shorter = self.receive_timeout - random.randrange(HOLDS)
        return max(shorter, min(self.receive_timeout, SHORTEST_HOLD))

    def _is_news(self, fault: str) -> bool:
        if not super()._is_news(fault) and self._fault_told.seconds() < HEARTBEAT:
            return False
        self._fault_told = Stopwatch()
        return True

    def _tell_that_it_goes_on(self) -> None:
        """Leave it to the fleet, which says so in one line."""
