"""From ``(call, status, bytes)`` to a result or an error."""

from __future__ import annotations

import math
from typing import Any

from airflow_green_notify.errors import GreenApiError, GreenApiPayloadError, GreenApiUnavailableError
from airflow_green_notify.json_text import from_text
from airflow_green_notify.protocol.calls import Call, Result
from airflow_green_notify.protocol.redaction import redact
from airflow_green_notify.protocol.refusals import refusal_error
from airflow_green_notify.protocol.results import EMPTY

MAX_WORDS = 500
"""Characters of the gateway's own words that an error repeats."""

_SEARCHED = 64 * 2**10
"""Characters of its words that are looked at: so many that no token which is cut off at their end comes into
the first :data:`MAX_WORDS`, however many of those before it were replaced."""

_NOT_JSON = object()


def outcome_of(
    call: Call[Result],
    status: int,
    body: bytes | bytearray,
    *,
    token: str = "",
    retry_after: str | None = None,
) -> Result | GreenApiError:
    """Return what :func:`read_answer` returns, or the error that it raises.

    An error without its traceback: the frames in there hold the token, and a body that may repeat it. Who
    raises it must have neither within reach, since some tools report the locals of every frame.
    """
    try:
        return read_answer(call, status, body, token=token, retry_after=retry_after)
    except GreenApiError as error:
        return error.with_traceback(None)


def read_answer(
    call: Call[Result],
    status: int,
    body: bytes | bytearray,
    *,
    token: str = "",
    retry_after: str | None = None,
) -> Result:
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
            return _read_good(call, _with_redacted_reason(answer, token))
    else:
        reason = _reason(answer, body)
    good = call.good_refusal
    if good and good.status == status and good.words in reason:
        return good.result
    words = redact(reason[:_SEARCHED], token)[:MAX_WORDS]
    raise refusal_error(call.method, status, words, retry_after)


def _parse(body: bytes | bytearray) -> Any:
    if not body or body.isspace():
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


def _read_good(call: Call[Result], answer: Any) -> Result:
    if answer is EMPTY and not call.may_be_empty:
        raise GreenApiUnavailableError(
            f"{call.method} gave an empty answer, as the gateway does now and then: try again.", status=200
        )
    try:
        return call.read(answer)
    except RecursionError:
        what = f"{call.method} gave an answer that is nested too deeply to be worked with."
    raise GreenApiPayloadError(what)


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


def _with_redacted_reason(answer: Any, token: str) -> Any:
    """Errors repeat why ``isCleared`` is false; a notification has no such member."""
    reason = answer.get("reason") if isinstance(answer, dict) and "receiptId" not in answer else None
    return answer | {"reason": redact(reason[:_SEARCHED], token)} if isinstance(reason, str) else answer


def _reason(answer: Any, body: bytes | bytearray) -> str:
    """The gateway's words: plain text, or JSON with ``message``, ``reason``, ``description`` or a quota."""
    if not isinstance(answer, dict):
        return body[:_SEARCHED].decode("utf-8", "replace").strip()
    words = [_word(answer.get(name)) for name in ("message", "reason", "description")]
    # The description of a quota lists chats, which are personal data; status and numbers say enough.
    for quota in (answer.get("invokeStatus"), answer.get("correspondentsStatus")):
        if isinstance(quota, dict):
            status, used, total = (_word(quota.get(name)) for name in ("status", "used", "total"))
            words.append(f"{status}: {used} of {total}")
    return "; ".join(filter(None, words))


def _word(value: Any) -> str:
    """A list or an object is no word, and may be nested too deeply to be written."""
    return str(value) if isinstance(value, str | int | float) else ""
