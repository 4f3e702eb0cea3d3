"""What a good answer holds, per method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_green_notify.errors import GreenApiPayloadError, GreenApiUnavailableError
from airflow_green_notify.notification import Notification

EMPTY: Any = None
"""What an empty answer reads as: zero bytes, white space, ``null``, ``{}`` or ``[]``."""

MAX_LEFT_TIME = 86_400
"""Seconds; a gateway that names more names nonsense."""


def notification(answer: Any) -> Notification | None:
    if answer is EMPTY:
        return None
    receipt_id = answer.get("receiptId") if isinstance(answer, dict) else None
    if not isinstance(receipt_id, int) or isinstance(receipt_id, bool):
        raise GreenApiPayloadError(
            "receiveNotification answered without an integer receiptId: is the connection's host the "
            "gateway's API URL?"
        )
    return Notification(receipt_id, answer.get("body"))


def _member(answer: Any, name: str, kind: type) -> Any:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise GreenApiPayloadError(
            f"The gateway's answer has no {name!r}: is the connection's host the gateway's API URL?"
        )
    return value


def flag(name: str) -> Callable[[Any], bool]:
    return lambda answer: bool(_member(answer, name, bool))


def text(name: str) -> Callable[[Any], str]:
    return lambda answer: str(_member(answer, name, str))


def texts(name: str) -> Callable[[Any], list[str]]:
    return lambda answer: [str(item) for item in _member(answer, name, list)]


def anything(answer: Any) -> Any:
    return answer


def nothing(answer: Any) -> None:
    return None


def object_(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise GreenApiPayloadError("The gateway answered with something other than an object.")
    return answer


def object_with(name: str, kind: type) -> Callable[[Any], dict[str, Any]]:
    def read(answer: Any) -> dict[str, Any]:
        _member(answer, name, kind)
        return object_(answer)

    return read


def objects(answer: Any) -> list[dict[str, Any]]:
    if answer is EMPTY:
        return []
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise GreenApiPayloadError("The gateway answered with something other than a list of objects.")
    return answer


def count(answer: Any) -> int:
    # One page of the vendor's documentation spells the key with a Cyrillic first letter.
    cyrillic = "\u0441ount"
    return int(_member(answer, cyrillic if cyrillic in object_(answer) else "count", int))


def cleared(answer: Any) -> bool:
    if _member(answer, "isCleared", bool):
        return True
    left = answer.get("leftTime")
    seconds = float(max(0, min(left, MAX_LEFT_TIME))) if isinstance(left, int | float) else None
    wait = f"wait {seconds:g} s and try again" if seconds else "try again in a minute"
    reason = str(answer.get("reason"))[:100]
    raise GreenApiUnavailableError(
        f"The queue was not cleared ({reason}): it can be cleared once a minute; {wait}.",
        status=200,
        reason=reason,
        retry_after=seconds,
    )
