"""The ``airflow green-api`` commands, for Airflow 3.2 and later."""

from __future__ import annotations

from typing import Any

# Read at the start of every `airflow` command, so nothing heavy is imported here.
Arguments = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]

JSON_ARGUMENT = (("--json",), {"action": "store_true", "help": "print JSON"})

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
    JSON_ARGUMENT,
)
BATCHES_HELP = "List the batches of a store that no task is known to have returned, or hand one on"
BATCHES_ARGUMENTS: Arguments = (
    (("store",), {"help": "connection id of a SQL store, or path or URL of a folder or bucket"}),
    (("--table",), {"help": "table of a SQL store", "default": "green_api_notifications"}),
    (("--conn-id",), {"help": "connection for a bucket"}),
    (
        ("--hand-on",),
        {"metavar": "BATCH_ID", "help": "give a batch to the next drain of the same Dag, task and queue"},
    ),
    JSON_ARGUMENT,
)
_ERASING_ARGUMENTS: Arguments = (
    (("store",), {"help": "connection id of a SQL store, or path or URL of a folder or bucket"}),
    (("--table",), {"help": "table of a SQL store", "default": "green_api_notifications"}),
    (("--conn-id",), {"help": "connection for a bucket"}),
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


def get_cli_commands() -> list[Any]:
    """Return what this provider adds to the ``airflow`` command."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    def command(name: str, help: str, arguments: Arguments) -> ActionCommand:
        return ActionCommand(
            name=name,
            help=help,
            func=lazy_load_command(f"airflow_green_notify.{name}.command"),
            args=tuple(Arg(flags, **options) for flags, options in arguments),
        )

    commands = (
        command("doctor", DOCTOR_HELP, DOCTOR_ARGUMENTS),
        command("batches", BATCHES_HELP, BATCHES_ARGUMENTS),
        command("erase", ERASE_HELP, ERASE_ARGUMENTS),
        command("purge", PURGE_HELP, PURGE_ARGUMENTS),
    )
    return [GroupCommand(name="green-api", help="Look after GREEN-API instances", subcommands=commands)]


def parsed(module: str, help: str, arguments: Arguments, argv: Any) -> Any:
    """Parse the command line of ``python -m <module>``, which has the same arguments on every Airflow."""
    import argparse

    parser = argparse.ArgumentParser(f"python -m {module}", description=help)
    for flags, options in arguments:
        parser.add_argument(*flags, **options)
    return parser.parse_args(argv)
