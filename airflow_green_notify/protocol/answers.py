"""From ``(call, status, bytes)`` to a result or an error."""

from __future__ import annotations

import math
from typing import Any

from airflow_green_notify.errors import GreenApiPayloadError, GreenApiUnavailableError
from airflow_green_notify.json_text import from_text
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.redaction import redact
from airflow_green_notify.protocol.refusals import refusal_error
from airflow_green_notify.protocol.results import EMPTY

_NOT_JSON = object()


def read_answer(
    call: Call, status: int, body: bytes, *, token: str = "", retry_after: str | None = None
) -> Any:
    """Return what the answer to ``call`` holds.

    :param status: The HTTP status.
    :param body: The bytes of the answer, decompressed.
    :param token: Never appears in what is raised.
    :param retry_after: The header of that name, if there was one.
    :raises GreenApiResponseError: The gateway refused; the subclass tells what to do.
    :raises GreenApiPayloadError: The answer is not what the contract says.
    """
    answer = _parse(body)
    if status == 200:
        if answer is _NOT_JSON:
            raise GreenApiPayloadError(
                f"{call.method} answered with something other than JSON ({len(body)} bytes): is the "
                "connection's host the gateway's API URL, or does a proxy answer in its place?"
            )
        status, reason = _refused_in_body(answer)
        if status == 200:
            return _read_good(call, answer)
    else:
        reason = _reason(answer, body)
    # "The message to delete was not found" is the other form of 200 {"result": false}.
    if call.method == "deleteNotification" and status == 500 and "findUnAckedMessage" in reason:
        return False
    raise refusal_error(call.method, status, redact(reason, token)[:500], retry_after)


def _parse(body: bytes) -> Any:
    if not body.strip():
        return EMPTY
    try:
        answer = from_text(body, parse_constant=str, parse_float=_finite, parse_int=_readable)
    except ValueError:
        return _NOT_JSON
    return EMPTY if answer in ({}, []) else answer


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _readable(digits: str) -> int | str:
    """Python refuses to read or write integers of thousands of digits; one must not block the queue."""
    return int(digits) if len(digits) <= 1000 else digits


def _read_good(call: Call, answer: Any) -> Any:
    if answer is EMPTY and not call.may_be_empty:
        raise GreenApiUnavailableError(
            f"{call.method} gave an empty answer, as the gateway does now and then: try again.", status=200
        )
    return call.read(answer)


def _refused_in_body(answer: Any) -> tuple[int, str]:
    """Some refusals come as HTTP 200: ``{"code": 401, …}`` or ``{"status": false, "reason": …}``."""
    if not isinstance(answer, dict) or "receiptId" in answer:
        return 200, ""
    code = answer.get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        return code, _reason(answer, b"")
    if answer.get("status") is False:
        return 400, _reason(answer, b"")
    return 200, ""


def _reason(answer: Any, body: bytes) -> str:
    """The gateway's words: plain text, or JSON with ``message``, ``reason``, ``description`` or a quota."""
    if not isinstance(answer, dict):
        return body[:10_000].decode("utf-8", "replace").strip()
    words = [answer.get(name) for name in ("message", "reason", "description")]
    # The description of a quota lists chats, which are personal data; status and numbers say enough.
    for quota in (answer.get("invokeStatus"), answer.get("correspondentsStatus")):
        if isinstance(quota, dict):
            words.append(f"{quota.get('status')}: {quota.get('used')} of {quota.get('total')}")
    return "; ".join(str(word) for word in words if word)
