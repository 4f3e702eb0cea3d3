"""The one table from the gateway's refusals to errors."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_green_notify.errors import (
    GreenApiInstanceError,
    GreenApiQuotaError,
    GreenApiResponseError,
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
    GreenApiWebhookUrlSetError,
)
from airflow_green_notify.printable import printable


class Refusal(NamedTuple):
    """A row of :data:`REFUSALS`: the first row that fits status and reason gives the error."""

    statuses: str
    reason: str
    error: type[GreenApiResponseError]
    advice: str

    def fits(self, status: int, reason: str) -> bool:
        return _in_spans(status, self.statuses) and bool(re.search(self.reason, reason, re.IGNORECASE))


def _in_spans(status: int, spans: str) -> bool:
    """Tell whether ``status`` is among spans such as ``"408 500-599"``."""
    bounds = (span.partition("-") for span in spans.split())
    return any(int(first) <= status <= int(last or first) for first, _, last in bounds)


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "400",
        "custom webhook url is set",
        GreenApiWebhookUrlSetError,
        "the instance pushes to a webhookUrl, so its queue can't be read: clear webhookUrl in the console "
        "(or with GreenApiConfigureInstanceOperator) and wait a minute",
    ),
    Refusal(
        "400",
        "in starting process",
        GreenApiUnavailableError,
        "the instance is starting, which takes up to 5 minutes: try later",
    ),
    Refusal(
        "400",
        "not authorized",
        GreenApiInstanceError,
        "authorize the instance in the console, then run the task again",
    ),
    Refusal(
        "400", "account is expired", GreenApiInstanceError, "renew the instance's payment in the console"
    ),
    Refusal(
        "400", "instance is deleted", GreenApiInstanceError, "put an existing instance into the connection"
    ),
    Refusal(
        "400",
        "idInstance not an integer",
        GreenApiUnauthorizedError,
        "the connection's login must be the instance id: digits only",
    ),
    Refusal(
        "400",
        "apiTokenInstance not define",
        GreenApiUnauthorizedError,
        "put the apiTokenInstance into the connection's password",
    ),
    Refusal(
        "403",
        "account is suspended",
        GreenApiInstanceError,
        "the messenger suspended the account: see its state in the console",
    ),
    Refusal(
        "401",
        "",
        GreenApiUnauthorizedError,
        "the token is wrong: compare the connection's password with the apiTokenInstance in the console",
    ),
    Refusal(
        "403",
        "",
        GreenApiUnauthorizedError,
        "the instance id or the host is wrong: compare the connection's login and host with idInstance and "
        "apiUrl in the console",
    ),
    Refusal(
        "404",
        "",
        GreenApiResponseError,
        "there is no such method at this address: compare the connection's host with apiUrl in the console",
    ),
    Refusal(
        "300-399",
        "",
        GreenApiResponseError,
        "the host redirects, which is not followed since the address holds the token: put the final address "
        "into the connection's host",
    ),
    Refusal(
        "466",
        "",
        GreenApiQuotaError,
        "the plan's limit of chats or calls is reached: wait for the next month or change the plan",
    ),
    Refusal("469", "", GreenApiQuotaError, "too many account checks: the gateway pauses them for 2 hours"),
    Refusal(
        "413 500",
        "max upload size|entity too large",
        GreenApiResponseError,
        "the file is too large: the limit is 100 MB",
    ),
    Refusal("500", "receiptId must be a Number", GreenApiResponseError, "the receipt id must be an integer"),
    Refusal(
        "429",
        "",
        GreenApiUnavailableError,
        "too many requests: does something else use this instance? Lower requests_per_second",
    ),
    Refusal("499", "", GreenApiUnavailableError, "the gateway saw the connection closed: try again later"),
    Refusal(
        "408 413 500-599",
        "",
        GreenApiUnavailableError,
        "the gateway is in trouble: try again later; if it lasts, ask the vendor's support",
    ),
    Refusal("0-999", "", GreenApiResponseError, "the request was refused; a retry won't help"),
)


def refusal_error(
    method: str, status: int, reason: str, retry_after: str | None = None
) -> GreenApiResponseError:
    """Return the error for a refused call.

    :param reason: The gateway's words, already without the token.
    :param retry_after: The header of that name; only its form in seconds is understood.
    """
    row = next(row for row in REFUSALS if row.fits(status, reason))
    words = f" ({printable(reason)})" if reason else ""
    return row.error(
        f"{method} was refused with {status}{words}: {row.advice}.",
        status=status,
        reason=reason,
        retry_after=float(retry_after) if retry_after and retry_after.isdecimal() else None,
    )
