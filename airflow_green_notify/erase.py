"""Erases what a store, and folders of media, hold of a contact.

``python -m airflow_green_notify.erase STORE --contact ID [--media FOLDER …] [--dry-run] [--json]``; on
Airflow 3.2 and later also ``airflow green-api erase``. Exit code 0 means done, also where nothing was found;
2 that an argument is wrong or the store can't be reached: what was not erased is erased when it is run again.
From a task, call :func:`airflow_green_notify.consume.erasing.erase`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from airflow_green_notify.cli import ERASE_ARGUMENTS, ERASE_HELP, find_all_connections, parsed, store_named
from airflow_green_notify.consume.erasing import erase
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.printable import TEXT, printable
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

Store = SqlStore | ObjectStorageStore


def command(arguments: argparse.Namespace) -> None:
    """Erase, say how much that was, and exit."""
    run(
        arguments,
        lambda store: erase(store, arguments.contact, arguments.media, dry_run=arguments.dry_run),
        ", ".join(arguments.contact),
    )


def run(arguments: argparse.Namespace, work: Callable[[Store], dict[str, int]], which: str) -> None:
    """Do what erases in the store of the arguments, say how much that was, and exit."""
    find_all_connections()
    try:
        counts = work(store_named(arguments.store, arguments.table, arguments.conn_id))
    except (GreenApiConfigError, NotificationStoreError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(json.dumps(counts) if arguments.json else _text(counts, which, arguments.dry_run))
    sys.exit(0)


def _text(counts: dict[str, int], which: str, dry_run: bool) -> str:
    done = "Would erase" if dry_run else "Erased"
    number, files = counts["notifications"], counts["media"]
    return f"{done} {number:,} notifications and {files:,} files of media: {printable(which, TEXT)}."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.erase", ERASE_HELP, ERASE_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
