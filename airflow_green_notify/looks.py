"""What the doctor looks at, and what it makes of what it sees."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_green_notify.drain.report import RETENTION_WARNING
from airflow_green_notify.errors import (
    GreenApiConfigError,
    GreenApiError,
    GreenApiPayloadError,
    GreenApiTransportError,
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
)
from airflow_green_notify.examination import Examination, Finding
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks import silence as silences
from airflow_green_notify.hooks.diagnosis import NOTIFICATION_SWITCHES, settings_fault, state_fault, way_risks
from airflow_green_notify.hooks.send_queue import SHOWN_AT_MOST, WATCH, SendQueue, watch_send_queue
from airflow_green_notify.printable import NAME, TEXT, printable
from airflow_green_notify.progress import span
from airflow_green_notify.protocol.calls import ACCOUNT_RATE, QUEUE_RATE, SENDING_RATE

SECOND_LOOK_AFTER = 20.0
"""Seconds after which a yellow card is looked at again: it is often shown where there is none."""

COUNT_FAULTS = "it is counted every 10 s, and wrong zeros are known: only the oldest notification is proof"


def findings(
    hook: GreenApiHook, examination: Examination, silent_after: float | None, once: bool = False
) -> Iterator[Finding]:
    """Yield what is found, one look after the other, until looking further makes no sense.

    :param once: Call each method once at most; what takes a second look is not judged then.
    """
    try:
        config = hook.config
        hook.get_conn()
    except (AirflowNotFoundException, GreenApiConfigError) as error:
        yield Finding("connection", False, printable(error, TEXT), "fix it under Admin, Connections")
        return
    examination.instance, examination.host = config.id_instance, config.base_url
    yield Finding("connection", True, "complete")
    for risk in way_risks(config.base_url, config.media_url, config.verify):
        yield Finding("way", None, risk.found, risk.remedy)
    looks: tuple[tuple[str, Callable[[], Any], Callable[[str, Any], Finding]], ...] = (
        ("state", partial(_state, hook, once), _judge_state),
        ("settings", hook.get_settings, _judge_settings),
        ("count", hook.get_webhooks_count, _judge_count),
        ("oldest", hook.receive_notification, _judge_oldest),
        ("to send", partial(watch_send_queue, hook, once), _judge_send_queue),
        ("silence", partial(_silence, hook, silent_after, once), partial(_judge_silence, silent_after)),
    )
    for check, look, judge in looks:
        finding, goes_on = _look(check, look, judge)
        yield finding
        if not goes_on:
            return
    yield Finding(
        "rates",
        True,
        f"at most {config.requests_per_second} receives and as many deletes per second by the connection's "
        f"requests_per_second; the gateway allows {QUEUE_RATE.limit}, {SENDING_RATE.limit} sends and "
        f"{ACCOUNT_RATE.limit} look at state or settings",
    )


def shared_queue(others: Sequence[str]) -> Iterator[Finding]:
    """Yield the warning that other connections lead to the same instance, if there are any."""
    if others:
        yield Finding(
            "shared",
            None,
            f"the same instance as {', '.join(printable(other, NAME) for other in others)}: each connection "
            "reads the other's queue, and a fleet refuses them",
            "keep one connection per instance",
        )


def _look(check: str, look: Callable[[], Any], judge: Callable[[str, Any], Finding]) -> tuple[Finding, bool]:
    """Return the finding, and whether looking further makes sense."""
    try:
        return judge(check, look()), True
    except GreenApiError as error:
        return _refused(check, error), not _holds_for_every_call(error)


def _holds_for_every_call(error: GreenApiError) -> bool:
    status = getattr(error, "status", 0)
    wrong_host = isinstance(error, GreenApiPayloadError) or status == 404 or 300 <= status < 400
    return wrong_host or isinstance(error, GreenApiTransportError | GreenApiUnauthorizedError)


def _refused(check: str, error: GreenApiError) -> Finding:
    found, remedy = _parted(str(error))
    if isinstance(error, GreenApiUnavailableError) and error.status == 429:
        remedy = "find what else uses this instance: a bot, n8n, another Airflow"
    return Finding(check, False, found, remedy)


def _parted(text: str) -> tuple[str, str]:
    """Part what happened from what to do, which stands in a second sentence or behind the last colon."""
    found, stop, remedy = text.rstrip(".").partition(". ")
    if not stop:
        found, stop, remedy = found.rpartition(": ")
    return (found, remedy) if stop else (remedy, "")


def _state(hook: GreenApiHook, once: bool) -> str:
    """Return the state; a yellow card only if it is there twice, unless one look must do."""
    state = hook.get_state_instance()
    if once or state != "yellowCard":
        return state
    time.sleep(SECOND_LOOK_AFTER)
    return hook.get_state_instance()


def _silence(
    hook: GreenApiHook, silent_after: float | None, once: bool
) -> silences.Silence | GreenApiPayloadError:
    """Return how long it has been quiet, or why that can't be told: a long journal may be too large."""
    try:
        if once:
            return silences.recent_silence_of(hook)
        return silences.silence_of(hook, math.ceil((silent_after or 0.0) / 60) + 1)
    except GreenApiPayloadError as error:
        return error.with_traceback(None)


