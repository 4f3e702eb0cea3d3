"""The ``airflow green-api`` commands, for Airflow 3.2 and later."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore

# Read at the start of every `airflow` command, so nothing heavy is imported here.
Arguments = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]


def rate(text: str) -> float:
    """Return calls a second: ``5`` or ``5/s``."""
    return float(text.removesuffix("/s"))


def count(text: str) -> int:
    """Return how many."""
    if (number := int(text)) < 0:
        raise ValueError
    return number


def hours(text: str) -> float:
    """Return a number of hours above 0."""
    if not 0 < (number := float(text)) < math.inf:
        raise ValueError
    return number


JSON_ARGUMENT = (("--json",), {"action": "store_true", "help": "print JSON"})

STORE_ARGUMENT = (("store",), {"help": "connection id of a SQL store, or path or URL of a folder or bucket"})
PLACE_ARGUMENTS: Arguments = (
    (("--table",), {"help": "table of a SQL store", "default": "green_api_notifications"}),
    (("--conn-id",), {"help": "connection for a bucket"}),
)

DOCTOR_HELP = "Examine instances: what keeps a queue from being read, and where to fix it"
DOCTOR_ARGUMENTS: Arguments = (
    (
        ("conn_id",),
        {"nargs": "*", "default": ["green_api_default"], "help": "connections of type greenapi"},
    ),
    (
        ("--silent-after",),
        {
            "type": float,
            "metavar": "SECONDS",
            "help": "not healthy if no message has come in for so long",
        },
    ),
    (
        ("--store",),
        {"help": "list the consumers of a store, too: connection id, or path or URL of a folder or bucket"},
    ),
    *PLACE_ARGUMENTS,
    JSON_ARGUMENT,
)
BATCHES_HELP = "List the batches of a store that no task is known to have returned, or hand one on"
BATCHES_ARGUMENTS: Arguments = (
    STORE_ARGUMENT,
    *PLACE_ARGUMENTS,
    (
        ("--hand-on",),
        {"metavar": "BATCH_ID", "help": "give a batch to the next drain of the same Dag, task and queue"},
    ),
    JSON_ARGUMENT,
)
DEAD_LETTERS_HELP = "List the dead letters of a store, show one, let them be replayed, or drop them"
DEAD_LETTERS_ARGUMENTS: Arguments = (
    STORE_ARGUMENT,
    (
        ("action",),
        {
            "nargs": "?",
            "default": "list",
            "choices": ("list", "show", "replay", "drop"),
            "help": "what to do with them, right behind the store; list if left out",
        },
    ),
    (
        ("keys",),
        {
            "nargs": "*",
            "metavar": "KEY",
            "help": "keys of notifications, or of dead letters, right behind the action",
        },
    ),
    (("--all",), {"action": "store_true", "help": "replay or drop all of them"}),
    (("--type-webhook",), {"metavar": "TYPE", "help": "only those of this kind of notification"}),
    (("--chat",), {"metavar": "CHAT_ID", "help": "only those of this chat"}),
    (
        ("--error-type",),
        {"metavar": "CLASS", "help": "only those whose first or last error is of this class"},
    ),
    (("--rate",), {"type": rate, "metavar": "N/s", "help": "replay with no more than N calls a second"}),
    (
        ("--by-task",),
        {
            "metavar": "DAG_ID/TASK_ID",
            "help": "let this task replay them, if it isn't the one that gave them up",
        },
    ),
    (("--limit",), {"type": count, "metavar": "N", "help": "list no more than so many"}),
    (("--after",), {"metavar": "KEY", "help": "list what is behind this one"}),
    *PLACE_ARGUMENTS,
    JSON_ARGUMENT,
)
CONSUMERS_HELP = "List the consumers of a store and how far behind they are, or forget one"
CONSUMERS_ARGUMENTS: Arguments = (
    STORE_ARGUMENT,
    *PLACE_ARGUMENTS,
    (
        ("--forget",),
        {
            "metavar": "NAME",
            "help": "remove a consumer's position: if it reads again, it begins as a new one",
        },
    ),
    JSON_ARGUMENT,
)
_ERASING_ARGUMENTS: Arguments = (
    STORE_ARGUMENT,
    *PLACE_ARGUMENTS,
    (
        ("--media",),
        {
            "nargs": "+",
            "action": "extend",
            "default": [],
            "metavar": "FOLDER",
            "help": "folder or URL into which files were downloaded, as s3://conn_id@bucket/media",
        },
    ),
    (("--dry-run",), {"action": "store_true", "help": "count, and erase nothing"}),
    JSON_ARGUMENT,
)
ERASE_HELP = "Erase what a store holds of a contact, so that it doesn't come back"
ERASE_ARGUMENTS: Arguments = (
    *_ERASING_ARGUMENTS,
    (
        ("--contact",),
        {
            "action": "append",
            "required": True,
            "metavar": "ID",
            "help": "such as 12025550101@c.us, …@lid, or digits (Telegram, MAX); may be given several times",
        },
    ),
)
PURGE_HELP = "Erase what a store received long ago"
PURGE_ARGUMENTS: Arguments = (
    *_ERASING_ARGUMENTS,
    (("--older-than",), {"required": True, "metavar": "AGE", "help": "such as 90d (days) or 36h (hours)"}),
)
MODELS_HELP = "Make or renew SQL views over what a store holds: messages, conversations, contacts and so on"
MODELS_ARGUMENTS: Arguments = (
    (("--conn-id",), {"required": True, "help": "connection id of the SQL store"}),
    PLACE_ARGUMENTS[0],
    (
        ("--silence",),
        {
            "type": hours,
            "default": 24.0,
            "metavar": "HOURS",
            "help": "after so many hours a chat's next message begins another conversation",
        },
    ),
    JSON_ARGUMENT,
)


def get_cli_commands() -> list[Any]:
    """Return what this provider adds to the ``airflow`` command."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    def command(name: str, help: str, arguments: Arguments, module: str | None = None) -> ActionCommand:
        module = module or name.replace("-", "_")
        return ActionCommand(
            name=name,
            help=help,
            func=lazy_load_command(f"airflow_green_notify.{module}.command"),
            args=tuple(Arg(flags, **options) for flags, options in arguments),
        )

    commands = (
        command("doctor", DOCTOR_HELP, DOCTOR_ARGUMENTS),
        command("batches", BATCHES_HELP, BATCHES_ARGUMENTS),
        command("dead-letters", DEAD_LETTERS_HELP, DEAD_LETTERS_ARGUMENTS),
        command("consumers", CONSUMERS_HELP, CONSUMERS_ARGUMENTS),
        command("erase", ERASE_HELP, ERASE_ARGUMENTS),
        command("purge", PURGE_HELP, PURGE_ARGUMENTS),
        command("models", MODELS_HELP, MODELS_ARGUMENTS, module="make_models"),
    )
    return [GroupCommand(name="green-api", help="Look after GREEN-API instances", subcommands=commands)]


def parsed(module: str, help: str, arguments: Arguments, argv: Any) -> Any:
    """Parse the command line of ``python -m <module>``, which has the same arguments on every Airflow."""
    import argparse

    parser = argparse.ArgumentParser(f"python -m {module}", description=help)
    for flags, options in arguments:
        parser.add_argument(*flags, **options)
    return parser.parse_args(argv)


def find_all_connections() -> None:
    """Let this process find connections beyond its environment, as `airflow connections test` does."""
    import os

    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def store_named(name: str, table: str, conn_id: str | None) -> SqlStore | ObjectStorageStore:
    """Return the store that a command line names."""
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore

    return ObjectStorageStore(name, conn_id=conn_id) if "/" in name else SqlStore(name, table=table)
