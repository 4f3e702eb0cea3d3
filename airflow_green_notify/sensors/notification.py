"""Waits for a notification, and leaves it at the head of the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_green_notify import arguments
from airflow_green_notify.errors import (
    GreenApiError,
    GreenApiTransportError,
    GreenApiUnavailableError,
    NotificationStoreError,
)
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.who_is_who import contacts_of
from airflow_green_notify.notification import MAX_XCOM_BYTES
from airflow_green_notify.sensors import head_look
from airflow_green_notify.sensors.faults import forgiving, unmask
from airflow_green_notify.sensors.head_look import HeadLook, Seen
from airflow_green_notify.sensors.wait import Wait
from airflow_green_notify.stores import open_batch
from airflow_green_notify.task import GreenApiTask
from airflow_green_notify.triggers.head import GreenApiHeadTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.contacts import Contacts
    from airflow_green_notify.filters import Matching
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores import NotificationStore

SHORTEST_POKE = 1.0
"""Seconds a poke in vain takes at least: a head that blocks is shown at once, however often one asks."""

MAX_KNOWN_KEYS = 100
"""How many judged heads a deferred wait remembers, for gateways that show several in turn."""

PAUSE_WHEN_BUSY = 8.0
"""Seconds in the triggerer before the next look where the last one left something to set aside.

