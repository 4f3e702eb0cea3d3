"""What any method of the gateway is called with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_green_notify.arguments.judging import refusal
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol.calls.any_method import checked_method, checked_verb

_FOR_OTHERS = {
    "receivenotification": "is what GreenApiReceiveNotificationOperator and the drains do",
    "deletenotification": "is what GreenApiDeleteNotificationOperator and the drains do",
    "updateapitoken": "answers with the new token, which a task must not return: renew it in the console",
}


def verb_of(name: str, value: Any) -> str:
    """Judge an HTTP method."""
    try:
        return checked_verb(value)
    except GreenApiConfigError as error:
        raise ValueError(str(error)) from None


def method_of(name: str, value: Any) -> str:
    """Judge the name of a gateway method that a task may call."""
    if isinstance(value, str) and (reason := _FOR_OTHERS.get(value.lower())):
        raise ValueError(f"{name} is {value!r}, which {reason}.")
    try:
        checked_method(value)
    except GreenApiConfigError as error:
        raise ValueError(str(error)) from None
    return str(value)


def payload_of(name: str, value: Any) -> dict[str, Any]:
    """Judge what goes with a call."""
    if value is not None and not isinstance(value, Mapping):
        raise refusal(name, value, "a dict, such as {'chatId': '12025550101@c.us'}, or None")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        what = f"{name} can't be written as JSON: {error}."
    else:
        return dict(value or {})
    raise ValueError(what)
