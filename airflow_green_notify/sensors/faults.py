"""What ``silent_fail`` and ``never_fail`` forgive, and what of ``soft_fail`` is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import BaseSensorOperator

T = TypeVar("T")


def forgiving(sensor: BaseSensorOperator, look: Callable[[], T], nothing: T) -> T:
    """Look, and forgive what the sensor's arguments forgive where nothing is deferred.

    :param nothing: What a look that failed has seen.
    """
    try:
        return look()
    except AirflowFailException:
        raise
    except Exception as error:
        if sensor.silent_fail:
            sensor.log.exception("The look failed. Still waiting.")
            return nothing
        if sensor.never_fail:
            raise AirflowSkipException("The look failed, and never_fail is set.") from error
        raise


def unmask(end: BaseException) -> None:
    """Raise the fault that somebody must fix, if ``soft_fail`` or ``never_fail`` made a skip of it."""
    if isinstance(end.__cause__, AirflowFailException):
        raise end.__cause__ from end.__cause__.__cause__