def _judge_silence(
    silent_after: float | None, check: str, silence: silences.Silence | GreenApiPayloadError
) -> Finding:
    if isinstance(silence, GreenApiPayloadError):
        return Finding(check, None, *_parted(str(silence)))
    if silent_after is not None and silence.lasts > silent_after:
        return Finding(check, False, f"{silence}; silent_after is {span(silent_after)}", silences.REMEDY)
    if silent_after is None and silence.is_unusual:
        return Finding(check, None, str(silence), silences.REMEDY)
    return Finding(check, True, str(silence))


def _judge_state(check: str, state: str) -> Finding:
    fault, brief = state_fault(state), printable(state, NAME)
    return (
        Finding(check, False, *_parted(fault), brief) if fault else Finding(check, True, state, brief=brief)
    )


def _judge_settings(check: str, settings: dict[str, Any]) -> Finding:
    if fault := settings_fault(settings):
        return Finding(check, False, *_parted(fault))
    off = [name for name in NOTIFICATION_SWITCHES if settings.get(name) != "yes"]
    switched_on = f"all but {', '.join(off)}" if off else "every notification type"
    return Finding(check, True, f"webhookUrl is empty; switched on: {switched_on}")


def _judge_count(check: str, count: int) -> Finding:
    return Finding(check, True, f"about {count} waiting; {COUNT_FAULTS}", brief=str(count))


def _judge_oldest(check: str, head: Any) -> Finding:
    if head is None:
        return Finding(check, True, "nothing waits")
    kind = printable(head.type_webhook, NAME)
    if head.timestamp is None:
        return Finding(check, None, f"a notification without a timestamp waits ({kind})", brief="?")
    age = (datetime.now(UTC) - head.timestamp).total_seconds()
    found = f"{kind} has waited for {span(age)}"
    if age <= RETENTION_WARNING:
        return Finding(check, True, found, brief=span(age))
    return Finding(
        check,
        False,
        f"{found}, and the gateway keeps notifications for 24 h",
        "run the Dag that drains (GreenApiDrainNotificationsOperator) and see why it did not; what is lost, "
        "GreenApiBackfillMessagesOperator may repair",
        span(age),
    )


def _judge_send_queue(check: str, queue: SendQueue) -> Finding:
    if not queue.length:
        return Finding(check, True, "no message waits to be sent")
    found = f"{queue.length}{'' if queue.length < SHOWN_AT_MOST else ' or more'} messages wait to be sent"
    if queue.moves is None:
        return Finding(check, True, found)
    if queue.moves:
        return Finding(check, True, f"{found}, and leave one by one")
    remedy = "see the state, and delaySendMessagesMilliseconds in the settings; after 24 h they are dropped"
    return Finding(check, None, f"{found}, and none left within {WATCH:g} s", remedy)
