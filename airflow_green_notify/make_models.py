"""Makes SQL views over what a store holds, or renews them.

``python -m airflow_green_notify.make_models --conn-id ID [--table TABLE] [--silence HOURS] [--json]``; on
Airflow 3.2 and later also ``airflow green-api models``. Exit code 0 means done, 2 that an argument is wrong,
the database can't be reached, or a view's name is taken.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from airflow_green_notify.cli import MODELS_ARGUMENTS, MODELS_HELP, find_all_connections, parsed
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.models.making import create_models
from airflow_green_notify.stores import SqlStore


def command(arguments: argparse.Namespace) -> None:
    """Make the views, name them, and exit."""
    find_all_connections()
    try:
        names = create_models(SqlStore(arguments.conn_id, table=arguments.table), arguments.silence * 3600)
    except (GreenApiConfigError, NotificationStoreError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(json.dumps(names) if arguments.json else "\n".join(names))
    sys.exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.make_models", MODELS_HELP, MODELS_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
