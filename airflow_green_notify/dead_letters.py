"""Lists dead letters, shows one, lets them be replayed, drops them.

``python -m airflow_green_notify.dead_letters STORE [list|show|replay|drop] [KEY …]``; on Airflow 3.2 and
later also ``airflow green-api dead-letters``. Exit code 0 means done, 1 that there is no such dead letter, 2
that the store can't be read, or that the command is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_green_notify.cli import (
    DEAD_LETTERS_ARGUMENTS,
    DEAD_LETTERS_HELP,
    find_all_connections,
    parsed,
    store_named,
)
from airflow_green_notify.consume.dead_letters import (
    drop_dead_letters,
    facts_of,
    read_dead_letters,
    replay_dead_letters,
)
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.printable import NAME, printable

if TYPE_CHECKING:
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore
    from airflow_green_notify.stores.dead_letter import DeadLetter

_REASONS = {
    "max_attempts": "all attempts failed",
    "failed_for_good": "the handler said that trying again is in vain",
    "process_died": "the process died",
}
_OPTIONS_OF = {"limit": "list", "after": "list", "rate": "replay", "by_task": "replay"}
"""Options that mean nothing to other actions; who gives them there expects that less is dropped, say."""

_ERROR_TEXT = 200
"""Characters of an error that a list shows."""


def command(arguments: argparse.Namespace) -> None:
    """List, show, replay or drop, and exit."""
    find_all_connections()
    try:
        _check_options(arguments)
        _ACTIONS[arguments.action](arguments)
    except (LookupError, GreenApiError, ValueError) as error:
        print(printable(error, 2 * NAME * NAME), file=sys.stderr)
        sys.exit(1 if isinstance(error, LookupError) else 2)
    sys.exit(0)


def _check_options(arguments: argparse.Namespace) -> None:
    for name, action in _OPTIONS_OF.items():
        if arguments.action != action and getattr(arguments, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is an option of {action}, not of {arguments.action}."
            )


def _list(arguments: argparse.Namespace) -> None:
    letters = _behind(arguments.after, _chosen(arguments))
    if arguments.limit is not None:
        letters = islice(letters, arguments.limit)
    marked = _marked(arguments)
    if arguments.json:
        _print_json(facts_of(letter) | {"is_marked": letter.key in marked} for letter in letters)
        return
    last = None
    for last in letters:
        print(_line(last, last.key in marked))
    if last is None:
        print("There are no dead letters.")


def _show(arguments: argparse.Namespace) -> None:
    if not arguments.keys:
        raise ValueError("Say which dead letter: name its key.")
    marked = _marked(arguments)
    _print_json(
        facts_of(letter) | {"is_marked": letter.key in marked} | letter.notification.as_dict()
        for letter in _chosen(arguments)
    )


def _replay(arguments: argparse.Namespace) -> None:
    options = _options(arguments) | {"rate": arguments.rate, "task": arguments.by_task or ""}
    marked = replay_dead_letters(_store(arguments), everything=arguments.all, **options)
    if arguments.json:
        print(json.dumps({"marked": marked}))
    for task, count in marked.items() if not arguments.json else ():
        print(f"Marked {count} for {printable(task, NAME)}, whose next run replays them.")
    if not marked and not arguments.json:
        print("There are no such dead letters.")


def _drop(arguments: argparse.Namespace) -> None:
    dropped = drop_dead_letters(_store(arguments), everything=arguments.all, **_options(arguments))
    print(json.dumps({"dropped": dropped}) if arguments.json else f"Dropped {dropped} dead letters.")


_ACTIONS = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}


def _store(arguments: argparse.Namespace) -> SqlStore | ObjectStorageStore:
    return store_named(arguments.store, arguments.table, arguments.conn_id)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what says which ones are meant."""
    wanted = {"type_webhook": arguments.type_webhook, "chat_id": arguments.chat}
    given = {name: value for name, value in wanted.items() if value is not None}
    return {
        "keys": arguments.keys,
        "matching": NotificationFilter(**given) if given else None,
        "error_type": arguments.error_type,
    }


def _chosen(arguments: argparse.Namespace) -> Iterator[DeadLetter]:
    return read_dead_letters(_store(arguments), **_options(arguments))


def _marked(arguments: argparse.Namespace) -> set[str]:
    letters = _store(arguments).dead_letters()
    try:
        return letters.to_be_replayed()
    finally:
        letters.close()


def _behind(key: str | None, letters: Iterator[DeadLetter]) -> Iterator[DeadLetter]:
    """Return the letters behind the one with this key."""
    if key is not None and not any(key in (each.key, each.notification.key) for each in letters):
        raise LookupError(f"There is no dead letter {key!r} among these.")
    return letters


def _line(letter: DeadLetter, is_marked: bool) -> str:
    facts = facts_of(letter)
    reason = _REASONS.get(facts["reason"], printable(facts["reason"], NAME))
    names = ("key", "received_at", "chat_id", "type_webhook")
    head = " ".join(printable(facts[name], NAME) for name in names)
    replays = f", {printable(facts['replays'], NAME)} replays" if facts["replays"] else ""
    return (
        f"{head}: {reason} after {printable(facts['attempts'], NAME)} attempts{replays} of "
        f"{printable(letter.task, NAME)}; first {_error(facts, 'first_')}; last {_error(facts, '')}"
        + ("; to be replayed" if is_marked else "")
    )


def _error(facts: dict[str, Any], which: str) -> str:
    kind, text, time = (
        printable(facts[name], _ERROR_TEXT)
        for name in (f"{which}error_type", f"{which}error_text", f"{which}failed_at")
    )
    return f"{kind}: {text} ({time})"


def _print_json(items: Iterable[dict[str, Any]]) -> None:
    """Print an array, an item at a time: there may be many thousands."""
    before = "["
    for item in items:
        print(before + json.dumps(item, indent=2))
        before = ","
    print("[]" if before == "[" else "]")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.dead_letters", DEAD_LETTERS_HELP, DEAD_LETTERS_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
