"""Lists what stores hold that nobody is known to have been handed, and hands it on.

``python -m airflow_green_notify.batches STORE [--json]``; on Airflow 3.2 and later also
``airflow green-api batches``. With ``--hand-on BATCH_ID`` the next drain of the same Dag, task and queue
takes the batch over. Exit code 0 means done, 1 that there is no such batch, 2 that the store can't be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_green_notify.cli import (
    BATCHES_ARGUMENTS,
    BATCHES_HELP,
    find_all_connections,
    parsed,
    store_named,
)
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.printable import NAME, TEXT, printable

if TYPE_CHECKING:
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore
    from airflow_green_notify.stores.ledger import BatchRecord

_STATES = {
    "open": "being filled, or its task died; the next drain of the queue takes it over",
    "closed": "finished; the next drain asks Airflow whether its task returned it",
    "unknown": "finished, and Airflow doesn't know its task: hand it on if nobody has it",
    "released": "handed on by hand; waits for the next drain",
    "adopted": "taken over",
}


def command(arguments: argparse.Namespace) -> None:
    """List the batches, or hand one on, and exit."""
    find_all_connections()
    store = _store(arguments)
    try:
        if arguments.hand_on:
            sys.exit(_hand_on(store, arguments.hand_on))
        records = store.unconfirmed_batches()
    except NotificationStoreError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(json.dumps([asdict(record) for record in records], indent=2) if arguments.json else _text(records))
    sys.exit(0)


def _store(arguments: argparse.Namespace) -> SqlStore | ObjectStorageStore:
    return store_named(arguments.store, arguments.table, arguments.conn_id)


def _hand_on(store: SqlStore | ObjectStorageStore, batch_id: str) -> int:
    if not store.give_to_next_drain(batch_id):
        print(f"There is no batch {batch_id!r} in this store.", file=sys.stderr)
        return 1
    print(f"The next drain of the same Dag, task and queue takes {batch_id} over.")
    return 0


def _text(records: Sequence[BatchRecord]) -> str:
    return "\n".join(map(_line, records)) or "Every batch is known to have been handed on."


def _line(record: BatchRecord) -> str:
    names = (record.batch_id, record.queue, record.adopted_by)  # whole: they are typed behind --hand-on
    batch_id, queue, adopter = (printable(name, TEXT) for name in names)
    by = f", {record.adopted} notifications by {adopter}" if adopter else ""
    of_queue = f" of queue {queue}" if queue else ""
    return f"{printable(record.state, NAME):<9} {batch_id}{of_queue}: {_STATES.get(record.state, '')}{by}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.batches", BATCHES_HELP, BATCHES_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
