"""Why no answer came, in words without an address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from airflow_green_notify.errors import (
    GreenApiResponseError,
    GreenApiTransportError,
    GreenApiUnavailableError,
)
from airflow_green_notify.protocol.calls import Call


def transport_error(call: Call[Any], error: BaseException) -> GreenApiTransportError:
    """Return the error for a call without an answer.

    It is built from the kinds of the errors and the operating system's words, never from their texts, which
    hold the URL and so the token. Raise it outside the ``except`` block, or Python keeps the original as its
    context.
    """
    doubt = "" if call.repeatable else "; it may have had its effect all the same"
    return GreenApiTransportError(
        f"{call.method} got no answer ({', '.join(dict.fromkeys(_words(error)))}){doubt}. If it lasts, check "
        "the connection's host and the way to it: DNS, proxy, firewall, TLS."
    )


def download_error(error: BaseException) -> GreenApiTransportError:
    """Return the error for a file that didn't come, or not as a whole; raise it like the one above."""
    return GreenApiTransportError(
        f"The file did not come from its storage ({', '.join(dict.fromkeys(_words(error)))}). If it lasts, "
        "check the worker's way to the storage: DNS, proxy, firewall, TLS."
    )


def storage_refusal(status: int) -> GreenApiResponseError:
    """Return the error for a file that its storage doesn't give out."""
    answer = f"The storage answered {status} for the file: "
    if status >= 500 or status in (408, 429):
        return GreenApiUnavailableError(answer + "try again later.", status=status)
    return GreenApiResponseError(answer + "its link has expired or is wrong.", status=status)


def _words(error: BaseException) -> Iterator[str]:
    yield type(error).__name__
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno and cause.strerror and "://" not in str(cause.strerror):
            yield _words_of_system(cause.errno, str(cause.strerror))


def _words_of_system(number: int, words: str) -> str:
    """asyncio puts an address in the place of the reason."""
    return os.strerror(number) if "Connect call failed" in words else words


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        waiting += [arg for arg in cause.args if isinstance(arg, BaseException)]
