"""What every operator shares that sends: once, without leaks, and until it is delivered."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, conf

from airflow_green_notify.arguments import (
    Judge,
    boolean_of,
    choice_of,
    optional,
    our_store_of,
    plain_boolean_of,
    positive_seconds_of,
    recipient_of,
    seconds_of,
)
from airflow_green_notify.consume.waiting import CLOCKS_DIFFER
from airflow_green_notify.contacts import counts_messages
from airflow_green_notify.errors import GreenApiConfigError, GreenApiUnavailableError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.delivery import STAGES, Message
from airflow_green_notify.leaks import leak_in
from airflow_green_notify.operators.send_once import UNKNOWN, Outgoing, SendOnce
from airflow_green_notify.stoppable import run_async, run_loop
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_green_notify.stores.store import Store

    Stage = Literal["sent", "delivered", "read"]
    Watch = tuple[BaseTrigger, Callable[[], dict[str, Any]]]

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
        "wait_in": optional(our_store_of),
        "on_failed": choice_of("fail", "skip"),
        "max_wait": seconds_of,
        "poll_interval": positive_seconds_of,
        "deferrable": plain_boolean_of,
    }
    template_fields_renderers: ClassVar[dict[str, str]] = {"wait_in": "py"}
    ui_color = "#d5e8f6"
    _sent_since = math.inf

    def __init__(
        self,
        *,
        chat_id: str | int | None,
        quoted_message_id: str | None,
        deduplicate: bool | str,
        journal_lag: float | timedelta | str,
        wait_for: Stage | None,
        wait_in: Store | None,
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
        self.wait_in = wait_in
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
        if known.get("wait_in") and known.get("wait_for", ...) is None:
            raise ValueError("wait_in= needs wait_for=, that for which to wait in the store.")

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
        self._sent_since = sender.sent_since if sender else math.inf
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
        since = min(self._sent_since, started.timestamp() if started else time.time())
        message = Message(chat_id, id_message, since)
        deadline = time.time() + given.max_wait
        watch = self._watch_store if given.wait_in else self._watch_gateway
        trigger, wait = watch(message, deadline, given)
        if given.deferrable:
            self.defer(
                trigger=trigger,
                method_name="execute_complete",
                timeout=self.deferral_timeout(context, given.max_wait + TRIGGER_GRACE),
            )
        with fail_fast():
            event = self._stoppably(wait)
        return self.execute_complete(context, event)

    def _watch_gateway(self, message: Message, deadline: float, given: SimpleNamespace) -> Watch:
        """Return what asks the gateway again and again: in the triggerer, and here."""
        from airflow_green_notify.triggers.delivery import GreenApiDeliveryTrigger

        trigger = GreenApiDeliveryTrigger(
            self.green_api_conn_id,
            message.chat_id,
            message.id_message,
            message.since,
            given.wait_for,
            deadline,
            given.poll_interval,
        )
        hook = GreenApiHook(self.green_api_conn_id, max_attempts=1)
        return trigger, partial(run_async, hook, partial(trigger.event, hook))

    def _watch_store(self, message: Message, deadline: float, given: SimpleNamespace) -> Watch:
        """Return what looks for statuses that somebody stores: in the triggerer, and here."""
        from airflow_green_notify.triggers.stored_delivery import GreenApiStoredDeliveryTrigger

        statuses = {
            "type_webhook": "outgoingMessageStatus",
            "id_message": message.id_message,
            "body": {"instanceData.idInstance": self.hook.config.id_instance},
        }
        if counts_messages(message.chat_id):
            statuses["chat_id"] = message.chat_id
        since = datetime.fromtimestamp(message.since, UTC) - CLOCKS_DIFFER
        with fail_fast(), closing(given.wait_in.stream()) as stream:
            after = stream.before(since)
        trigger = GreenApiStoredDeliveryTrigger(
            given.wait_in.described(), statuses, since.isoformat(), after, given.wait_for, deadline
        )
        return trigger, partial(run_loop, trigger.event)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> str:
        """Go on in the worker when the message is delivered, or waiting was in vain."""
        if not event["error"]:
            return str(event["id_message"])
        if event["undelivered"] and self.on_failed == "skip":
            raise AirflowSkipException(event["error"])
        if event["retryable"]:
            raise GreenApiUnavailableError(event["error"])
        raise AirflowFailException(event["error"])
