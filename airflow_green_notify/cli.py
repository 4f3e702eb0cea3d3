"""The ``airflow green-api`` commands, for Airflow 3.2 and later."""

from __future__ import annotations

from typing import Any

# Read at the start of every `airflow` command, so nothing heavy is imported here.
DOCTOR_HELP = "Examine an instance: what keeps its queue from being read, and where to mend it"
DOCTOR_ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("conn_id",),
        {"nargs": "?", "default": "green_api_default", "help": "connection of type green_api"},
    ),
    (("--json",), {"action": "store_true", "help": "print JSON"}),
)


def get_cli_commands() -> list[Any]:
    """Return what this provider adds to the ``airflow`` command."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    doctor = ActionCommand(
        name="doctor",
        help=DOCTOR_HELP,
        func=lazy_load_command("airflow_green_notify.doctor.command"),
        args=tuple(Arg(flags, **options) for flags, options in DOCTOR_ARGUMENTS),
    )
    return [GroupCommand(name="green-api", help="Look after GREEN-API instances", subcommands=(doctor,))]
