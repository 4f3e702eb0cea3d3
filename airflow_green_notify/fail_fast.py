"""A wrong token fails a task at once; an outage leaves it its retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_green_notify.errors import GreenApiError


@contextmanager
def fail_fast(may_pass: Callable[[GreenApiError], bool] = attrgetter("retryable")) -> Iterator[None]:
    """Turn an error that no retry can fix into a failure that is not retried."""
    try:
        yield
    except GreenApiError as error:
        if may_pass(error):
            raise
        raise AirflowFailException(str(error)) from error
