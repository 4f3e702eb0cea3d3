"""Waits for a deferred sensor until a matching notification is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_green_notify.consume.waiting import Found, Wanted
from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import MAX_XCOM_BYTES
from airflow_green_notify.triggers.stored_look import look_at


class GreenApiStoredTrigger(BaseTrigger):
    """Fires once, when a notification that matches is stored behind a position; it only reads.

    A crash at any point loses nothing: the position is in the trigger's row, and it starts again from there,
    here or in another triggerer. All such triggers of a process and a store share one look a second. A store
    that can't be read is waited for.

    With ``ends_task`` it writes the task's result and ends the task itself: hundreds of waits that end at
    once need no workers. A crash in between leaves a result and a task that still waits, and finds the same
    again.

    Otherwise the event is ``{"since", "after", "deadline"}``, for a worker to look on from ``after``: since a
    match lies behind it, or ``deadline`` has passed.

    :param store: What the store's ``described`` returned.
    :param matching: Arguments of the filter.
    :param since: Nothing that was received before; ISO time with a zone.
    :param after: The position behind which to look.
    :param deadline: UNIX time in seconds after which waiting is in vain.
    :param pause: Seconds before the first look.
    :param ends_task: Whether to end the task.
    :param pushes_result: Whether the result is to be written.
    :param max_xcom_bytes: Hard limit of the result's size.
    """

    def __init__(
        self,
        store: Mapping[str, Any],
        matching: Mapping[str, Any],
        since: str,
        after: int = 0,
        deadline: float | None = None,
        pause: float = 0.0,
        ends_task: bool = False,
        pushes_result: bool = True,
        max_xcom_bytes: int = MAX_XCOM_BYTES,
    ) -> None:
        super().__init__()
        self.store = dict(store)
        self.matching = dict(matching)
        self.since = since
        self.after = after
        self.deadline = deadline
        self.pause = pause
        self.ends_task = ends_task
        self.pushes_result = pushes_result
        self.max_xcom_bytes = max_xcom_bytes

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; credentials stay in the connection."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "store": self.store,
                "matching": self.matching,
                "since": self.since,
                "after": self.after,
                "deadline": self.deadline,
                "pause": self.pause,
                "ends_task": self.ends_task,
                "pushes_result": self.pushes_result,
                "max_xcom_bytes": self.max_xcom_bytes,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for a match or the deadline, and fire."""
        found = None
        try:
            async with asyncio.timeout(self._seconds_left()):
                await asyncio.sleep(self.pause)
                found = await look_at(self.store).first(self._wanted(), self.after)
        except TimeoutError:
            self.log.info("Nothing that matches was stored before the deadline.")
        if found is not None and self.ends_task and await self._has_result(found):
            self.log.info("Found %r.", found.notification)
            yield TaskSuccessEvent()
            return
        after = self.after if found is None else found.after
        yield TriggerEvent({"since": self.since, "after": after, "deadline": self.deadline})

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.time())

    def _wanted(self) -> Wanted:
        return Wanted(NotificationFilter.from_dict(self.matching), datetime.fromisoformat(self.since))

    async def _has_result(self, found: Found) -> bool:
        """Write the task's result, and tell whether that went well; the worker says why it didn't.

        An event that ends a task can carry results too, but tasks would get those as JSON text.
        """
        task: Any = self.task_instance
        if task is None:  # in dag.test()
            return False
        if not self.pushes_result:
            return True
        from airflow.providers.common.compat.sdk import XCom
        from asgiref.sync import sync_to_async

        try:
            result = found.notification.as_xcom(self.max_xcom_bytes)
            await sync_to_async(XCom.set, thread_sensitive=False)(
                key=XCom.XCOM_RETURN_KEY,
                value=result,
                dag_id=task.dag_id,
                task_id=task.task_id,
                run_id=task.run_id,
                map_index=task.map_index,
            )
        except GreenApiPayloadError:
            return False
        except Exception as error:  # a worker has other ways to write it, and its own to fail
            self.log.warning("The result can't be written here (%s); a worker does it.", type(error).__name__)
            return False
        return True
