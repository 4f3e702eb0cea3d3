"""Waits for a notification beside the one who reads the queue, in the store that it fills."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_green_notify import arguments
from airflow_green_notify.consume.waiting import CLOCKS_DIFFER, Found, Wanted, first_found, quick_part
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import MAX_XCOM_BYTES
from airflow_green_notify.sensors.faults import forgiving, unmask
from airflow_green_notify.sensors.wait import Wait
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.task import GreenApiTask
from airflow_green_notify.triggers.stored import GreenApiStoredTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.filters import Matching
    from airflow_green_notify.stores.store import Store

SHORTEST_PAUSE = 8.0
"""Seconds in the triggerer at least, after a worker looked in vain at what might match.

It outlasts the five seconds after which the LocalExecutor reports a task that deferred: one that is queued
again by then is failed.
"""

TRIGGER_GRACE = 60.0
"""Seconds after the deadline when Airflow ends the wait by itself: no triggerer was there to do it."""


def _since_of(name: str, value: Any) -> datetime | Literal["start"]:
    """Judge a time; ``None`` is none: a task that returned nothing doesn't make it any time."""
    try:
        return arguments.moment_of(name, value)
    except ValueError:
        allowed = "'start' or a timestamp with a time zone, such as '2026-01-31T12:00:00+00:00'"
        raise arguments.refusal(name, value, allowed) from None