It keeps steady traffic from making a hot loop of deferrals, and outlasts the five seconds after which the
LocalExecutor reports a task that deferred: one that is queued again by then is failed.
"""

TRIGGER_GRACE = 60.0
"""Seconds after the deadline when Airflow ends the wait by itself: no triggerer was there to do it."""


class GreenApiNotificationSensor(GreenApiTask, BaseSensorOperator):
    """Waits until a matching notification is at the head of the queue, returns it and leaves it there.

    A queue has one reader, so this sensor is for an instance of its own. Beside a drain of the same instance
    each takes what the other waits for: wait on the drain's store there, with
    :class:`~airflow_green_notify.sensors.stored_notification.GreenApiStoredNotificationSensor`.

    A crash at any point loses nothing: the sensor deletes no notification that matches. Delete it when its
    work is done, with :class:`~airflow_green_notify.operators.queue.GreenApiDeleteNotificationOperator`. With
    a store in ``unmatched``, what doesn't match is stored durably and only then deleted; a crash in between
    leaves it in both, and it is recognised by its key.

    The queue shows only its head, so a notification that doesn't match blocks those behind it. By default the
    sensor waits in front of it until something else takes it away, and says once in the log what blocks. With
    a store, each look sets aside what came before it began: deferred or rescheduled for at most ten seconds,
    so that a backlog takes several looks.

    The three modes give the same result; ``deferrable=True`` costs no worker while it waits. An outage of the
    gateway is waited out, and told in the log; if it lasts until the timeout, the task fails with it. What no
    waiting can fix (a wrong token, a ``webhookUrl``, every notification type switched off) fails the task at
    once, and is never skipped by ``soft_fail`` or ``never_fail``. A filter that raises fails the task too: an
    error is never a miss. That, and a store that can't be reached, ``never_fail`` skips.

    ``timeout`` counts from the start of the first try, over all retries (below Airflow 3.3: from the start of
    the current try).

    :param matching: What to wait for: a :class:`~airflow_green_notify.filters.NotificationFilter`, its
        arguments as a dict, or a callable that gets the notification and returns whether it is meant. The
        filter's values are templated. By default any notification.
    :param unmatched: ``"keep"`` what doesn't match at the head, or the store that takes it; the description
        of what was set aside is the XCom ``unmatched``.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param receive_timeout: Seconds the gateway may hold a look of a worker open, 5 to 60.
    :param max_xcom_bytes: Hard limit of the result's size; a larger notification fails the task at once.
    :param deferrable: Whether to wait in the triggerer.
    :return: ``{"key", "receipt_id", "received_at", "body"}``, read by ``Notification.from_dict``, without
        thumbnails.
    :raises ValueError: An argument is wrong, as far as no template hides it; what a template hides fails the
        task at once.

    .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
    """

    template_fields: Sequence[str] = (
        "green_api_conn_id",
        "matching",
        "unmatched",
        "receive_timeout",
        "max_xcom_bytes",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"matching": "json", "unmatched": "py"}
    judges: ClassVar[Mapping[str, arguments.Judge]] = {
        **GreenApiTask.judges,
        "matching": arguments.matching_of,
        "unmatched": arguments.store_or("keep"),
        "receive_timeout": arguments.receive_timeout_of,
        "max_xcom_bytes": arguments.count_of,
        "deferrable": arguments.plain_boolean_of,
    }
    ui_color = "#cdeed3"

    def __init__(
        self,
        *,
        matching: Matching | Mapping[str, Any] | None = None,
        unmatched: Literal["keep"] | NotificationStore = "keep",
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        receive_timeout: float | timedelta | str = 5,
        max_xcom_bytes: int | str = MAX_XCOM_BYTES,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.matching = arguments.filter_argument("matching", {} if matching is None else matching)
        self.unmatched = unmatched
        self.green_api_conn_id = green_api_conn_id
        self.receive_timeout = receive_timeout
        self.max_xcom_bytes = max_xcom_bytes
        self.deferrable = deferrable
        self._wait: Wait | None = None
        self._contacts: Contacts | None = None
        self._outage: GreenApiError | None = None
        self.check_arguments()

    def execute(self, context: Context) -> Any:
        with self._ended(context):
            wait = self._wait = Wait(context)
            if self.deferrable:
                return self._find_or_defer(context, [], wait.since + self.timeout)
            return super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the head once and judge it."""
        wait = self._wait = self._wait or Wait(context)
        deadline, asked_at = wait.since + self.timeout, time.monotonic()
        seen = self._look(context, deadline)
        if seen.match is not None:
            return PokeReturnValue(True, self._result(seen.match, context))
        if self.poke_interval < SHORTEST_POKE and not self.reschedule:
            time.sleep(max(0.0, SHORTEST_POKE - (time.monotonic() - asked_at)))
        self._end_if_late(deadline, seen)
        return PokeReturnValue(False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Judge the head that the trigger saw, and wait on if it is not the one."""
        if event["error"]:
            raise AirflowFailException(event["error"])
        looks = 2 if event["key"] else 1  # where deliveries are split, the trigger's look hid it for a while
        return self._find_or_defer(context, event["known_keys"], event["deadline"], looks)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        with self._ended(context):
            self._wait = Wait(context)
            head: dict[str, Any] = super().resume_execution(next_method, next_kwargs, context)
            return head

    def _find_or_defer(
        self, context: Context, known_keys: list[str], deadline: float, looks: int = 1
    ) -> dict[str, Any]:
        seen = self._look_leniently(context, deadline, looks)
        if seen.match is not None:
            return self._result(seen.match, context)
        self._end_if_late(deadline, seen)
        if seen.miss is not None and not seen.more:
            known_keys = [*known_keys, seen.miss.key][-MAX_KNOWN_KEYS:]
        self._defer(context, known_keys, deadline, PAUSE_WHEN_BUSY if seen.more else 0.0)

    def _defer(self, context: Context, known_keys: list[str], deadline: float, pause: float) -> NoReturn:
        self.defer(
            trigger=GreenApiHeadTrigger(self.green_api_conn_id, known_keys, deadline, pause=pause),
            method_name="execute_complete",
            timeout=self.deferral_timeout(context, max(0.0, deadline - time.time()) + TRIGGER_GRACE),
        )

    # --- looking ---

    def _look(self, context: Context, deadline: float, looks: int = 1) -> Seen:
        """Look at the head, and past what has a store; an outage shows nothing."""
        given = self.judged_arguments()
        contacts = self._contacts = self._contacts or contacts_of(lambda: self.hook)

        def see() -> Seen:
            with self.hook as hook:
                look = HeadLook(hook, given.matching, given.receive_timeout, contacts)
                seen = look.see(looks)
                if seen.miss is not None:
                    seen = self._past(seen.miss, given, look, context, deadline)
                return seen

        try:
            with fail_fast():
                seen = self._stoppably(see)
        except (GreenApiTransportError, GreenApiUnavailableError) as error:
            if self._outage is None:
                self.log.warning("%s Still waiting.", error)
            self._outage = error
            return Seen(more=True)
        finally:
            vars(self).pop("hook", None)  # while the task waits, somebody may change the connection
        self._outage = None
        return seen

    def _look_leniently(self, context: Context, deadline: float, looks: int) -> Seen:
        """Look, and forgive what ``silent_fail`` and ``never_fail`` forgive where nothing is deferred."""
        return forgiving(self, partial(self._look, context, deadline, looks), Seen(more=True))

    def _past(
        self, miss: Notification, given: SimpleNamespace, look: HeadLook, context: Context, deadline: float
    ) -> Seen:
        """Set aside what doesn't match, if it has a store, or say what blocks."""
        if given.unmatched == "keep":
            if self._wait is not None:
                self._wait.tell_of_block(miss)
            return Seen(miss=miss)
        seconds = max(1.0, deadline - time.time())
        if self.deferrable or self.reschedule:
            seconds = min(seconds, head_look.MAX_SECONDS)
        store = open_batch(given.unmatched, context, self.hook.config.queue)
        try:
            return look.set_aside(miss, store, seconds, context)
        finally:
            store.release()  # closed once, when the wait ends: each close may write a file
            if look.other_reader and self._wait is not None:
                self._wait.tell_of_reader(look.other_reader, self.green_api_conn_id)

    def _result(self, head: Notification, context: Context) -> dict[str, Any]:
        with fail_fast():
            result = head.as_xcom(self.judged_arguments().max_xcom_bytes)
        self.log.info("Found %r; it stays at the head of the queue.", head)
        self._close_unmatched(context)
        return result

    def _close_unmatched(self, context: Context) -> None:
        if isinstance(self.unmatched, str):
            return
        batch = open_batch(self.unmatched, context, self.hook.config.queue).close()
        if batch["count"]:
            context["ti"].xcom_push("unmatched", batch)

    def _end_if_late(self, deadline: float, seen: Seen) -> None:
        if time.time() < deadline:
            return
        text = f"No matching notification came within {self.timeout} s."
        if seen.more:
            text += " What waits behind the head was not looked at yet."
        if self.soft_fail:
            raise AirflowSkipException(text)
        raise AirflowSensorTimeout(text)

    @contextmanager
    def _ended(self, context: Context) -> Iterator[None]:
        """At the end of a wait in vain, whoever ended it, hand on what was set aside.

        And undo what ``soft_fail`` and ``never_fail`` make of a fault that somebody must fix.
        """
        try:
            yield
        except (AirflowSkipException, AirflowSensorTimeout) as end:
            unmask(end)
            if not isinstance(end.__cause__, NotificationStoreError):
                self._close_unmatched(context)
            if self._outage is not None:
                raise AirflowFailException(f"{end} The last look failed: {self._outage}") from self._outage
            if self.never_fail:
                raise AirflowSkipException(str(end)) from end
            raise
