"""Lists the consumers of a store and how far behind they are, and forgets one.

``python -m airflow_green_notify.consumers STORE [--json]``; on Airflow 3.2 and later also
``airflow green-api consumers``. With ``--forget NAME`` a consumer's position is removed: if it reads again,
it begins as a new one. Exit code 0 means done, 1 that there is no such consumer, 2 that the store can't be
read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from airflow_green_notify.cli import (
    CONSUMERS_ARGUMENTS,
    CONSUMERS_HELP,
    find_all_connections,
    parsed,
    store_named,
)
from airflow_green_notify.consume.lag import as_table, lags
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.printable import TEXT, printable

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store


def command(arguments: argparse.Namespace) -> None:
    """List the consumers, or forget one, and exit."""
    find_all_connections()
    try:
        store = store_named(arguments.store, arguments.table, arguments.conn_id)
        found = lags(store)
        if arguments.forget is not None:
            sys.exit(_forget(store, arguments.forget))
    except (GreenApiError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(json.dumps([each.as_dict() for each in found], indent=2) if arguments.json else as_table(found))
    sys.exit(0)


def _forget(store: Store, name: str) -> int:
    shown = printable(name, TEXT)
    with closing(store.stream()) as stream:
        if not stream.forget(name):
            print(f"There is no consumer '{shown}' in this store.", file=sys.stderr)
            return 1
    print(f"Consumer '{shown}' is forgotten; if it reads again, it begins as a new one.")
    return 0


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.consumers", CONSUMERS_HELP, CONSUMERS_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
