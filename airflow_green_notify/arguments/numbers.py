"""Numbers and times."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Literal

from airflow_green_notify.arguments.judging import refusal
from airflow_green_notify.protocol.limits import MAX_RECEIVE_TIMEOUT


def seconds_of(name: str, value: Any) -> float:
    """Judge a number of seconds, or a ``timedelta``, that may be 0."""
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise refusal(name, value, "a number of seconds from 0 on, or a timedelta")
    return seconds


def linger_of(name: str, value: Any) -> float:
    """Judge the seconds for which a drain stays on a queue; ``"forever"`` is ``math.inf``."""
    if isinstance(value, str) and value == "forever":
        return math.inf
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise refusal(name, value, "a number of seconds from 0 on, a timedelta, or 'forever'")
    return seconds


def positive_seconds_of(name: str, value: Any) -> float:
    """Judge a number of seconds, or a ``timedelta``, above 0."""
    seconds = _number(value)
    if seconds is None or seconds <= 0:
        raise refusal(name, value, "a number of seconds above 0, or a timedelta")
    return seconds


def receive_timeout_of(name: str, value: Any) -> float:
    """Judge the seconds for which the gateway may hold a receive open."""
    seconds = _number(value)
    if seconds is None or not 0 < seconds <= MAX_RECEIVE_TIMEOUT:
        raise refusal(
            name,
            value,
            "a number of seconds between 5 and 60 (the gateway holds a request open for at most a minute)",
        )
    return seconds


def count_of(name: str, value: Any) -> int:
    """Judge a hard limit, or how often something is tried."""
    number = _integer(value)
    if number is None or number < 1:
        raise refusal(name, value, "a whole number from 1 on")
    return number


def integer_of(name: str, value: Any) -> int:
    """Judge a whole number."""
    number = _integer(value)
    if number is None:
        raise refusal(name, value, "a whole number")
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    whole = not isinstance(value, bool) and (not isinstance(value, float) or number == value)
    return number if whole else None


def moment_of(name: str, value: Any) -> datetime | Literal["start"]:
    """Judge a timestamp, or the start of the run."""
    if isinstance(value, str) and value == "start":
        return "start"
    moment = as_moment(value)
    if moment is None:
        allowed = "'start', None or a timestamp with a time zone, such as '2026-01-31T12:00:00+00:00'"
        raise refusal(name, value, allowed)
    return moment


def as_moment(value: Any) -> datetime | None:
    """Return a time with a time zone, or what its text says; ``None`` if it is none."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
    return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None
