"""What a handler is told beside the notification."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification


@dataclass(frozen=True)
class ChatContext:
    """The chat in which a handler is at work.

    :param attempt: The number of this attempt at the notification, from 1, over all tries and runs.
    """

    attempt: int
    _look: Callable[[int], list[Notification]] = field(repr=False)

    def history(self, count: int) -> list[Notification]:
        """Return the last messages of the chat up to the one that is handled, oldest first.

        Incoming and outgoing ones, as far as they are in the store: what was sent a moment ago may not have
        been drained yet. There are none for a notification that belongs to no chat. In an async handler use
        :meth:`ahistory`, or all others wait for the database too.

        :param count: How many at most.
        :raises NotificationStoreError: The store can't be reached.
        """
        return self._look(count)

    async def ahistory(self, count: int) -> list[Notification]:
        """Do the same as :meth:`history` in an async handler."""
        return await asyncio.to_thread(self._look, count)