class GreenApiStoredNotificationSensor(GreenApiTask, BaseSensorOperator):
    """Waits until a matching notification is in a store, and returns the oldest.

    It asks the gateway nothing and deletes nothing, so a crash at any point loses nothing: the next try
    looks again from ``since`` on, and finds the same. Somebody else reads the queue into the store: a Dag
    that drains or streams. Any number of these sensors may wait on a store, several may find the same
    notification, and none takes it from the reader's Dag. It is there for them as soon as it is stored,
    before its batch is done.

    The three modes give the same result; ``deferrable=True`` costs no worker while it waits: all waits of a
    triggerer on one store share one query a second. The triggerer judges all of a declarative filter but a
    ``text`` with more than one repetition (``*``, ``+`` or ``{``), or one of a group, which might hold up
    other triggers. What may match such a one, and what a function may match, a worker judges, at most every
    ``poke_interval``. With ``end_from_trigger`` the triggerer ends the task too, so that hundreds of waits
    may end at once. A task that has outlets, a callback for success or ``post_execute`` is ended by a
    worker, and so is any where a plugin has listeners, as that of OpenLineage has.

    A store that can't be read fails the first look of a try. Later it is waited for, and told in the log; if
    that lasts until the timeout, the task fails with it. A filter that raises fails the task: an error is
    never a miss. ``timeout`` counts from the start of the first try, over all retries (below Airflow 3.3:
    from the start of the current try).

    Who is who is known as far as a notification shows it: one that shows only a LID is not recognised by
    phone number. Wait for the answer to a message by its ``quoted_id``.

    :param store: Where the reader stores: a ``SqlStore`` on SQLite, PostgreSQL, MySQL or MariaDB, or an
        ``ObjectStorageStore``; templated.
    :param matching: What to wait for: a :class:`~airflow_green_notify.filters.NotificationFilter`, its
        arguments as a dict, or a callable that gets the notification and returns whether it is meant. The
        filter's values are templated. By default any notification.
    :param since: A time with a zone; what was received before, by the reader's clock, is not looked at.
        ``"start"``: the start of the Dag run, less five seconds for clocks that differ. A run that was
        cleared starts anew; there, a filter that names ``quoted_id`` or ``id_message`` looks from when the
        run was due, and so finds what it found before. Templated.
    :param max_xcom_bytes: Hard limit of the result's size; a larger notification fails the task at once.
    :param deferrable: Whether to wait in the triggerer.
    :param end_from_trigger: Whether the triggerer may end the task.
    :return: ``{"key", "receipt_id", "received_at", "body"}``, read by ``Notification.from_dict``, without
        thumbnails. The receipt id was used up by the reader's delete; a table has 0 for it.
    :raises ValueError: An argument is wrong, as far as no template hides it; what a template hides fails the
        task at once.
    """

    template_fields: Sequence[str] = ("store", "matching", "since", "max_xcom_bytes")
    template_fields_renderers: ClassVar[dict[str, str]] = {"store": "py", "matching": "json"}
    judges: ClassVar[Mapping[str, arguments.Judge]] = {
        "store": arguments.streaming_store_of,
        "matching": arguments.matching_of,
        "since": _since_of,
        "max_xcom_bytes": arguments.count_of,
        "deferrable": arguments.plain_boolean_of,
    }
    ui_color = "#cdeed3"

    def __init__(
        self,
        *,
        store: Store,
        matching: Matching | Mapping[str, Any] | None = None,
        since: datetime | str = "start",
        max_xcom_bytes: int | str = MAX_XCOM_BYTES,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.matching = arguments.filter_argument("matching", {} if matching is None else matching)
        self.since = since
        self.max_xcom_bytes = max_xcom_bytes
        self.deferrable = deferrable
        # Under the argument's own name Airflow would refuse the whole Dag wherever a plugin has listeners.
        self._trigger_may_end = arguments.plain_boolean_of("end_from_trigger", end_from_trigger)
        self._wait: Wait | None = None
        self._wanted: Wanted | None = None
        self._after: int | None = None
        self._outage: NotificationStoreError | None = None
        self.check_arguments()

    def check_together(self, known: Mapping[str, Any]) -> None:
        is_ours = isinstance(known.get("store"), SqlStore | ObjectStorageStore)
        if known.get("deferrable") and "store" in known and not is_ours:
            raise ValueError(
                f"store is {known['store']!r}, which a triggerer can't make again: take SqlStore or "
                "ObjectStorageStore, or set deferrable=False."
            )

    def execute(self, context: Context) -> Any:
        with _faults_unmasked():
            wait = self._wait = Wait(context)
            if not self.deferrable:
                return self._poke_on(context)
            found = forgiving(self, partial(self._look, context), None)
            return self._result(found) if found else self._wait_on(context, wait.since + self.timeout)

    def _poke_on(self, context: Context) -> Any:
        """Look again and again, as Airflow does, which forgets ``never_fail`` when it notes the timeout."""
        try:
            return super().execute(context)
        except AirflowSensorTimeout as end:
            if self.never_fail:
                raise AirflowSkipException(str(end)) from end
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once through what was stored since the last look."""
        wait = self._wait = self._wait or Wait(context)
        is_first = self._after is None and not (self.reschedule and _was_rescheduled(context))
        found = self._look(context) if is_first else self._look_leniently(context)
        if found is not None:
            return PokeReturnValue(True, self._result(found))
        self._end_if_late(wait.since + self.timeout)
        return PokeReturnValue(False)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Judge what the trigger saw, and wait on if it is not the one."""
        self._wanted = Wanted(self.judged_arguments().matching, datetime.fromisoformat(event["since"]))
        self._after = event["after"]
        found = forgiving(self, partial(self._look_leniently, context), None)
        pause = max(SHORTEST_PAUSE, self.poke_interval)
        return self._result(found) if found else self._wait_on(context, event["deadline"], pause)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with _faults_unmasked():
            return super().resume_execution(next_method, next_kwargs, context)

    # --- looking ---

    def _look(self, context: Context) -> Found | None:
        """Look from where the last look ended."""
        given, wanted = self.judged_arguments(), self._what(context)
        with fail_fast(), closing(given.store.stream()) as stream:
            if self._after is None:
                self._after = stream.before(wanted.since)
            found, self._after = first_found(stream, wanted, self._after)
        self._outage = None
        return found

    def _what(self, context: Context) -> Wanted:
        if self._wanted is None:
            given = self.judged_arguments()
            self._wanted = Wanted(given.matching, _since(given.since, given.matching, context))
        return self._wanted

    def _look_leniently(self, context: Context) -> Found | None:
        """Look; a store that can't be read shows nothing."""
        try:
            return self._look(context)
        except NotificationStoreError as outage:
            self._outage = outage
            self.log.warning("%s Still waiting.", outage)
            return None

    def _result(self, found: Found) -> dict[str, Any]:
        with fail_fast():
            result = found.notification.as_xcom(self.judged_arguments().max_xcom_bytes)
        self.log.info("Found %r.", found.notification)
        return result

    # --- waiting ---

    def _wait_on(self, context: Context, deadline: float, pause: float = 0.0) -> NoReturn:
        """Wait in the triggerer from where the last look ended, unless it is late."""
        self._end_if_late(deadline)
        given, wanted = self.judged_arguments(), self._what(context)
        matching, is_all = quick_part(wanted.matching)
        self.defer(
            trigger=GreenApiStoredTrigger(
                given.store.described(),
                matching,
                wanted.since.isoformat(),
                self._after or 0,
                deadline,
                0.0 if is_all and self._outage is None else pause,
                is_all and self._may_end_from_trigger(),
                self.do_xcom_push,
                given.max_xcom_bytes,
            ),
            method_name="execute_complete",
            timeout=self.deferral_timeout(context, max(0.0, deadline - time.time()) + TRIGGER_GRACE),
        )

    def _may_end_from_trigger(self) -> bool:
        needs_worker = self.outlets or self.on_success_callback or self._post_execute_hook
        overrides = type(self).post_execute is not BaseSensorOperator.post_execute
        return self._trigger_may_end and not needs_worker and not overrides and not _has_listeners()

    def _end_if_late(self, deadline: float) -> None:
        if time.time() < deadline:
            return
        text = f"No matching notification was stored within {self.timeout} s."
        if self._outage is not None:
            raise AirflowFailException(f"{text} The last look failed: {self._outage}") from self._outage
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(text)
        raise AirflowSensorTimeout(text)


def _has_listeners() -> bool:
    """Tell whether a plugin, such as OpenLineage's, wants to hear of a task's end; only a worker tells it."""
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:  # Airflow 3.1
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]

    return bool(get_listener_manager().has_listeners)


def _since(given: datetime | Literal["start"], matching: Matching, context: Context) -> datetime:
    """Return the time that ``since`` stands for."""
    if isinstance(given, datetime):
        return given
    run: Any = context["dag_run"]
    start: datetime = run.start_date or run.run_after
    names_message = isinstance(matching, NotificationFilter) and (matching.quoted_id or matching.id_message)
    if run.clear_number and names_message:
        start = min(start, run.run_after)
    return start - CLOCKS_DIFFER


@contextmanager
def _faults_unmasked() -> Iterator[None]:
    """Undo what ``soft_fail`` and ``never_fail`` make of a fault that somebody must fix."""
    try:
        yield
    except AirflowSkipException as end:
        unmask(end)
        raise


def _was_rescheduled(context: Context) -> bool:
    ti: Any = context["ti"]
    return ti.get_first_reschedule_date(context) is not None
