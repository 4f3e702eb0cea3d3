"""Pushing notifications to the ``webhookUrl`` of an instance, as the gateway does where one is set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import aiohttp

from airflow_green_notify.emulator.account import Account, Needs
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.loopback import is_loopback
from airflow_green_notify.emulator.notification_queue import NotificationQueue

PAUSE = 60  # seconds until a notification that wasn't confirmed is pushed again
TIMEOUT = aiohttp.ClientTimeout(total=180)
CONFIRMED = 200


class WebhookPush:
    """Takes the notifications of a queue to the instance's ``webhookUrl``, one after the other.

    Only to an address of this machine: a setting must not make the emulator call anybody else. A notification
    goes as its bare body, with ``webhookUrlToken`` in ``Authorization``; 200 deletes it. After anything else
    the same one is pushed again, once the gateway's clock is a minute on, and those behind it wait.
    """

    def __init__(self, account: Account, queue: NotificationQueue, clock: Clock) -> None:
        self._account = account
        self._queue = queue
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._end_pause: Callable[[], None] | None = None

    def wake(self) -> None:
        """Begin to push if there is where to, and something to push."""
        if self._task is None and self._url() and self._queue.count:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # the server isn't running; start() wakes it
            self._task = loop.create_task(self._push_all())

    def changed(self) -> None:
        """Look again at settings and state."""
        if self._end_pause is not None:
            self._end_pause()
        self.wake()

    def _url(self) -> str | None:
        url = str(self._account.settings["webhookUrl"])
        usable = is_loopback(url) and self._account.refusal(Needs.STARTED) is None
        return url if usable else None

    async def _push_all(self) -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            try:
                while (url := self._url()) and (item := self._queue.show()):
                    if await self._is_confirmed(session, url, item.raw):
                        self._queue.confirm(item)
                    elif self._url() == url:
                        await self._pause()
            finally:
                self._task = None

    async def _is_confirmed(self, session: aiohttp.ClientSession, url: str, raw: bytes) -> bool:
        headers = {"Content-Type": "application/json"}
        if token := str(self._account.settings["webhookUrlToken"]):
            headers["Authorization"] = token
        try:
            async with session.post(url, data=raw, headers=headers, allow_redirects=False) as answer:
                return answer.status == CONFIRMED
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    async def _pause(self) -> None:
        over = asyncio.get_running_loop().create_future()
        self._end_pause = partial(_settle, over)
        self._clock.later(PAUSE, self._end_pause)
        try:
            await over
        finally:
            self._end_pause = None


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
