"""The patient look at the head of a queue that all triggers share."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify import metrics
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.queue_head import QueueHead
from airflow_green_notify.hooks.silence import REMEDY, asilence_of
from airflow_green_notify.leaks import without_secrets
from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

RECEIVE_TIMEOUT = 20.0
"""Seconds an idle look is held open: seldom enough to be cheap, short enough for proxies on the way."""

HEAD_PAUSE = 2.0
"""Seconds between two looks while something waits: it is shown again at once until it is deleted."""

MAX_BACK_OFF = 60.0
"""Seconds between two looks at most while the gateway is away, and at least while it refuses for good."""

HEARTBEAT = 3600.0
"""Seconds between two lines in the log that say that the watch goes on."""


class Fault(NamedTuple):
    """Why a queue can't be looked at.

    :param instance_id: Empty if it isn't known.
    :param words: As the log has them.
    """

    instance_id: str
    words: str


class QueueWatch:
    """Looks at the head of one instance's queue, again and again, and never deletes.

    An outage is waited out with exponential back-off, and is told once in the log when it begins and once
    when it ends. The connection is looked up once, and again after a refusal that only its change can fix.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param receive_timeout: Seconds the gateway may hold a look open, 5 to 60.
    :param patient: Whether to go on looking when the gateway refuses for good (a wrong token, say); an
        impatient watch raises.
    """

    def __init__(self, green_api_conn_id: str, *, receive_timeout: float, patient: bool = True) -> None:
        self.hook = GreenApiHook(green_api_conn_id, max_attempts=1)
        self.receive_timeout = receive_timeout
        self.patient = patient
        self.head = QueueHead(self.hook)
        self.fault: Fault | None = None
        """Why the last look failed."""
        self._looks = 0
        self._failures = 0
        self._failing_since = 0.0
        self._fault = ""
        self._to_wait_out: Exception | None = None
        self._told_at = time.monotonic()
        self._empty_since = Stopwatch()
        self._told_silence = False
        self._silence_after = 1.0  # hours

    @property
    def is_failing(self) -> bool:
        """Whether the last look failed."""
        return self._failures > 0

    async def look(self) -> Notification | None:
        """Return the head as soon as the gateway shows one, ``None`` if none came; wait outages out.

        :raises GreenApiError: It was refused for good, and the watch is not patient.
        """
        while True:
            head = await self.try_to_look()
            if not self.is_failing:
                return head

    async def try_to_look(self) -> Notification | None:
        """Do the same, but return ``None`` after a look that failed, too; the next one waits the outage out.

        :raises GreenApiError: It was refused for good, and the watch is not patient.
        """
        await self._wait_out()
        self._tell_that_it_goes_on()
        self._looks += 1
        try:
            head = await self._receive()
            await self._tell_silence(head)
        except Exception as error:  # a watcher that raises is started again every 2 s, for ever
            if not self.patient and not getattr(error, "retryable", False):
                raise
            self._tell_failure(error)
            self._failures += 1
            metrics.count(metrics.FAILED_LOOKS, instance=self.hook.instance_name)
            self._to_wait_out = error
            return None
        self._tell_recovery()
        return head

    async def _receive(self) -> Notification | None:
        return await self.head.receive_checked(self.receive_timeout)

    async def pause(self) -> None:
        """Wait a little before the next look at a head that is still there."""
        await asyncio.sleep(HEAD_PAUSE)

    async def close(self) -> None:
        """Leave the shared session."""
        await self.hook.aclose()

    # --- silence ---

    async def _tell_silence(self, head: Notification | None) -> None:
        """Warn, once, of an instance that is authorized and brings nothing for longer than is usual for it.

        It is looked for about once an hour while the queue is empty.
        """
        if head is not None:
            self._empty_since, self._told_silence = Stopwatch(), False
        elif not self._told_silence and self._empty_since.seconds() >= HEARTBEAT * self._silence_after:
            self._empty_since = Stopwatch()
            try:
                silence = await asilence_of(self.hook)
                if silence.is_unusual and await self.hook.aget_state_instance() == "authorized":
                    self._told_silence = True
                    conn_id = self.hook.green_api_conn_id
                    log.warning("The instance of %r is authorized, and %s: %s.", conn_id, silence, REMEDY)
            except GreenApiError as error:
                log.info("Whether it is unusually quiet could not be looked up: %s", error)

    # --- outages ---

    async def _wait_out(self) -> None:
        error, self._to_wait_out = self._to_wait_out, None
        if error is None:
            return
        if getattr(error, "retryable", False):
            await asyncio.sleep(self._back_off(error))
            return
        await asyncio.sleep(MAX_BACK_OFF)
        await self.hook.aclose()
        self.hook = GreenApiHook(self.hook.green_api_conn_id, max_attempts=1)
        self.head = QueueHead(self.hook)

    def _back_off(self, error: Exception) -> float:
        """1, 2, 4, … up to 60 s, less up to a quarter so that many watches don't come back as one."""
        seconds = min(2.0 ** min(self._failures - 1, 10), MAX_BACK_OFF) * random.uniform(0.75, 1.0)
        return max(seconds, min(getattr(error, "retry_after", None) or 0.0, MAX_BACK_OFF))

    def _tell_failure(self, error: Exception) -> None:
        fault = f"{type(error).__name__} {getattr(error, 'status', '')}"
        if not self._is_news(fault):
            return
        if not self._failures:
            self._failing_since = time.monotonic()
        self._fault = fault
        unexpected = not isinstance(error, GreenApiError)
        self.fault = self._fault_of(f"{type(error).__name__}: {error}" if unexpected else str(error))
        log.log(
            getattr(error, "log_level", logging.WARNING),
            "%s",
            self.fault.words,
            exc_info=error if unexpected else None,
        )

    def _fault_of(self, why: str) -> Fault:
        words = (
            f"Can't look at the queue of {self.hook.green_api_conn_id!r}: {why} "
            f"Retrying, at most {MAX_BACK_OFF:.0f} s apart."
        )
        config = vars(self.hook).get("config")
        if config is None:
            return Fault("", words)
        return Fault(config.id_instance, without_secrets(config, words))

    def _is_news(self, fault: str) -> bool:
        return fault != self._fault

    def _tell_recovery(self) -> None:
        if not self._failures:
            return
        log.info(
            "The queue of %r can be read again, after %d failed looks in %.0f s.",
            self.hook.green_api_conn_id,
            self._failures,
            time.monotonic() - self._failing_since,
        )
        self._failures = 0
        self._fault = ""
        self.fault = None

    def _tell_that_it_goes_on(self) -> None:
        if time.monotonic() - self._told_at < HEARTBEAT:
            return
        self._told_at = time.monotonic()
        log.info(
            "Watching the queue of %r: %d looks so far, %s.",
            self.hook.green_api_conn_id,
            self._looks,
            f"the last {self._failures} failed ({self._fault.strip()})" if self._failures else "all is well",
        )
