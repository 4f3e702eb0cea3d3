"""What operators that read a queue to its end have in common: when to stop, and whose turn it is."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_green_notify.arguments import (
    Judge,
    boolean_of,
    choice_of,
    connections_of,
    count_of,
    linger_of,
    moment_of,
    optional,
    positive_seconds_of,
    receive_timeout_of,
    seconds_of,
)
from airflow_green_notify.errors import may_pass
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.lineage import Queue, TellsLineage
from airflow_green_notify.links import LINKS, push_links
from airflow_green_notify.operators.reading import OneQueue
from airflow_green_notify.stoppable import ToldToStop, sleep
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.operators.reading import Reading, Report

log = logging.getLogger(__name__)

FAILS_NO_SOONER = 60.0
"""Seconds that a try takes at least which lingers and fails, since the next run begins at once."""


class ReaderOperator(TellsLineage, GreenApiTask):
    """When to stop, and how to receive: what draining operators have in common."""

    template_fields: Sequence[str] = (
        "green_api_conn_id",
        "max_notifications",
        "max_seconds",
        "empty_answers",
        "until",
        "receive_timeout",
        "wait_for_reader",
        "overlap",
        "skip_if_empty",
        "linger",
        "on_instance_error",
    )
    judges: ClassVar[Mapping[str, Judge]] = {
        "green_api_conn_id": connections_of,
        "max_notifications": optional(count_of),
        "max_seconds": optional(positive_seconds_of),
        "empty_answers": count_of,
        "until": optional(moment_of),
        "receive_timeout": receive_timeout_of,
        "wait_for_reader": seconds_of,
        "overlap": boolean_of,
        "skip_if_empty": boolean_of,
        "linger": linger_of,
        "on_instance_error": choice_of("fail", "warn"),
    }
    operator_extra_links = LINKS
    ui_color = "#cde3ee"
    _fleet: Sequence[GreenApiHook] = ()

    def __init__(
        self,
        *,
        green_api_conn_id: str | Sequence[str],
        max_notifications: int | str | None,
        max_seconds: float | timedelta | str | None,
        empty_answers: int | str,
        until: datetime | str | None,
        receive_timeout: float | timedelta | str,
        wait_for_reader: float | timedelta | str,
        overlap: bool | str,
        skip_if_empty: bool | str,
        linger: float | timedelta | str,
        on_instance_error: Literal["fail", "warn"] | str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id  # type: ignore[assignment]  # a list, too, here
        self.max_notifications = max_notifications
        self.max_seconds = max_seconds
        self.empty_answers = empty_answers
        self.until = until
        self.receive_timeout = receive_timeout
        self.wait_for_reader = wait_for_reader
        self.overlap = overlap
        self.skip_if_empty = skip_if_empty
        self.linger = linger
        self.on_instance_error = on_instance_error

    def check_together(self, known: Mapping[str, Any]) -> None:
        if known.get("linger") == math.inf and not (
            known.get("max_seconds", ...) or known.get("max_notifications", ...)
        ):
            raise ValueError(
                "linger is 'forever', so max_seconds or max_notifications must say when the batch ends."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute_judged, context))

    def _execute_judged(self, context: Context) -> dict[str, Any]:
        push_links(self, context)
        with _no_loop_of_failures(self._lingers()), fail_fast(may_pass):
            return self._execute(context, self.judged_arguments())

    def _lingers(self) -> bool:
        """Tell whether the next run may begin at once; so it may if the argument tells nothing."""
        try:
            return linger_of("linger", self.linger) > 0
        except ValueError:
            return True

    def _execute(self, context: Context, given: SimpleNamespace) -> dict[str, Any]:
        raise NotImplementedError

    def _reading(self, context: Context, given: SimpleNamespace) -> Reading:
        """Return what is read: one queue, or those of a fleet."""
        if isinstance(given.green_api_conn_id, str):
            return OneQueue(self.hook, given, context, self.log)
        from airflow_green_notify.operators.fleet import FleetReading

        fleet = FleetReading(given.green_api_conn_id, given, context, self.log)
        self._fleet = fleet.hooks
        return fleet

    def _queues(self) -> list[Queue]:
        """Return the queues that the task reads; of a fleet those whose connections are of use."""
        hooks = [self.hook] if isinstance(self.green_api_conn_id, str) else self._fleet
        return [Queue(hook) for hook in hooks]

    def _end(self, context: Context, report: Report, skip: bool, told: Mapping[str, Any] | None) -> None:
        """Tell the outlets what came; if nothing did, tell them nothing, or skip."""
        if not told and skip:
            somebody_else = report.stopped_by == "another_reader"
            raise AirflowSkipException(
                "Somebody else reads the queue." if somebody_else else "The queue was empty."
            )
        self.tell_outlets(context, told)


@contextmanager
def _no_loop_of_failures(lingers: bool) -> Iterator[None]:
    """Keep a Dag that runs all the time from failing all the time."""
    started = time.monotonic()
    try:
        yield
    except (AirflowSkipException, ToldToStop):
        raise
    except Exception as error:
        seconds = FAILS_NO_SOONER - (time.monotonic() - started)
        if lingers and seconds > 0:
            log.error("%s Failing in %.0f s: the next try or run would fail at once.", error, seconds)
            sleep(seconds)
        raise
