"""Examines an instance: what keeps its queue from being read, and where to fix it.

``python -m airflow_green_notify.doctor [CONN_ID] [--silent-after SECONDS] [--json]``; on Airflow 3.2 and
later also ``airflow green-api doctor``. It peeks and counts: nothing is deleted or changed. Exit code 0 means
healthy. :func:`check_instance` is the same as the function of a task.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_green_notify.arguments import optional, seconds_of
from airflow_green_notify.cli import DOCTOR_ARGUMENTS, DOCTOR_HELP, parsed
from airflow_green_notify.examination import Examination
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.looks import findings


def examine(
    green_api_conn_id: str = GreenApiHook.default_conn_name, silent_after: float | timedelta | None = None
) -> Examination:
    """Look at connection, state, settings, queue and rates of one instance, and stop where it makes no sense.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param silent_after: Seconds without an incoming message after which the instance is not healthy. Without
        it, a silence that is unusual for this instance is a warning.
    """
    bound = optional(seconds_of)("silent_after", silent_after)
    examination = Examination(green_api_conn_id)
    with GreenApiHook(green_api_conn_id, max_attempts=1) as hook:
        examination.findings.extend(findings(hook, examination, bound))
    return examination


def check_instance(
    green_api_conn_id: str = GreenApiHook.default_conn_name, silent_after: float | timedelta | None = None
) -> dict[str, Any]:
    """Examine an instance as a task, which fails if it is not healthy; a retry looks again.

    .. code-block:: python

        task(retries=1)(check_instance)("green_api_default", silent_after=4 * 3600)

    :return: What was found, as JSON values.
    :raises AirflowException: The instance is not healthy; the text says why, and what to do.
    """
    examination = examine(green_api_conn_id, silent_after)
    if not examination.healthy:
        raise AirflowException(examination.as_text())
    return examination.as_dict()


def command(arguments: argparse.Namespace) -> None:
    """Examine, print, and exit with 0 for healthy or 1 for not."""
    # As `airflow connections test` does: else only connections in the environment are found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    try:
        examination = examine(arguments.conn_id, arguments.silent_after)
    except ValueError as error:
        sys.exit(str(error))
    print(json.dumps(examination.as_dict(), indent=2) if arguments.json else examination.as_text())
    sys.exit(0 if examination.healthy else 1)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.doctor", DOCTOR_HELP, DOCTOR_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
