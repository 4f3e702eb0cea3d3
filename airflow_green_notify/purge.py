"""Erases what a store, and folders of media, received long ago.

``python -m airflow_green_notify.purge STORE --older-than 90d [--media FOLDER …] [--dry-run] [--json]``; on
Airflow 3.2 and later also ``airflow green-api purge``. Exit codes are those of ``erase``. From a task, call
:func:`airflow_green_notify.consume.erasing.purge`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta

from airflow_green_notify.cli import PURGE_ARGUMENTS, PURGE_HELP, parsed
from airflow_green_notify.consume.erasing import purge
from airflow_green_notify.erase import run
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.printable import NAME, printable

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def command(arguments: argparse.Namespace) -> None:
    """Purge, say how much that was, and exit."""
    run(
        arguments,
        lambda store: purge(store, _age(arguments.older_than), arguments.media, dry_run=arguments.dry_run),
        f"older than {arguments.older_than}",
    )


def _age(text: str) -> timedelta:
    """Return the age that a text such as ``90d`` stands for."""
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise GreenApiConfigError(
            f"--older-than is '{printable(text, NAME)}'; it must be a number of hours, days or weeks, such "
            "as 36h, 90d or 52w."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.purge", PURGE_HELP, PURGE_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
