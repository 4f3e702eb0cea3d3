"""What follows a delete whose end is in doubt: it is never repeated, the next receive tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_green_notify.errors import GreenApiError, GreenApiUnavailableError, may_pass

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification

MAX_DOUBTS = 10
"""How many deletes of one notification may end in doubt before it is given up."""


class Doubts:
    """Deletes one notification, and knows how often that ended in doubt.

    So it did with no answer, one that can't be read, 5xx, or ``false``.

    A receipt id is good for one delete. So the queue is received again: the same key means that the
    notification is still there, and it is deleted under its new receipt id; another key, or none, means that
    it is gone.
    """

    def __init__(self) -> None:
        self.count = 0
        """How many deletes ended in doubt."""
        self.last: GreenApiError | None = None
        """Why the last delete ended in doubt; ``None`` if it did not."""
        self.was_gone = False
        """Whether the gateway said that there is nothing to delete."""

    async def delete(self, hook: GreenApiHook, head: Notification) -> bool:
        """Delete what was received a moment ago, and tell whether that is sure.

        :raises GreenApiError: The gateway refuses for good.
        """
        self.last, self.was_gone = None, False
        try:
            if await hook.adelete_notification(head.receipt_id):
                return True
            self.was_gone = True
            self.last = GreenApiUnavailableError(
                f"The gateway keeps showing notification {head.key}, and answers that there is nothing to "
                "delete. Does another consumer use this instance? If not, ask the vendor's support."
            )
        except GreenApiError as error:
            if not may_pass(error):
                raise
            self.last = error
        self.count += 1
        return False

    def give_up(self) -> None:
        """End here if the notification, which is still there, was deleted often enough.

        :raises GreenApiError: The last of :data:`MAX_DOUBTS` deletes ended in doubt.
        """
        if self.last is not None and self.count >= MAX_DOUBTS:
            raise self.last

    async def back_off(self) -> None:
        """Wait after a delete in doubt, before looking or deleting again."""
        if self.last is not None:
            await asyncio.sleep(pause_after(self.count, self.last))


def pause_after(failures: int, last: GreenApiError | None = None) -> float:
    """Return the seconds to wait after so many failures: from 0.1 up to 5, or what the gateway asks for."""
    asked = getattr(last, "retry_after", None) or 0.0
    return max(min(0.1 * 2.5 ** (failures - 1), 5.0), min(asked, 60.0))
