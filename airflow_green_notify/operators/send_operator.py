"""What every operator shares that sends: once, without leaks, and until it is delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, conf

from airflow_green_notify.arguments import (
    Judge,
    boolean_of,
    choice_of,
    optional,
    plain_boolean_of,
    positive_seconds_of,
    recipient_of,
    seconds_of,
)
from airflow_green_notify.errors import GreenApiConfigError, GreenApiUnavailableError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.delivery import STAGES, Message, delivery_event
from airflow_green_notify.leaks import leak_in
from airflow_green_notify.operators.send_once import UNKNOWN, Outgoing, SendOnce
from airflow_green_notify.stoppable import run_async
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    Stage = Literal["sent", "delivered", "read"]

MAX_WAIT = 3600.0
POLL_INTERVAL = 5.0
DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)

TRIGGER_GRACE = 60.0
"""Seconds after ``max_wait`` when Airflow ends a deferred wait by itself: no triggerer was there to do it."""


class SendOperator(GreenApiTask):
    """What all operators share that send to a chat."""

    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "chat_id": recipient_of,
        "deduplicate": boolean_of,
        "journal_lag": seconds_of,
        "wait_for": optional(choice_of(*STAGES)),
        "on_failed": choice_of("fail", "skip"),
        "max_wait": seconds_of,
        "poll_interval": positive_seconds_of,
        "deferrable": plain_boolean_of,
    }
    ui_color = "#d5e8f6"

    def __init__(
        self,
        *,
        chat_id: str | int | None,
        quoted_message_id: str | None,
        deduplicate: bool | str,
        journal_lag: float | timedelta | str,
        wait_for: Stage | None,
        on_failed: Literal["fail", "skip"],
        max_wait: float | timedelta | str,
        poll_interval: float | timedelta | str,
        deferrable: bool,
        green_api_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chat_id = chat_id
        self.quoted_message_id = quoted_message_id
        self.deduplicate = deduplicate
        self.journal_lag = journal_lag
        self.wait_for = wait_for
        self.on_failed = on_failed
        self.max_wait = max_wait
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.green_api_conn_id = green_api_conn_id

    def check_together(self, known: Mapping[str, Any]) -> None:
        if known.get("wait_for") and known.get("deduplicate") is False:
            raise ValueError(
                "deduplicate is False; wait_for= needs it, or a retry that has to wait on would send again."
            )

    def _refuse_leaks(self, hook: GreenApiHook, *arguments: str) -> None:
        """Refuse to send what some arguments hold, once they are rendered."""
        leak = leak_in(hook.config, **{name: getattr(self, name) for name in arguments})
        if leak:
            raise GreenApiConfigError(leak)

    def _sender(self, context: Context, hook: GreenApiHook) -> SendOnce | None:
        given = self.judged_arguments()
        return SendOnce(hook, context, journal_lag=given.journal_lag) if given.deduplicate else None

    def _send(self, context: Context, hook: GreenApiHook, outgoing: Outgoing, send: Callable[[], str]) -> str:
        sender = self._sender(context, hook)
        id_message = sender.send(outgoing, send) if sender else send()
        self.log.info("In the send queue as %s.", id_message)
        return id_message

    def _wait_until_delivered(self, context: Context, chat_id: str, id_message: str) -> str:
        """Wait for the message, in the worker or in the triggerer, if that is asked for; return its id."""
        given = self.judged_arguments()
        if given.wait_for is None:
            return id_message
        if id_message == UNKNOWN:
            raise AirflowFailException(
                "An earlier try sent the message, and the gateway shows it without an id, so its delivery "
                "can't be watched. See the chat."
            )
        self.log.info("Waiting until it is %s, for up to %.0f s.", given.wait_for, given.max_wait)
        started = getattr(context.get("dag_run"), "start_date", None)
        message = Message(chat_id, id_message, started.timestamp() if started else time.time())
        deadline = time.time() + given.max_wait
        if given.deferrable:
            self._defer(context, message, deadline, given)
        hook = GreenApiHook(self.green_api_conn_id, max_attempts=1)
        look = partial(delivery_event, hook, message, given.wait_for)
        wait = partial(look, deadline=deadline, poll_interval=given.poll_interval)
        with fail_fast():
            event = self._stoppably(partial(run_async, hook, wait))
        return self.execute_complete(context, event)

    def _defer(self, context: Context, message: Message, deadline: float, given: SimpleNamespace) -> NoReturn:
        from airflow_green_notify.triggers.delivery import GreenApiDeliveryTrigger

        self.defer(
            trigger=GreenApiDeliveryTrigger(
                self.green_api_conn_id,
                message.chat_id,
                message.id_message,
                message.since,
                given.wait_for,
                deadline,
                given.poll_interval,
            ),
            method_name="execute_complete",
            timeout=self.deferral_timeout(context, given.max_wait + TRIGGER_GRACE),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> str:
        """Go on in the worker when the message is delivered, or waiting was in vain."""
        if not event["error"]:
            return str(event["id_message"])
        if event["undelivered"] and self.on_failed == "skip":
            raise AirflowSkipException(event["error"])
        if event["retryable"]:
            raise GreenApiUnavailableError(event["error"])
        raise AirflowFailException(event["error"])
