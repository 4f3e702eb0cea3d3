"""What can go wrong, grouped by what a caller does about it.

::

    GreenApiError                     .retryable
    ├── GreenApiConfigError           the connection is incomplete or wrong; raised before any request
    ├── GreenApiTransportError        no answer: DNS, refused, timeout, TLS, cut              retryable
    ├── GreenApiPayloadError          an answer that is not what the contract says
    ├── GreenApiResponseError         answered, refused: .status, .reason
    │   ├── GreenApiUnauthorizedError     the token or the instance id is refused
    │   ├── GreenApiWebhookUrlSetError    push delivery is on: polling is refused
    │   ├── GreenApiInstanceError         expired, deleted, suspended or not authorized
    │   ├── GreenApiQuotaError            the plan's limit is reached
    │   └── GreenApiUnavailableError      busy, starting or down for now                      retryable
    └── NotificationStoreError        not durable, so nothing was deleted                     retryable
"""

from __future__ import annotations

from airflow_green_notify.printable import TEXT, printable


class GreenApiError(Exception):
    """Base of everything this provider raises on purpose.

    :param message: What happened, and what to do about it. It may quote the gateway, a database or a chat:
        the error's text is one printable line nevertheless.
    """

    retryable = False
    """Whether the same call may succeed later without anybody fixing anything."""

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message, TEXT))


class GreenApiConfigError(GreenApiError):
    """The connection or an argument is incomplete or wrong; no request was made."""


class GreenApiTransportError(GreenApiError):
    """No usable answer came: DNS, refused, timeout, TLS or a cut. The call may have had its effect."""

    retryable = True


class GreenApiPayloadError(GreenApiError):
    """The answer is not what the gateway's contract says."""


class GreenApiResponseError(GreenApiError):
    """The gateway answered, and refused.

    :param message: What happened, and what to do about it.
    :param status: The HTTP status, or the code that the gateway wrote into the body of a 200.
    :param reason: The gateway's own words, without the token.
    :param retry_after: Seconds the gateway asks to wait, if it said so.
    """

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = printable(reason)
        self.retry_after = retry_after


class GreenApiUnauthorizedError(GreenApiResponseError):
    """401 or 403: the token or the instance id is refused; a retry won't help."""


class GreenApiWebhookUrlSetError(GreenApiResponseError):
    """400: the instance pushes to a ``webhookUrl``, so its queue can't be read."""


class GreenApiInstanceError(GreenApiResponseError):
    """The instance is expired, deleted, suspended or not authorized: somebody must act in the console."""


class GreenApiQuotaError(GreenApiResponseError):
    """466 or 469: the limit of the plan is reached."""


class GreenApiUnavailableError(GreenApiResponseError):
    """429, 499, 5xx or "starting": the same call may succeed later."""

    retryable = True


class NotificationStoreError(GreenApiError):
    """A notification could not be made durable, so it was not deleted from the gateway."""

    retryable = True


def may_pass(error: BaseException) -> bool:
    """Tell whether the same may go well later: outages end, and a single answer may be broken on its way."""
    return isinstance(error, GreenApiPayloadError) or (isinstance(error, GreenApiError) and error.retryable)
