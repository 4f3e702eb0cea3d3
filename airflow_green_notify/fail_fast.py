"""A wrong token fails a task at once; an outage, or a broken answer, leaves it its retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_green_notify.errors import GreenApiError, may_pass


@contextmanager
def fail_fast() -> Iterator[None]:
    """Turn an error that no retry can fix into a failure that is not retried."""
    try:
        yield
    except GreenApiError as error:
        if may_pass(error):
            raise
        raise AirflowFailException(str(error)) from error
